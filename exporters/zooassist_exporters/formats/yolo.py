"""How is a training set written for YOLO, as boxes or outlines, and read back?

``data.yaml``, ``images/<split>/`` and ``labels/<split>/`` with one line per object: class number,
then a box (centre, width, height) or the vertices of an outline, as fractions of the picture's
width and height. Source: the data set format that Ultralytics documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from zooassist_exporters.digests import Source
from zooassist_exporters.formats.format import Draft, Notes, Options
from zooassist_exporters.formats.pictures import (
    Picture,
    class_names,
    note_lost,
    pictures,
    place,
    size_of,
    takes_masks,
)
from zooassist_exporters.formats.reading import (
    SPLIT_FOLDERS,
    add_subject,
    image_files,
    mark_row,
    name_to_split,
    stem_to_subject,
)
from zooassist_exporters.formats.shape_outlines import (
    Box,
    Size,
    box_to_shape,
    clip_box,
    clip_ring,
    shape_to_ring,
)
from zooassist_exporters.splits import Split
from zooassist_exporters.training_set import SubjectRow, TrainingSet
from zooassist_plugin.errors import BadInput
from zooassist_plugin.pixel_outlines import Ring, pixels_to_rings
from zooassist_plugin.shapes import Polygon, Shape

DATA: Final = "data.yaml"
NO_IMAGE: Final = "pictures left out: they have no readable image"
NOTHING_LEFT: Final = (
    "objects left out: nothing of them is within the picture, or they have no area"
)
# Hundred-thousandths of a pixel even in pictures of ten thousand.
DIGITS: Final = 9


def write_yolo_boxes(data: TrainingSet, out: Path, options: Options, notes: Notes) -> None:
    """Write YOLO's detection form."""
    _write(data, out, options, notes, outlines=False)


def write_yolo_outlines(data: TrainingSet, out: Path, options: Options, notes: Notes) -> None:
    """Write YOLO's segmentation form."""
    _write(data, out, options, notes, outlines=True)


def _write(data: TrainingSet, out: Path, options: Options, notes: Notes, *, outlines: bool) -> None:
    import yaml

    masks = takes_masks(data, options)
    numbers = {name: place for place, name in enumerate(class_names(data, options))}
    for split in options.splits:
        for kind in ("images", "labels"):
            (out / kind / SPLIT_FOLDERS[split]).mkdir(parents=True)
    for picture in pictures(data, options, notes):
        if picture.image is None or picture.size is None:
            notes.add(NO_IMAGE)
            continue
        folder = SPLIT_FOLDERS[picture.split]
        lines = []
        for name, numbers_of_object in _objects(picture, picture.size, masks, outlines, notes):
            number = numbers.setdefault(name, len(numbers))
            lines.append(
                " ".join([str(number), *(f"{each:.{DIGITS}f}" for each in numbers_of_object)])
            )
        place(picture.image, out / "images" / folder / picture.image.name, options.images)
        text = "".join(f"{line}\n" for line in lines)
        (out / "labels" / folder / f"{picture.stem}.txt").write_text(text, encoding="ascii")
    content: dict[str, Any] = {
        "train" if split == "train" else SPLIT_FOLDERS[split]: f"images/{SPLIT_FOLDERS[split]}"
        for split in options.splits
    }
    content["names"] = {number: name for name, number in numbers.items()}
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    (out / DATA).write_text(text, encoding="utf-8")
    note_lost(data, notes, "votes", "sampling", "agreement", "shapes" if masks else "masks")


def _objects(
    picture: Picture, size: Size, masks: bool, outlines: bool, notes: Notes
) -> Iterator[tuple[str, list[float]]]:
    """Return class name and numbers of each object of a picture."""
    things: list[tuple[str, Box, Ring | None]] = []
    if masks:
        for region in picture.regions():
            rings = pixels_to_rings(region.pixels()) if outlines else []
            notes.add("objects of several parts: the largest part was kept", len(rings) > 1)
            things.append((picture.class_name(region), region.box(), rings[0] if rings else None))
    else:
        for drawn in picture.drawn:
            ring = shape_to_ring(drawn.shape) if outlines else None
            things.append((drawn.label, drawn.box(), ring))
    for name, box, ring in things:
        numbers: list[float] | None = None
        if not outlines:
            numbers = box_to_yolo(box, size)
        elif ring is not None:
            numbers = ring_to_yolo(ring, size)
        if numbers is None:
            notes.add(NOTHING_LEFT)
        else:
            yield name, numbers


def box_to_yolo(box: Box, size: Size) -> list[float] | None:
    """Return centre, width and height as fractions of the picture; None when nothing is in it."""
    clipped = clip_box(box, size)
    if clipped is None:
        return None
    (left, top, right, bottom), (width, height) = clipped, size
    return [
        (left + right) / 2 / width,
        (top + bottom) / 2 / height,
        (right - left) / width,
        (bottom - top) / height,
    ]


def yolo_to_box(numbers: Sequence[float], size: Size) -> Box:
    """Return the box of centre, width and height as fractions."""
    (x, y, box_width, box_height), (width, height) = numbers, size
    return (
        (x - box_width / 2) * width,
        (y - box_height / 2) * height,
        (x + box_width / 2) * width,
        (y + box_height / 2) * height,
    )


def ring_to_yolo(ring: Ring, size: Size) -> list[float] | None:
    """Return the vertices within the picture as fractions; None when nothing is in it."""
    clipped = clip_ring(ring, size)
    if clipped is None:
        return None
    return [value for x, y in clipped for value in (x / size[0], y / size[1])]


def yolo_to_ring(numbers: Sequence[float], size: Size) -> Ring:
    """Return the vertices of fractions."""
    width, height = size
    return [(x * width, y * height) for x, y in zip(numbers[0::2], numbers[1::2], strict=True)]


def read_yolo(path: Path, scratch: Path, notes: Notes) -> Draft:
    """Read a folder with ``data.yaml``: boxes become rectangles, outlines polygons.

    Raises
    ------
    BadInput
        When ``data.yaml`` is missing or says nothing of classes and folders.
    """
    import yaml

    file = path / DATA if path.is_dir() else path
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        names = content["names"]
        known = dict(names) if isinstance(names, dict) else dict(enumerate(names))
        labels = {int(number): str(name) for number, name in known.items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"{file}: expected YOLO's data.yaml with names and the folders train, val and test; "
            f"problem: {error}"
        ) from error
    draft = Draft(sources=[Source.of(file)])
    for key in ("train", "val", "test"):
        if key not in content:
            continue
        split = name_to_split(key)
        folder = (file.parent / str(content[key])).resolve()
        if not folder.is_relative_to(file.parent.resolve()) or not folder.is_dir():
            raise BadInput(f"{file}: {key}: expected a folder beside it, got {content[key]!r}")
        for image in image_files(folder):
            _read_picture(image, file.parent.resolve(), split, labels, draft, notes)
    return draft


def _read_picture(
    image: Path, root: Path, split: Split | None, labels: dict[int, str], draft: Draft, notes: Notes
) -> None:
    subject_id = stem_to_subject(image.stem)
    add_subject(draft, SubjectRow(subject_id, image, split=split), image)
    parts = list(image.relative_to(root).parent.parts)
    place = max((i for i, part in enumerate(parts) if part == "images"), default=None)
    if place is not None:  # as YOLO does: the last "images" on the way is "labels" for the lines
        parts[place] = "labels"
    file = root.joinpath(*parts, f"{image.stem}.txt")
    size = size_of(image)
    if not file.is_file() or size is None:
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            number, *numbers = (float(word) for word in line.split())
            shape: Shape
            if len(numbers) == 4:
                shape = box_to_shape(yolo_to_box(numbers, size))
            elif len(numbers) >= 6:
                shape = Polygon(points=tuple(yolo_to_ring(numbers, size)))
            else:
                raise ValueError(line)
            label = labels[int(number)]
        except (ValueError, KeyError):
            notes.add(
                "lines left out: expected a known class and a box or an outline", bool(line.strip())
            )
            continue
        draft.marks.append(mark_row(subject_id, 0, label, shape, int(number)))
