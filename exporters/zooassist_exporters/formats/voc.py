"""How is a training set written as Pascal VOC, and read back?

``Annotations/<name>.xml``, ``JPEGImages/`` and ``ImageSets/Main/<split>.txt``. Boxes are whole
pixels that count from 1, both ends included, as in the VOC development kit.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from zooassist_exporters.digests import Source
from zooassist_exporters.formats.format import Draft, Notes, Options
from zooassist_exporters.formats.pictures import (
    note_lost,
    pictures,
    place,
    takes_masks,
)
from zooassist_exporters.formats.reading import (
    SPLIT_FOLDERS,
    add_subject,
    image_of_stem,
    inside,
    mark_row,
    name_to_split,
    stem_to_subject,
)
from zooassist_exporters.formats.shape_outlines import Box, Size, box_to_shape, clip_box
from zooassist_exporters.formats.yolo import NO_IMAGE, NOTHING_LEFT
from zooassist_exporters.splits import Split
from zooassist_exporters.training_set import SubjectRow, TrainingSet
from zooassist_plugin.errors import BadInput

ANNOTATIONS: Final = "Annotations"
IMAGES: Final = "JPEGImages"
SETS: Final = "ImageSets/Main"
# XML 1.0 has no way to write these, not even escaped.
UNWRITABLE: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Corners = tuple[int, int, int, int]


def write_voc(data: TrainingSet, out: Path, options: Options, notes: Notes) -> None:
    """Write one XML file per picture."""
    masks = takes_masks(data, options)
    names: dict[Split, list[str]] = {split: [] for split in options.splits}
    (out / ANNOTATIONS).mkdir(parents=True)
    (out / SETS).mkdir(parents=True)
    (out / IMAGES).mkdir()
    for picture in pictures(data, options, notes):
        if picture.image is None or picture.size is None:
            notes.add(NO_IMAGE)
            continue
        place(picture.image, out / IMAGES / picture.image.name, options.images)
        objects = [
            (picture.class_name(region), region.box()) for region in picture.regions() if masks
        ] or [(drawn.label, drawn.box()) for drawn in picture.drawn if not masks]
        text = picture_to_voc(picture.image.name, objects, picture.size, notes)
        (out / ANNOTATIONS / f"{picture.stem}.xml").write_text(text, encoding="utf-8")
        names[picture.split].append(picture.stem)
    for split, stems in names.items():
        text = "".join(f"{stem}\n" for stem in stems)
        (out / SETS / f"{SPLIT_FOLDERS[split]}.txt").write_text(text, encoding="ascii")
    note_lost(data, notes, "votes", "sampling", "agreement", "shapes" if masks else "masks")


def picture_to_voc(name: str, objects: list[tuple[str, Box]], size: Size, notes: Notes) -> str:
    """Return the XML of a picture by its file name, size and (class, box) pairs."""
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<annotation>",
        f"  <folder>{IMAGES}</folder>",
        f"  <filename>{_text(name, notes)}</filename>",
        f"  <size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>",
        "  <segmented>0</segmented>",
    ]
    for label, box in objects:
        corners = box_to_voc(box, size)
        if corners is None:
            notes.add(NOTHING_LEFT)
            continue
        ends = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
        inner = "".join(f"<{end}>{value}</{end}>" for end, value in ends)
        cut = int(clip_box(box, size) != box)
        lines += [
            "  <object>",
            f"    <name>{_text(label, notes)}</name>",
            f"    <pose>Unspecified</pose><truncated>{cut}</truncated><difficult>0</difficult>",
            f"    <bndbox>{inner}</bndbox>",
            "  </object>",
        ]
    return "\n".join([*lines, "</annotation>", ""])


def box_to_voc(box: Box, size: Size) -> Corners | None:
    """Return the pixels that a box touches within the picture, counted from 1; None for none."""
    clipped = clip_box(box, size)
    if clipped is None:
        return None
    left, top, right, bottom = clipped
    return (math.floor(left) + 1, math.floor(top) + 1, math.ceil(right), math.ceil(bottom))


def voc_to_box(corners: tuple[float, float, float, float]) -> Box:
    """Return the box around pixels counted from 1, both ends included."""
    return (corners[0] - 1, corners[1] - 1, corners[2], corners[3])


def read_voc(path: Path, scratch: Path, notes: Notes) -> Draft:
    """Read the annotations of a VOC folder: boxes become rectangles.

    Raises
    ------
    BadInput
        When there are none, or one is not in VOC's form.
    """
    files = sorted((path / ANNOTATIONS).glob("*.xml"))
    if not files and not (path / ANNOTATIONS).is_dir():
        raise BadInput(f"{path}: expected Pascal VOC's folder {ANNOTATIONS}/ with XML files")
    splits: dict[str, Split | None] = {}
    for listing in sorted((path / SETS).glob("*.txt")):
        split = name_to_split(listing.stem)
        if split is not None:  # trainval, or one file per class
            stems = listing.read_text(encoding="utf-8").split()
            splits |= dict.fromkeys(stems, split)
    draft = Draft()
    tools: dict[str, int] = {}
    for file in files:
        try:
            tree = ElementTree.parse(file)
            _read_picture(tree.getroot(), path, file, splits.get(file.stem), draft, tools, notes)
        except (ElementTree.ParseError, AttributeError, TypeError, ValueError) as error:
            raise BadInput(f"{file}: not in Pascal VOC's form; problem: {error}") from error
        draft.sources.append(Source.of(file))
    return draft


def _read_picture(
    root: ElementTree.Element,
    path: Path,
    file: Path,
    split: Split | None,
    draft: Draft,
    tools: dict[str, int],
    notes: Notes,
) -> None:
    subject_id = stem_to_subject(file.stem)
    name = root.findtext("filename") or ""
    image = (inside(path / IMAGES, name) if name else None) or image_of_stem(
        path / IMAGES, file.stem
    )
    notes.add("images are not there", image is None)
    add_subject(draft, SubjectRow(subject_id, image, split=split), file)
    for entry in root.iter("object"):
        label = entry.findtext("name") or ""
        ends = [
            float(entry.findtext(f"bndbox/{end}") or "") for end in ("xmin", "ymin", "xmax", "ymax")
        ]
        shape = box_to_shape(voc_to_box((ends[0], ends[1], ends[2], ends[3])))
        tool = tools.setdefault(label, len(tools))
        draft.marks.append(mark_row(subject_id, 0, label, shape, tool))


def _text(text: str, notes: Notes) -> str:
    """Return text for XML; a carriage return survives only escaped."""
    clean, changed = UNWRITABLE.subn("\ufffd", text)
    notes.add("characters replaced that XML cannot hold", changed)
    return escape(clean, {"\r": "&#13;"})
