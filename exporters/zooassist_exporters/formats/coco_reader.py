"""How is a folder or file of COCO annotations read into a training set?

What was written by `zooassist` comes back as it was. Of others: a box becomes a rectangle, an
outline a polygon, run-length codes a mask.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from zooassist_exporters.digests import Source
from zooassist_exporters.formats.coco import ANNOTATIONS, KEPT, OWN
from zooassist_exporters.formats.format import Draft, Notes
from zooassist_exporters.formats.reading import (
    add_subject,
    inside,
    mark_row,
    name_to_split,
    read_json,
    stem_to_subject,
)
from zooassist_exporters.formats.regions import Region, regions_to_maps
from zooassist_exporters.formats.shape_outlines import Size, box_to_shape
from zooassist_exporters.splits import Split
from zooassist_exporters.training_set import SubjectRow
from zooassist_plugin.errors import BadInput
from zooassist_plugin.pixel_outlines import ring_area
from zooassist_plugin.run_lengths import counts_to_runs, string_to_counts
from zooassist_plugin.shapes import Polygon, Shape, make_shape

PARTS_LOST: Final = "objects of several parts: the largest part was kept"
BROKEN: Final = "annotations left out: neither outline nor box nor run-length code can be read"


def read_coco(path: Path, scratch: Path, notes: Notes) -> Draft:
    """Read ``annotations/*.json`` in a folder, or one file of annotations.

    Raises
    ------
    BadInput
        When there is no such file, or one is not in COCO's form.
    """
    files = [path] if path.is_file() else sorted((path / ANNOTATIONS).glob("*.json"))
    if not files:
        raise BadInput(f"{path}: expected a COCO file, or a folder with {ANNOTATIONS}/*.json")
    draft = Draft()
    for file in files:
        content = read_json(file)
        if not isinstance(content, dict) or not {"images", "annotations", "categories"} <= set(
            content
        ):
            raise BadInput(f"{file}: expected COCO's keys images, annotations and categories")
        root = path if path.is_dir() else path.parent
        split = name_to_split(file.stem.removeprefix("instances_"))
        try:
            _read_file(content, root, split, draft, scratch, notes)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise BadInput(f"{file}: not in COCO's form; problem at {error!r}") from error
        draft.sources.append(Source.of(file))
    return draft


def _read_file(
    content: Mapping[str, Any],
    root: Path,
    split: Split | None,
    draft: Draft,
    scratch: Path,
    notes: Notes,
) -> None:
    labels = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
    tools = {number: place for place, number in enumerate(labels)}
    classes = _mask_classes(content["categories"], draft)
    annotations: dict[int, list[Mapping[str, Any]]] = {}
    for entry in content["annotations"]:
        annotations.setdefault(entry["image_id"], []).append(entry)
    for image in content["images"]:
        own = image.get(OWN, {})
        name = str(image["file_name"])
        subject_id, frame = own.get("subject_id"), own.get("frame", 0)
        if subject_id is None:
            subject_id = stem_to_subject(Path(name).stem)
        if frame == 0 or subject_id not in draft.subjects:
            file = _find_image(root, name) if own.get("image", True) else None
            notes.add("images are not there", file is None and own.get("image", True))
            row = SubjectRow(
                subject_id,
                file,
                own.get("inclusion_probability", 1.0),
                json.loads(own.get("metadata", "{}")),
                split,
            )
            add_subject(draft, row, root)
        regions: list[Region] = []
        for entry in annotations.get(image["id"], ()):
            category = entry["category_id"]
            if isinstance(entry.get("segmentation"), dict):
                instance = entry.get(OWN, {}).get("instance")
                if instance is None:
                    instance = 0 if entry.get("iscrowd") else len(regions) + 1
                regions.append(coco_to_region(entry["segmentation"], classes[category], instance))
                continue
            shape = coco_to_shape(entry, notes)
            if shape is not None:
                kept = {key: entry[OWN].get(key) for key in KEPT} if OWN in entry else None
                row_of = mark_row(subject_id, frame, labels[category], shape, tools[category], kept)
                if OWN in entry:  # its numbers as they were written
                    row_of["geometry"] = json.dumps(entry[OWN]["geometry"])
                draft.marks.append(row_of)
        if regions or "mask" in own:
            size = regions[0].size if regions else (int(own["mask"][0]), int(own["mask"][1]))
            numbered = own.get("instances", any(region.instance for region in regions))
            used = {region.number for region in regions}
            draft.mask_classes |= {
                number: labels[category]
                for category, number in classes.items()
                if number in used and labels[category] != str(number)
            }
            draft.masks[subject_id, frame] = write_maps(
                regions, size, scratch / f"{subject_id}_{frame}.png", numbered
            )


def _mask_classes(categories: list[Mapping[str, Any]], draft: Draft) -> dict[int, int]:
    """Return category id -> class number in label maps: as written by us, else in their order."""
    own = {
        entry["id"]: int(entry[OWN]["mask_class"])
        for entry in categories
        if "mask_class" in entry.get(OWN, {})
    }
    draft.mask_classes |= {
        own[entry["id"]]: str(entry["name"])
        for entry in categories
        if entry["id"] in own and str(entry["name"]) != str(own[entry["id"]])
    }
    free: Iterator[int] = iter(sorted(set(range(1, len(categories) + 256)) - set(own.values())))
    return {
        entry["id"]: own[entry["id"]] if entry["id"] in own else next(free) for entry in categories
    }


def coco_to_shape(entry: Mapping[str, Any], notes: Notes) -> Shape | None:
    """Return the shape of an annotation: ours, else its outline, else its box."""
    try:
        if OWN in entry:
            return make_shape(entry[OWN]["tool_type"], entry[OWN]["geometry"])
        rings = [
            tuple(zip(flat[0::2], flat[1::2], strict=True))
            for flat in entry.get("segmentation") or ()
            if len(flat) >= 6
        ]
        if rings:
            notes.add(PARTS_LOST, len(rings) > 1)
            return Polygon(points=max(rings, key=lambda ring: abs(ring_area(ring))))
        left, top, width, height = entry["bbox"]
        return box_to_shape((left, top, left + width, top + height))
    except (BadInput, ValueError, TypeError, KeyError):
        notes.add(BROKEN)
        return None


def coco_to_region(segmentation: Mapping[str, Any], number: int, instance: int) -> Region:
    """Return the region of a run-length code, compressed or not.

    Raises
    ------
    BadInput
        When the counts do not fill the picture, or there are more than 255 classes or 65,535
        objects, which label maps cannot hold.
    """
    height, width = (int(value) for value in segmentation["size"])
    counts = segmentation["counts"]
    counts = string_to_counts(counts) if isinstance(counts, str) else [int(each) for each in counts]
    if sum(counts) > height * width:
        raise BadInput(f"RLE: expected counts up to {height * width} pixels, got {sum(counts)}")
    if number > 255 or not 0 <= instance <= 65_535:
        raise BadInput(
            f"class {number}, object {instance}: a label map holds 255 classes and 65,535 objects; "
            "leave some out"
        )
    starts, lengths = counts_to_runs(counts)
    return Region(number, instance, starts, lengths, (width, height))


def write_maps(regions: list[Region], size: Size, path: Path, numbered: bool) -> Path:
    """Write the label map and, where objects are numbered, the instance map beside it."""
    labels, instances = regions_to_maps(regions, size)
    Image.fromarray(labels).save(path)
    if numbered:
        Image.fromarray(instances.astype(np.uint16)).save(
            path.with_name(f"{path.stem}.instances.png")
        )
    return path


def _find_image(root: Path, name: str) -> Path | None:
    places = (
        f"images/{name}",
        name,
        *(f"images/{split}/{name}" for split in ("train", "val", "test")),
    )
    return next((file for place in places if (file := inside(root, place))), None)
