"""Which pictures does a training set hold, and which objects are on each?"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from zooassist_exporters.formats.format import Images, Notes, Options, Part
from zooassist_exporters.formats.regions import Region, maps_to_regions
from zooassist_exporters.formats.shape_outlines import Box, Size, shape_to_box
from zooassist_exporters.splits import Split
from zooassist_exporters.training_set import TrainingSet
from zooassist_plugin.errors import BadInput
from zooassist_plugin.shapes import Shape, make_shape

NO_SHAPE = "marks left out: their geometry is not that of their tool"


@dataclass(frozen=True)
class Drawn:
    """A mark: its class, its shape, and its row of ``marks.parquet``."""

    label: str
    shape: Shape
    row: Mapping[str, Any]

    def box(self) -> Box:
        """Return the box around the shape, which may lie outside of the picture."""
        return shape_to_box(self.shape)


@dataclass(frozen=True)
class Picture:
    """One frame of one subject.

    Attributes
    ----------
    row : int
        Row of the subject in the set.
    image : Path or None
        The image file; only the first frame has one.
    drawn : sequence of Drawn
        Marks on this frame.
    """

    data: TrainingSet
    row: int
    subject_id: int
    frame: int
    split: Split
    image: Path | None
    drawn: Sequence[Drawn]

    @property
    def stem(self) -> str:
        """File name without suffix: the subject's id, with the frame where it is not the first."""
        return f"{self.subject_id}_{self.frame}" if self.frame else f"{self.subject_id}"

    @property
    def mask(self) -> Path | None:
        """The label map, if the frame has one."""
        there = self.data.has_mask(self.subject_id, self.frame)
        return self.data.mask_path(self.subject_id, self.frame) if there else None

    @property
    def instances(self) -> Path | None:
        """The instance map, if the frame has one."""
        there = self.data.has_mask(self.subject_id, self.frame, "instances")
        return self.data.mask_path(self.subject_id, self.frame, "instances") if there else None

    @cached_property
    def mask_size(self) -> Size | None:
        """Width and height of the label map."""
        return None if self.mask is None else size_of(self.mask)

    @cached_property
    def size(self) -> Size | None:
        """Width and height of the image, else of the label map; None when neither is there."""
        found = None if self.image is None else size_of(self.image)
        return found or self.mask_size

    def regions(self) -> list[Region]:
        """Return the objects in the frame's masks; none where there is no label map."""
        if self.mask is None:
            return []
        instances = None if self.instances is None else read_map(self.instances)
        return maps_to_regions(read_labels(self.mask), instances)

    def class_name(self, region: Region) -> str:
        """Return the name of a region's class, or its number where it has no name."""
        return self.data.mask_classes.get(region.number, str(region.number))


def size_of(path: Path) -> Size | None:
    """Return width and height of an image file; None when it is no image."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, UnidentifiedImageError):
        return None


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Return a label map, shape (height, width).

    Raises
    ------
    BadInput
        When the file is no image, or holds class numbers above 255.
    """
    found = read_map(path)
    if found.size and found.max() > 255:
        raise BadInput(f"{path}: expected class numbers from 0 to 255, got {found.max()}")
    return found.astype(np.uint8)


def read_map(path: Path) -> NDArray[np.uint16]:
    """Return the first channel of a map, shape (height, width), palette numbers untouched.

    Raises
    ------
    BadInput
        When the file is no image, or holds numbers above 65,535.
    """
    try:
        with Image.open(path) as image:
            found = np.asarray(image)
    except (OSError, UnidentifiedImageError) as error:
        raise BadInput(f"{path}: expected a PNG with class numbers, got: {error}") from error
    flat = found if found.ndim == 2 else found[..., 0]
    if flat.size and (flat.min() < 0 or flat.max() > 65_535):
        raise BadInput(f"{path}: expected whole numbers from 0 to 65,535")
    return flat.astype(np.uint16)


def chosen_marks(data: TrainingSet, options: Options, notes: Notes) -> pa.Table | None:
    """Return the marks to convert: the consensus when the set has one, unless told otherwise."""
    if data.marks is None or options.behind == "all":
        return data.marks
    consensus = pc.is_null(data.marks["classification_id"])
    if options.behind == "volunteers":
        return data.marks.filter(pc.invert(consensus))
    agreed = data.marks.filter(consensus)
    if options.behind is None and agreed.num_rows == 0:
        return data.marks
    own = data.marks.num_rows - agreed.num_rows
    notes.add("volunteers' own marks left out beside the consensus (--marks all takes them)", own)
    return agreed


def pictures(data: TrainingSet, options: Options, notes: Notes) -> Iterator[Picture]:
    """Return the first frame of every subject, and each further one with marks or a mask."""
    marks = chosen_marks(data, options, notes)
    places: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    if marks is not None:
        places = np.asarray(marks["subject_id"].to_numpy())
    further: dict[int, set[int]] = {}
    for row in [] if data.masks is None else data.masks.to_pylist():
        further.setdefault(row["subject_id"], set()).add(row["frame"])
    splits = data.subjects["split"].to_pylist()
    for row, subject_id in enumerate(data.subject_ids.tolist()):
        if splits[row] not in options.splits:
            continue
        frames: dict[int, list[Drawn]] = {frame: [] for frame in further.get(subject_id, ())}
        frames.setdefault(0, [])
        first, last = np.searchsorted(places, [subject_id, subject_id + 1]).tolist()
        if marks is not None and first < last:
            for mark in marks.slice(first, last - first).to_pylist():
                shape = shape_of(mark, notes)
                if shape is not None:
                    frames.setdefault(mark["frame"], []).append(Drawn(mark["label"], shape, mark))
        for frame in sorted(frames):
            image = data.image_path(row) if frame == 0 and data.has_image(row) else None
            yield Picture(data, row, subject_id, frame, splits[row], image, frames[frame])


def shape_of(mark: Mapping[str, Any], notes: Notes) -> Shape | None:
    """Return the shape of a row of ``marks.parquet``; one that has none is noted."""
    try:
        return make_shape(mark["tool_type"], json.loads(mark["geometry"]))
    except (BadInput, ValueError, TypeError):
        notes.add(NO_SHAPE)
        return None


def mark_labels(data: TrainingSet, options: Options) -> list[str]:
    """Return the classes of the marks to convert, in order of the alphabet."""
    marks = chosen_marks(data, options, Notes())
    return [] if marks is None else sorted(pc.unique(marks["label"]).to_pylist())


def class_names(data: TrainingSet, options: Options) -> list[str]:
    """Return the classes of the marks to convert and of the masks, in order of the alphabet."""
    return sorted({*data.mask_classes.values(), *mark_labels(data, options)})


def takes_masks(data: TrainingSet, options: Options) -> bool:
    """Say whether objects come from masks, for a format that holds one kind of object."""
    if options.objects is not None:
        return options.objects == "masks"
    return data.masks is not None and not (data.marks is not None and data.marks.num_rows)


def place(source: Path, target: Path, images: Images) -> None:
    """Bring an image to its place: a copy, or a hard link where the disk allows it."""
    if images == "none":
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if images == "link":
        try:
            os.link(source, target)
        except OSError:  # another disk, or one that knows no links
            pass
        else:
            return
    shutil.copyfile(source, target)


def note_lost(data: TrainingSet, notes: Notes, *parts: Part) -> None:
    """Note what of the set its new format has no place for."""
    for part in parts:
        if part == "votes":
            notes.add("questions and their votes left out", len(data.schema.questions))
        elif part == "shapes" and data.marks is not None:
            notes.add("marks left out", data.marks.num_rows)
        elif part == "masks" and data.masks is not None:
            notes.add("masks left out", data.masks.num_rows)
        elif part == "agreement" and data.masks is not None:
            count = data.masks.num_rows - data.masks["agreement_sha256"].null_count
            notes.add("agreement maps left out", count)
        elif part == "sampling":
            count = int((data.inclusion_probability < 1).sum())
            notes.add("inclusion probabilities below 1 left out", count)
