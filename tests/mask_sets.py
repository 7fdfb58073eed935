"""Small synthetic sets with masks: discs (class 1) and bars (class 2) on noise."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from zooassist_exporters.training_set import SubjectRow, write_training_set
from zooassist_plugin.label_schema import LabelSchema

CLASSES = {1: "disc", 2: "bar"}


def draw_image(
    random: np.random.Generator, height: int = 48, width: int = 40, classes: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """An image (height, width, 3) with a disc (and a bar), and its label map."""
    y, x = np.mgrid[:height, :width]
    labels = np.zeros((height, width), np.uint8)
    row, column = random.integers(12, height - 12), random.integers(12, width - 12)
    labels[(y - row) ** 2 + (x - column) ** 2 <= 64] = 1
    if classes > 1:
        labels[2:5, 4 : width - 4] = 2
    light = np.select([labels == 1, labels == 2], [190.0, 110.0], 30.0)
    noisy = light[..., None] + random.normal(0, 8, (height, width, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8), labels


def write_mask_set(
    folder: Path,
    images: int = 16,
    classes: int = 1,
    seed: int = 3,
    change: Callable[[Path], None] | None = None,
) -> Path:
    """A training set of images of two sizes with masks, as `export masks` writes it.

    `change` may write another mask, or objects, in place of or beside a file.
    """
    random = np.random.default_rng(seed)
    (folder / "in").mkdir(parents=True)
    rows, masks = [], {}
    for subject in range(images):
        size = (48, 40) if subject % 2 else (40, 56)
        image, labels = draw_image(random, *size, classes)
        Image.fromarray(image).save(folder / "in" / f"{subject}.png")
        Image.fromarray(labels).save(folder / "in" / f"{subject}_mask.png")
        if change is not None:
            change(folder / "in" / f"{subject}_mask.png")
        split = ("train", "validation", "test", "train")[subject % 4]
        rows.append(SubjectRow(subject, folder / "in" / f"{subject}.png", split=split))
        masks[subject, 0] = folder / "in" / f"{subject}_mask.png"
    return write_training_set(
        folder / "set",
        rows,
        np.zeros((images, 0), dtype=np.int64),
        LabelSchema(()),
        masks=masks,
        mask_classes={number: CLASSES[number] for number in range(1, classes + 1)},
    )


def draw_volume(
    random: np.random.Generator, slices: int = 9, height: int = 20, width: int = 24
) -> tuple[np.ndarray, np.ndarray]:
    """A volume (slices, height, width) of 16 bits with a ball of two halves, and its labels."""
    z, y, x = np.mgrid[:slices, :height, :width]
    row, column = random.integers(8, height - 8), random.integers(8, width - 8)
    inside = (z - slices / 2) ** 2 * 2 + (y - row) ** 2 + (x - column) ** 2 <= 36
    labels = np.where(inside, np.where(x < column, 1, 2), 0).astype(np.uint8)
    light = np.select([labels == 1, labels == 2], [900.0, 500.0], 100.0)
    values = light + random.normal(0, 30, light.shape)
    return np.clip(values, 0, 65535).astype(np.uint16), labels


def write_nifti(path: Path, values: np.ndarray, slope: float = 0.0, intercept: float = 0.0) -> Path:
    """Write (slices, height, width[, modalities]) as a plain NIfTI-1 file."""
    codes = {"uint8": 2, "int16": 4, "int32": 8, "float32": 16, "uint16": 512}
    axes = (2, 1, 0) if values.ndim == 3 else (2, 1, 0, 3)
    turned = values.transpose(axes)
    header = bytearray(352)
    header[0:4] = struct.pack("<i", 348)
    dims = [turned.ndim, *turned.shape, *([1] * (7 - turned.ndim))]
    header[40:56] = struct.pack("<8h", *dims)
    header[70:74] = struct.pack("<2h", codes[str(values.dtype)], values.dtype.itemsize * 8)
    header[76:108] = struct.pack("<8f", 1, 1.0, 1.5, 3.0, 0, 0, 0, 0)
    header[108:120] = struct.pack("<3f", 352, slope, intercept)
    header[344:348] = b"n+1\0"
    path.write_bytes(bytes(header) + turned.tobytes(order="F"))
    return path


def write_volume_pairs(folder: Path, volumes: int = 10, seed: int = 5) -> Path:
    """A folder of volumes with labels, NIfTI."""
    random = np.random.default_rng(seed)
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    for number in range(volumes):
        values, labels = draw_volume(random, slices=7 + number % 3)
        write_nifti(folder / "images" / f"scan_{number}.nii", values)
        write_nifti(folder / "labels" / f"scan_{number}.nii", labels)
    return folder
