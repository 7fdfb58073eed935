"""Where do images and volumes with masks come from? Training sets, and folders of volumes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zooassist_exporters.digests import sha256_of
from zooassist_exporters.splits import Split, split_of
from zooassist_exporters.training_set import TrainingSet, read_training_set
from zooassist_exporters.training_set_layout import MANIFEST
from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import (
    MaskClass,
    Preprocessing,
    TrainingSetReference,
    VolumeScaling,
)
from zooassist_plugin.stacks.modalities import open_modalities
from zooassist_plugin.stacks.opening import ending_of, stem_of
from zooassist_serving.mask_tiles import rescaled
from zooassist_serving.masks.volume_files import read_volume, scaled
from zooassist_serving.preprocessing import decode_image
from zooassist_training.segmentation.apart import seams
from zooassist_training.segmentation.networks import Kind
from zooassist_training.segmentation.stacks import Pair, Stacks, check_pair, read_stacks

PICTURES, LABELS = "images", "labels"
Number = TypeVar("Number", np.uint8, np.int32)


@dataclass(frozen=True)
class SetSource:
    """A training set with masks.

    Attributes
    ----------
    kind : str
        Whether its images are images, of which the first frame is learnt, or whole volumes.
    gap : int
        Objects that lie within so many pixels (of the image as it is) have a seam between them,
        where the set knows objects: one more class, the last.
    """

    data: TrainingSet
    kind: Kind
    gap: int = 0

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.data.path.resolve().name

    @property
    def reference(self) -> TrainingSetReference:
        """What `model.json` says of it."""
        return TrainingSetReference(name=self.name, sha256=self.data.sha256, rows=len(self.data))

    @property
    def classes(self) -> tuple[MaskClass, ...]:
        """Classes of its label maps."""
        named = self.data.mask_classes
        return tuple(MaskClass(number=each, name=named[each]) for each in sorted(named))

    def read(
        self, splits: Sequence[Split], spec: Preprocessing, channels: int | None = None
    ) -> Stacks:
        """Read what belongs to some splits."""
        learnt = (*self.classes, *([self._seam] if self.gap else []))
        return read_stacks(self._items(splits, spec), learnt, channels)

    @cached_property
    def _seam(self) -> MaskClass:
        """A class of its own under a number that no other has."""
        taken = set(self.data.mask_classes)
        free = [number for number in range(255, 0, -1) if number not in taken]
        if not free:
            raise BadInput("gap: expected at most 254 classes, got 255; train without --gap")
        return MaskClass(number=free[0], name="seam")

    def _items(
        self, splits: Sequence[Split], spec: Preprocessing
    ) -> Iterator[tuple[str, Callable[[], Pair]]]:
        rows = np.concatenate([self.data.rows_of(split) for split in splits] or [np.zeros(0, int)])
        read = self._volume if self.kind == "volume" else self._image
        for row in np.sort(rows).tolist():
            yield called(int(self.data.subject_ids[row])), partial(read, row, spec)

    def _image(self, row: int, spec: Preprocessing) -> Pair:
        subject = int(self.data.subject_ids[row])
        image = decode_image(self.data.image_path(row).read_bytes(), stretch=spec.stretch)[None]
        numbers = read_label_map(self.data.mask_path(subject))
        # Said of the sizes and numbers as they are, before anything is done to them.
        check_pair(image, numbers[None], self.classes)
        larger = rescaled(image[0], spec.scale)
        labels = _nearest(numbers, larger.shape)
        objects = self.objects(subject) if self.gap else None
        if objects is not None:
            if objects.shape != numbers.shape:
                raise BadInput("its objects are of another size than its mask; make both again")
            between = seams(_nearest(objects, larger.shape), max(1, round(self.gap * spec.scale)))
            labels = np.where(between, self._seam.number, labels).astype(np.uint8)
        return larger[None], labels[None]

    def objects(self, subject: int) -> NDArray[np.int32] | None:
        """Return a number per object (height, width), 0 for none; None where they are not known."""
        if not self.data.has_mask(subject, kind="instances"):
            return None
        with Image.open(self.data.mask_path(subject, kind="instances")) as image:
            return np.array(image).astype(np.int32)

    def _volume(self, row: int, spec: Preprocessing) -> Pair:
        volume = read_volume(self.data.image_path(row))
        subject, count = int(self.data.subject_ids[row]), len(volume.values)
        without = [frame for frame in range(count) if not self.data.has_mask(subject, frame)]
        if without:
            raise BadInput(
                f"expected a mask of each of its {count} slices, {len(without)} have none (the "
                f"first is slice {without[0]}); draw them, or leave the volume out"
            )
        maps = [read_label_map(self.data.mask_path(subject, frame)) for frame in range(count)]
        if len({each.shape for each in maps}) > 1:
            raise BadInput("expected masks of one size, got several; make its masks again")
        return scaled(volume, spec.volume or VolumeScaling()), np.stack(maps)


@dataclass(frozen=True)
class PairsSource:
    """A folder with ``images/`` and ``labels/``, in which a volume and its labels have one name.

    Both hold NIfTI files, tiff stacks, or folders with an image per slice. Splits follow from the
    names, as those of subjects follow from their ids.
    """

    path: Path
    named: tuple[MaskClass, ...] = ()

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.resolve().name

    @cached_property
    def volumes(self) -> dict[str, tuple[Path, Path | None]]:
        """Volumes and their labels (None: there are none), by name."""
        labels = {stem_of(path): path for path in _entries(self.path / LABELS)}
        images = {stem_of(path): path for path in _entries(self.path / PICTURES)}
        if not images:
            raise BadInput(
                f"{self.path / PICTURES}: expected volumes (NIfTI, tiff stacks or folders of "
                "slices), found none; see docs/segmentation.md"
            )
        return {name: (images[name], labels.get(name)) for name in sorted(images)}

    @cached_property
    def reference(self) -> TrainingSetReference:
        """What `model.json` says of it: a digest of all names and contents."""
        digest = hashlib.sha256()
        for name, paths in self.volumes.items():
            digest.update(name.encode())
            for path in paths:
                files = sorted(path.iterdir()) if path is not None and path.is_dir() else [path]
                for file in files:
                    digest.update(b"-" if file is None else sha256_of(file).encode())
        return TrainingSetReference(
            name=self.name, sha256=digest.hexdigest(), rows=len(self.volumes)
        )

    @cached_property
    def classes(self) -> tuple[MaskClass, ...]:
        """The classes that were named, or those that are seen in the labels."""
        if self.named:
            return self.named
        seen: set[int] = set()
        for _, path in self.volumes.values():
            if path is not None:
                seen |= {int(number) for number in np.unique(read_label_volume(path))}
        return tuple(MaskClass(number=each, name=str(each)) for each in sorted(seen - {0}))

    def read(
        self, splits: Sequence[Split], spec: Preprocessing, channels: int | None = None
    ) -> Stacks:
        """Read what belongs to some splits."""
        chosen = (
            (name, partial(self._pair, *paths, spec))
            for name, paths in self.volumes.items()
            if split_of(number_of(name)) in splits
        )
        return read_stacks(chosen, self.classes, channels)

    def _pair(self, image: Path, labels: Path | None, spec: Preprocessing) -> Pair:
        if labels is None:
            raise BadInput(
                f"expected labels of the same name in {self.path / LABELS}, found none; add them, "
                "or leave the volume out"
            )
        volume = scaled(read_volume(image), spec.volume or VolumeScaling())
        return volume, read_label_volume(labels)


def open_source(
    path: Path, kind: Kind, named: Sequence[MaskClass] = (), gap: int = 0
) -> SetSource | PairsSource:
    """Find out what a folder is, and that there is something to learn.

    Parameters
    ----------
    named : sequence of MaskClass
        Names of the classes, for folders that do not name them.
    gap : int
        See `SetSource`.

    Raises
    ------
    BadInput
        When it is neither a training set with masks nor a folder of volumes.
    """
    source: SetSource | PairsSource
    if kind == "volume" and not (path / MANIFEST).exists() and (path / PICTURES).is_dir():
        source = PairsSource(path, tuple(named))
    else:
        source = SetSource(read_training_set(path), kind, gap)
        if source.data.masks is None or not source.data.masks.num_rows:
            raise BadInput(
                f"{path}: expected a training set with masks, found none in it; make one with "
                "`zooassist export masks`"
            )
    if not source.classes:
        raise BadInput(
            f"{path}: expected classes in its masks, found none named; write the set again with "
            "names for them"
        )
    return source


def read_label_map(path: Path) -> NDArray[np.uint8]:
    """Read a PNG whose first channel holds class numbers.

    Raises
    ------
    BadInput
        When it is no image of 8 bits.
    """
    try:
        with Image.open(path) as image:
            values = np.array(image)
    except (OSError, ValueError, SyntaxError) as error:
        text = " ".join(str(error).split())[:100]
        raise BadInput(f"its mask {path.name} cannot be read ({text}); make it again") from error
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    if values.dtype != np.uint8:
        raise BadInput(
            f"its mask {path.name}: expected 8 bits, got {values.dtype}; convert it to class "
            "numbers"
        )
    return values if values.ndim == 2 else values[..., 0]


def read_label_volume(path: Path) -> NDArray[np.uint8]:
    """Read the labels of a volume (slices, height, width): whole numbers from 0 to 255.

    Raises
    ------
    BadInput
        When it can't be read, or holds other numbers.
    """
    with ExitStack() as opened:
        stacks = [opened.enter_context(stack) for stack in open_modalities(path)]
        if len(stacks) > 1:
            raise BadInput(f"{path}: expected one label per voxel, got {len(stacks)}; convert them")
        labels = [stacks[0].read_labels(at) for at in range(len(stacks[0]))]
    highest = max(int(plane.max()) for plane in labels)
    if highest > 255:
        raise BadInput(f"{path}: expected labels from 0 to 255, got {highest}; number them anew")
    return np.stack([plane.astype(np.uint8) for plane in labels])


def called(subject: int) -> str:
    """Return what a subject's stack is called."""
    return f"subject {subject}"


def number_of(name: str) -> int:
    """Return the number that stands for a volume without a subject id, the same for ever."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")


def _nearest(numbers: NDArray[Number], shape: tuple[int, ...]) -> NDArray[Number]:
    """Resize to (height, width, …) from the nearest pixel: between the classes 1 and 3 is no 2."""
    height, width = shape[:2]
    if numbers.shape == (height, width):
        return numbers
    resized = Image.fromarray(numbers).resize((width, height), Image.Resampling.NEAREST)
    return np.array(resized)


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise BadInput(f"{folder}: expected a folder of volumes, found none; see --help")
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and (path.is_dir() or ending_of(path) is not None)
    )
