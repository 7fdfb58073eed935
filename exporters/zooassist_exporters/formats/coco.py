"""How is a training set written for COCO's tools, and read back?

``annotations/instances_<split>.json`` and ``images/``. What COCO has no word for is kept under the
key ``zooassist``, which its tools pass over: the exact shape, who drew it, frames, metadata.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import orjson

from zooassist_exporters.formats.format import Notes, Options
from zooassist_exporters.formats.pictures import (
    Drawn,
    Picture,
    class_names,
    note_lost,
    pictures,
    place,
)
from zooassist_exporters.formats.regions import Region
from zooassist_exporters.formats.shape_outlines import Size, clip_box, shape_to_ring
from zooassist_exporters.training_set import TrainingSet
from zooassist_plugin.pixel_outlines import ring_area
from zooassist_plugin.run_lengths import counts_to_string, runs_to_counts

OWN: Final = "zooassist"
ANNOTATIONS: Final = "annotations"
# What of a row of marks.parquet is not said by COCO's own keys.
KEPT: Final = (
    "task",
    "tool_index",
    "tool_type",
    "tool_label",
    "count",
    "agreement",
    "action",
    "classification_id",
)


def write_coco(data: TrainingSet, out: Path, options: Options, notes: Notes) -> None:
    """Write one instances file per split; annotations stream through a file of their own."""
    names = class_names(data, options)
    numbers = {name: number for number, name in data.mask_classes.items()}
    categories = {name: place for place, name in enumerate(names, start=1)}
    (out / ANNOTATIONS).mkdir(parents=True)
    with ExitStack() as stack:
        files = {
            split: stack.enter_context(_InstancesFile(out / ANNOTATIONS, split))
            for split in options.splits
        }
        for picture in pictures(data, options, notes):
            file = files[picture.split]
            image_id = file.add_image(picture_to_coco(picture))
            if picture.image is not None:
                place(picture.image, out / "images" / picture.image.name, options.images)
            notes.add("pictures without an image file", picture.image is None)
            notes.add("pictures of unknown size: boxes are not clipped", picture.size is None)
            for drawn in picture.drawn:
                file.add_annotation(
                    mark_to_coco(drawn, picture.size), image_id, categories[drawn.label]
                )
            for region in picture.regions():
                name = picture.class_name(region)
                numbers[name] = region.number  # a class that nobody named is called by its number
                category = categories.setdefault(name, len(categories) + 1)
                file.add_annotation(region_to_coco(region), image_id, category)
        for file in files.values():
            file.finish(
                [
                    {"id": number, "name": name, "supercategory": ""}
                    | ({OWN: {"mask_class": numbers[name]}} if name in numbers else {})
                    for name, number in categories.items()
                ]
            )
    note_lost(data, notes, "votes", "agreement")


def picture_to_coco(picture: Picture) -> dict[str, Any]:
    """Return the entry of ``images``, without its id.

    A picture whose image is not in the set is named as its file should be called, without suffix.
    """
    entry: dict[str, Any] = {
        "file_name": picture.stem if picture.image is None else picture.image.name
    }
    if picture.size is not None:
        entry |= {"width": picture.size[0], "height": picture.size[1]}
    own: dict[str, Any] = {"subject_id": picture.subject_id, "frame": picture.frame}
    own["image"] = picture.image is not None
    if picture.mask_size is not None:
        own |= {"mask": picture.mask_size, "instances": picture.instances is not None}
    if picture.frame == 0:
        own["inclusion_probability"] = float(picture.data.inclusion_probability[picture.row])
        own["metadata"] = picture.data.subjects["metadata"][picture.row].as_py()
    return entry | {OWN: own}


def mark_to_coco(drawn: Drawn, size: Size | None) -> dict[str, Any]:
    """Return the annotation of a mark: its box within the picture, and its outline.

    A point and a line enclose nothing; they get an outline without area, which COCO's tools take.
    """
    box = drawn.box()
    if size is not None:
        # Of a mark that lies outside altogether nothing is left but its place.
        box = clip_box(box, size) or (box[0], box[1], box[0], box[1])
    ring = shape_to_ring(drawn.shape)
    area = 0.0 if ring is None else abs(ring_area(ring))
    left, top, right, bottom = drawn.box()
    outline = [(left, top), (right, bottom), (right, bottom)] if ring is None else ring
    own = {key: drawn.row[key] for key in KEPT if drawn.row[key] is not None}
    return {
        "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
        "area": area if math.isfinite(area) else 0.0,
        "iscrowd": 0,
        "segmentation": [[value for vertex in outline for value in vertex]],
        OWN: own | {"geometry": json.loads(drawn.row["geometry"])},
    }


def region_to_coco(region: Region) -> dict[str, Any]:
    """Return the annotation of an object in a mask: compressed RLE.

    Pixels of a class that belong to no numbered object are a crowd, as COCO calls it.
    """
    left, top, right, bottom = region.box()
    width, height = region.size
    counts = runs_to_counts(region.starts, region.lengths, width * height)
    return {
        "bbox": [left, top, right - left, bottom - top],
        "area": region.area,
        "iscrowd": int(region.instance == 0),
        "segmentation": {"size": [height, width], "counts": counts_to_string(counts)},
        OWN: {"instance": region.instance},
    }


class _InstancesFile:
    """One instances file that grows on disk: images in it, annotations beside it until the end."""

    def __init__(self, folder: Path, split: str) -> None:
        self._path = folder / f"instances_{split}.json"
        self._images = self._annotations = 0

    def __enter__(self) -> _InstancesFile:
        self._file = self._path.open("w+b")
        self._beside = self._path.with_suffix(".part").open("w+b")
        self._file.write(b'{"images":[')
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
        self._beside.close()
        self._path.with_suffix(".part").unlink()

    def add_image(self, entry: Mapping[str, Any]) -> int:
        """Write an image and return its id."""
        self._file.write(b",\n" if self._images else b"\n")
        self._images += 1
        self._file.write(orjson.dumps({"id": self._images, **entry}))
        return self._images

    def add_annotation(self, entry: Mapping[str, Any], image_id: int, category: int) -> None:
        self._beside.write(b",\n" if self._annotations else b"\n")
        self._annotations += 1
        head = {"id": self._annotations, "image_id": image_id, "category_id": category}
        self._beside.write(orjson.dumps(head | dict(entry)))

    def finish(self, categories: Sequence[Mapping[str, Any]]) -> None:
        """Put the annotations behind the images, then the classes."""
        self._file.write(b'],\n"annotations":[')
        self._beside.seek(0)
        shutil.copyfileobj(self._beside, self._file)
        self._file.write(b'],\n"categories":' + orjson.dumps(list(categories)))
        self._file.write(b',\n"info":{"description":"zooassist training set"},"licenses":[]}\n')
