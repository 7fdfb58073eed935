"""How do images and volumes become masks in files? A table with a row per image or slice.

Label maps (and, for choosing slices, probabilities and the discriminator's scores) lie in folders
of their own, named after the image: PNG for an image, a tiff stack for a volume.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput, ZooassistError
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.output_paths import check_folder_takes_files, writing
from zooassist_plugin.proposed_masks import masks_to_text
from zooassist_plugin.stacks.opening import ending_of, open_stack, stem_of
from zooassist_serving.dataplane import DataPlane, Item
from zooassist_serving.mask_proposer import read_probabilities
from zooassist_serving.masks.label_maps import StackWriter, label_map, write_label_map

COLUMNS = [
    pa.field("image", pa.string(), nullable=False),
    pa.field("frame", pa.int32(), nullable=False),
    pa.field("model", pa.string(), nullable=False),
    pa.field("model_version", pa.string(), nullable=False),
    pa.field("mask", pa.string()),
    pa.field("confidence", pa.float32()),
    pa.field("uncertainty", pa.float32()),
    pa.field("realness_mean", pa.float32()),
    pa.field("realness_worst", pa.float32()),
]
ERROR = pa.field("error", pa.string())


@dataclass(frozen=True)
class MaskFolders:
    """Where to put what a table cannot hold; None: nowhere.

    Attributes
    ----------
    labels : Path, optional
        Label maps.
    probabilities, realness : Path, optional
        Of volumes: the probability of any class, and what the discriminator says, as stacks that
        `zooassist loop slices` reads.
    """

    labels: Path | None = None
    probabilities: Path | None = None
    realness: Path | None = None

    def make(self) -> None:
        """Make the folders."""
        for folder in (self.labels, self.probabilities, self.realness):
            if folder is not None:
                with writing(folder):
                    folder.mkdir(parents=True, exist_ok=True)
                check_folder_takes_files(folder)


def predict_masks(
    plane: DataPlane,
    name: str,
    items: Sequence[Item] | Sequence[Path],
    out: Path,
    folders: MaskFolders,
    report: Callable[[str], None],
) -> tuple[int, int]:
    """Draw the masks of images (items) or volumes (paths); return how many, and how many failed.

    Memory is bounded by one image, or one volume as bytes and some of its slices.

    Parameters
    ----------
    out : Path
        A parquet file.
    report : callable
        Told of every image that failed.
    """
    card = plane.metadata(name)
    folders.make()
    schema = _schema(card)
    taken: Counter[str] = Counter()
    failed = 0
    temporary = out.with_name(f".{out.name}.partial")
    with writing(out), pq.ParquetWriter(temporary, schema) as table:
        for item in items:
            named = str(item) if isinstance(item, Path) else item.name
            stem = stem_of(item) if isinstance(item, Path) else Path(named).stem
            taken[stem] += 1
            if taken[stem] > 1:
                stem = f"{stem}-{taken[stem]}"
            try:
                if isinstance(item, Path):
                    rows = list(_of_volume(plane, card, item, stem, folders))
                else:
                    rows = [_of_image(plane, card, item, stem, folders)]
            except (ZooassistError, OSError) as error:
                failed += 1
                report(f"{named}: {error}")
                rows = [{"frame": 0, "error": str(error)}]
            made = {"image": named, "model": card.name, "model_version": card.version}
            table.write_table(pa.Table.from_pylist([made | row for row in rows], schema=schema))
    temporary.replace(out)
    return len(items), failed


def volumes_of(arguments: Sequence[str]) -> list[Path]:
    """Return the volumes that some arguments mean.

    A folder with a numbered picture per slice is a volume; of other folders every entry is one.

    Raises
    ------
    BadInput
        When there is none.
    """
    found: list[Path] = []
    for argument in arguments:
        path = Path(argument)
        if not path.is_dir() or _holds_slices(path):
            found.append(path)
            continue
        found += sorted(
            each
            for each in path.iterdir()
            if not each.name.startswith(".") and (each.is_dir() or ending_of(each) is not None)
        )
    if not found:
        raise BadInput("expected volumes (NIfTI, tiff stacks, folders of slices), found none")
    return found


def _holds_slices(folder: Path) -> bool:
    first = next((each for each in sorted(folder.iterdir()) if ending_of(each) is not None), None)
    if first is None or first.is_dir():
        return False
    if ending_of(first) == ".png":
        return True
    if not first.name.lower().endswith((".tif", ".tiff")):
        return False
    with open_stack(first) as stack:
        return len(stack) == 1


def _schema(card: ModelCard) -> pa.Schema:
    areas = [pa.field(f"{name}_area", pa.int64()) for name in card.thresholds]
    return pa.schema([*COLUMNS, *areas, ERROR])


def _row(
    card: ModelCard,
    frame: int,
    probabilities: NDArray[np.float32],
    labels: NDArray[np.uint8],
    realness: NDArray[np.float32] | None,
) -> dict[str, Any]:
    seen = read_probabilities(probabilities, card.thresholds, frame)
    row = {
        "frame": frame,
        "mask": masks_to_text(seen.masks),
        "confidence": seen.confidence,
        "uncertainty": seen.uncertainty,
    }
    if realness is not None:
        row |= {"realness_mean": float(realness.mean()), "realness_worst": float(realness.min())}
    for number, name in zip(card.class_numbers, card.thresholds, strict=True):
        row[f"{name}_area"] = int(np.count_nonzero(labels == number))
    return row


def _of_image(
    plane: DataPlane, card: ModelCard, item: Item, stem: str, folders: MaskFolders
) -> dict[str, Any]:
    answer = plane.draw(card.name, item)
    labels = label_map(answer.probabilities, card)
    if folders.labels is not None:
        write_label_map(labels, folders.labels / f"{stem}.png")
    return _row(card, item.frame, answer.probabilities, labels, answer.realness)


def _of_volume(
    plane: DataPlane, card: ModelCard, path: Path, stem: str, folders: MaskFolders
) -> Iterator[dict[str, Any]]:
    with ExitStack() as opened:

        def writer(folder: Path | None) -> StackWriter | None:
            if folder is None:
                return None
            return opened.enter_context(StackWriter(folder / f"{stem}.tif"))

        into = [writer(each) for each in (folders.labels, folders.probabilities, folders.realness)]
        for slices in plane.draw_volume(card.name, path):
            labels = label_map(slices.probabilities, card)
            planes = (labels, np.minimum(slices.probabilities.sum(1), 1), slices.realness)
            for file, content in zip(into, planes, strict=True):
                if file is not None:
                    file.add(content)
            for number, of_slice in enumerate(labels):
                yield _row(
                    card,
                    slices.start + number,
                    slices.probabilities[number],
                    of_slice,
                    slices.realness[number],
                )
