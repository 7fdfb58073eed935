"""How is a training set written as pictures and label maps, and read back?

``<split>/images/``, ``<split>/masks/`` and, where there are such maps, ``<split>/instances/`` and
``<split>/agreement/`` with the same file names; ``classes.json`` names the classes' numbers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zooassist_exporters.digests import Source
from zooassist_exporters.formats.format import Draft, Notes, Options
from zooassist_exporters.formats.pictures import (
    Drawn,
    Picture,
    mark_labels,
    note_lost,
    pictures,
    place,
    read_labels,
)
from zooassist_exporters.formats.reading import (
    SPLIT_FOLDERS,
    add_subject,
    image_files,
    name_to_split,
    read_json,
    stem_to_frame,
    stem_to_subject,
)
from zooassist_exporters.mask_patch import EMPTY, Patch, Size
from zooassist_exporters.rasterise import rasterise
from zooassist_exporters.splits import Split
from zooassist_exporters.training_set import SubjectRow, TrainingSet
from zooassist_exporters.training_set_masks import beside
from zooassist_plugin.errors import BadInput
from zooassist_plugin.shapes import Line, Point, Shape

CLASSES: Final = "classes.json"
MASKS: Final = "masks"
IMAGES: Final = "images"
# The maps beside a label map, and the folder of each.
BESIDE: Final = ("instances", "agreement")
MOST_OBJECTS: Final = 65_535


def write_png_masks(data: TrainingSet, out: Path, options: Options, notes: Notes) -> None:
    """Copy the set's masks; of a set with marks only, draw them."""
    drawn = takes_marks(data, options)
    names = dict(data.mask_classes)
    if drawn:
        labels = mark_labels(data, options)
        if len(labels) > 255:
            raise BadInput(f"a label map holds 255 classes, the set has {len(labels)}")
        names = dict(enumerate(labels, start=1))
    numbers = {name: number for number, name in names.items()}
    for picture in pictures(data, options, notes):
        folder = out / SPLIT_FOLDERS[picture.split]
        if picture.image is not None:
            place(picture.image, folder / IMAGES / picture.image.name, options.images)
        if drawn:
            _draw(picture, folder, numbers, notes)
        elif picture.mask is not None:
            _copy(picture.mask, folder / MASKS / f"{picture.stem}.png")
            for kind in BESIDE:
                if beside(picture.mask, kind).is_file():
                    _copy(beside(picture.mask, kind), folder / kind / f"{picture.stem}.png")
    (out / CLASSES).parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({str(number): names[number] for number in sorted(names)}, ensure_ascii=False)
    (out / CLASSES).write_text(text + "\n", encoding="utf-8")
    note_lost(data, notes, "votes", "sampling", "masks" if drawn else "shapes")


def takes_marks(data: TrainingSet, options: Options) -> bool:
    """Say whether masks are drawn from the marks: on request, or when the set has only these."""
    if options.objects is not None:
        return options.objects == "marks"
    has_masks = data.masks is not None and data.masks.num_rows > 0
    return not has_masks and data.marks is not None and data.marks.num_rows > 0


def _draw(picture: Picture, folder: Path, numbers: dict[str, int], notes: Notes) -> None:
    if picture.size is None:
        notes.add("pictures left out: of unknown size", bool(picture.drawn))
        return
    notes.add(
        "marks left out: an instance map holds 65,535", max(0, len(picture.drawn) - MOST_OBJECTS)
    )
    maps = marks_to_maps(picture.drawn[:MOST_OBJECTS], numbers, picture.size)
    for kind, pixels in ((MASKS, maps[0]), ("instances", maps[1])):
        target = folder / kind / f"{picture.stem}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(target)


def marks_to_maps(
    drawn: Sequence[Drawn], numbers: dict[str, int], size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Return label map and instance map of marks; where two overlap, the later one shows.

    A pixel is covered when its centre is; a point covers the pixel it lies in, a line nothing.

    Parameters
    ----------
    numbers : dict
        Class number by name.
    """
    frame = Size(*size)
    labels = np.zeros((frame.height, frame.width), dtype=np.uint8)
    instances = np.zeros((frame.height, frame.width), dtype=np.uint16)
    for instance, mark in enumerate(drawn, start=1):
        patch = _pixels(mark.shape, frame)
        box = patch.box
        place_of = np.s_[box.top : box.bottom, box.left : box.right]
        labels[place_of][patch.cells] = numbers[mark.label]
        instances[place_of][patch.cells] = instance
    return labels, instances


def _pixels(shape: Shape, size: Size) -> Patch:
    if isinstance(shape, Line):
        return EMPTY
    if isinstance(shape, Point):
        if not (0 <= shape.x < size.width and 0 <= shape.y < size.height):
            return EMPTY
        return Patch(int(shape.y), int(shape.x), np.ones((1, 1), dtype=np.bool_))
    return rasterise(shape, size)


def read_png_masks(path: Path, scratch: Path, notes: Notes) -> Draft:
    """Read folders of images and label maps, with or without a folder per split.

    Raises
    ------
    BadInput
        When there is no folder of masks, or a mask is no label map.
    """
    folders: list[tuple[Path, Split | None]] = [
        (folder, split)
        for folder in sorted(path.iterdir() if path.is_dir() else ())
        if folder.is_dir() and (split := name_to_split(folder.name)) is not None
    ]
    if not folders and any((path / kind).is_dir() for kind in (MASKS, IMAGES)):
        folders = [(path, None)]
    draft = Draft()
    if (path / CLASSES).is_file():
        draft.mask_classes = _read_classes(path / CLASSES)
        draft.sources.append(Source.of(path / CLASSES))
    elif not folders:
        raise BadInput(f"{path}: expected the folders {IMAGES}/ and {MASKS}/, or train/{MASKS}/")
    for folder, split in folders:
        for image in image_files(folder / IMAGES):
            subject_id = stem_to_subject(image.stem)
            add_subject(draft, SubjectRow(subject_id, image, split=split), image)
        for mask in image_files(folder / MASKS):
            subject_id, frame = stem_to_subject(mask.stem), 0
            if subject_id not in draft.subjects:
                subject_id, frame = stem_to_frame(mask.stem)
            if subject_id not in draft.subjects:
                add_subject(draft, SubjectRow(subject_id, split=split), mask)
            labels = read_labels(mask)  # refuses what is no label map
            target = scratch / f"{subject_id}_{frame}.png"
            if mask.suffix.lower() == ".png":
                _copy(mask, target)
            else:
                Image.fromarray(labels).save(target)
            for kind in BESIDE:
                if (folder / kind / mask.name).is_file():
                    _copy(folder / kind / mask.name, beside(target, kind))
            draft.masks[subject_id, frame] = target
    return draft


def _read_classes(path: Path) -> dict[int, str]:
    content = read_json(path)
    try:
        names = {int(number): str(name) for number, name in content.items()}
    except (AttributeError, ValueError) as error:
        raise BadInput(f'{path}: expected {{"1": "name", ...}}; problem: {error}') from error
    # 0 is the background, by whatever name; a class without a name goes by its number.
    return {number: name for number, name in names.items() if number and name}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
