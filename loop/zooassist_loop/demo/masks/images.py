"""Which images does the demo outline? Real nuclei under the microscope, with biologists' outlines.

Those that come along are a part of the 2018 Data Science Bowl (CC0), see ``microscopy/README.md``.
The bundled model `nuclei` was not trained on any of them.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zooassist_plugin.errors import BadInput, ItemFailed

BUNDLED: Final = Path(__file__).parent.parent / "microscopy"
IMAGES, NUMBERS, INDEX = "images", "nucleus_ids", "index.csv"
SUFFIXES: Final = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class DemoMicrograph:
    """One image and what biologists outlined in it.

    Attributes
    ----------
    name : str
        Unique within the demo; becomes the subject's ``filename``.
    nuclei : array of int, shape (height, width)
        One number per nucleus, 0 for the background.
    metadata : mapping
        Extra subject metadata.
    """

    name: str
    image: Path
    nuclei: NDArray[np.int32]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Natural width and height."""
        return self.nuclei.shape[1], self.nuclei.shape[0]

    @property
    def count(self) -> int:
        """How many nuclei there are."""
        return int(np.count_nonzero(np.unique(self.nuclei)))


@dataclass(frozen=True)
class MaskData:
    """What a demo runs on.

    Attributes
    ----------
    source : str
        One sentence naming the images; shown on the page.
    unseen : bool
        Whether the bundled model is known never to have learnt from them.
    problems : tuple of str
        One line for each image that could not be used.
    """

    source: str
    images: tuple[DemoMicrograph, ...]
    unseen: bool
    problems: tuple[str, ...] = ()


def read_micrographs(data: Path | None, out: Path, count: int, seed: int) -> MaskData:
    """Choose `count` images of a folder at random and copy them into `out`.

    Parameters
    ----------
    data : Path or None
        Holds ``images`` and, under the same names, ``nucleus_ids``: PNG files of 8 or 16 bits with
        a number per nucleus. None takes the images that come along.

    Raises
    ------
    BadInput
        When there are no such folders, too few images come along, or none can be used.
    """
    folder = BUNDLED if data is None else data
    for name in (IMAGES, NUMBERS):
        if not (folder / name).is_dir():
            raise BadInput(
                f"{folder}: expected a folder with {IMAGES}/ and {NUMBERS}/, found no {name}/"
            )
    files = sorted(p for p in (folder / IMAGES).iterdir() if p.suffix.lower() in SUFFIXES)
    if data is None and count > len(files):
        raise BadInput(
            f"{len(files)} images come along, {count} were asked for; use --subjects {len(files)}, "
            "or more images with --data"
        )
    chosen = np.random.default_rng(seed).permutation(len(files))[:count]
    said = _index(folder / INDEX)
    (out / IMAGES).mkdir(parents=True, exist_ok=True)
    images, problems = [], []
    for place in chosen.tolist():
        try:
            images.append(_read(files[place], folder / NUMBERS, out / IMAGES, said))
        except ItemFailed as failure:
            problems.append(str(failure))
    if not images:
        raise BadInput(
            f"{folder}: none of its images can be used; "
            + (f"the first: {problems[0]}" if problems else f"{IMAGES}/ holds no .png or .jpg")
        )
    what = "images of nuclei under the microscope"
    credit = "2018 Data Science Bowl, CC0" if data is None else folder.resolve().name
    return MaskData(
        source=f"{len(images)} {what} ({credit}), which biologists outlined; volunteers are "
        "simulated, each with a hand of their own",
        images=tuple(images),
        unseen=data is None,
        problems=tuple(problems),
    )


def _read(
    file: Path, numbers: Path, out: Path, said: Mapping[str, Mapping[str, str]]
) -> DemoMicrograph:
    nuclei = _numbers(numbers / f"{file.stem}.png", file.name)
    try:
        with Image.open(file) as picture:
            size = picture.size
            picture.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise ItemFailed(file.name, f"cannot be read ({error})", "save it again") from error
    if size != (nuclei.shape[1], nuclei.shape[0]):
        raise ItemFailed(
            file.name,
            f"expected an image and nuclei of one size, got {size[0]}x{size[1]} and "
            f"{nuclei.shape[1]}x{nuclei.shape[0]}",
            "resize the nuclei with nearest neighbours",
        )
    shutil.copyfile(file, out / file.name)
    return DemoMicrograph(file.name, out / file.name, nuclei, said.get(file.stem, {}))


def _numbers(path: Path, name: str) -> NDArray[np.int32]:
    try:
        with Image.open(path) as picture:
            values: NDArray[Any] = np.array(picture)
    except FileNotFoundError as error:
        raise ItemFailed(
            name, f"expected its nuclei in {path.parent.name}/{path.name}, found none", "add them"
        ) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise ItemFailed(name, f"its nuclei cannot be read ({error})", "save them again") from error
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer):
        raise ItemFailed(
            name,
            f"expected nuclei as a grey image of 8 or 16 bits, got {values.dtype} of "
            f"{values.ndim} dimensions",
            "write one number per nucleus",
        )
    return values.astype(np.int32)


def _index(path: Path) -> dict[str, dict[str, str]]:
    """Read what is known of each image beside its pixels; a folder need not say anything."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("name")]
    kept = ("kind", "source_id")
    return {Path(row["name"]).stem: {key: row[key] for key in kept if row.get(key)} for row in rows}
