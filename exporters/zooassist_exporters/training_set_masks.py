"""How do masks get into a training set? Copied, named after subject and frame, with digests."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path

import pyarrow as pa

from zooassist_exporters.digests import sha256_of
from zooassist_exporters.training_set_layout import (
    MASK_KINDS,
    MASKS,
    MASKS_SCHEMA,
    mask_name,
)
from zooassist_plugin.errors import BadInput


def beside(path: Path, kind: str) -> Path:
    """Return where the map of another kind lies: ``5_0.png`` -> ``5_0.agreement.png``."""
    return path.with_name(f"{path.stem}.{kind}.png") if kind else path


def checked_classes(classes: Mapping[int, str]) -> dict[int, str]:
    """Return the names of mask classes.

    Raises
    ------
    BadInput
        On a number that a label map cannot hold, an empty name, or a name that is used twice.
    """
    for number, name in classes.items():
        if not 1 <= number <= 255 or not name:
            raise BadInput(
                f"mask class {number} ({name!r}): expected a number from 1 to 255 and a name; "
                "0 is the background"
            )
    if len(set(classes.values())) < len(classes):
        raise BadInput("mask classes: two numbers have one name; merge them or rename one")
    return dict(classes)


def place_masks(
    masks: Mapping[tuple[int, int], Path], known: AbstractSet[int], staging: Path
) -> pa.Table:
    """Copy label maps and the maps beside them into the staging folder; return their index.

    Raises
    ------
    BadInput
        On a mask of a subject that is not in the set, or a file that cannot be copied.
    """
    rows = []
    wanted = set()
    for subject_id, frame in sorted(masks):
        if subject_id not in known or frame < 0:
            raise BadInput(
                f"mask of subject {subject_id}, frame {frame}: expected a subject of the set and "
                "a frame counted from 0; list the subject among the subjects"
            )
        digests: list[str | None] = []
        for kind in MASK_KINDS:
            source = beside(masks[subject_id, frame], kind)
            if kind and not source.is_file():
                digests.append(None)
                continue
            target = staging / mask_name(subject_id, frame, kind)
            _copy(source, target, f"mask of subject {subject_id}, frame {frame}")
            wanted.add(target.name)
            digests.append(sha256_of(target))
        rows.append((subject_id, frame, *digests))
    _drop_strangers(staging / MASKS, wanted)
    columns = list(zip(*rows, strict=True)) or [()] * len(MASKS_SCHEMA.names)
    return pa.Table.from_arrays(
        [pa.array(column, entry.type) for column, entry in zip(columns, MASKS_SCHEMA, strict=True)],
        schema=MASKS_SCHEMA,
    )


def _copy(source: Path, target: Path, what: str) -> None:
    if source.absolute() == target.absolute() and target.is_file():
        return
    target.parent.mkdir(exist_ok=True)
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise BadInput(f"{what}: cannot copy {source}: {error.strerror}") from error


def _drop_strangers(folder: Path, wanted: AbstractSet[str]) -> None:
    """Delete what an earlier, interrupted attempt left that this set does not use."""
    if not folder.is_dir():
        return
    for file in folder.iterdir():
        if file.name not in wanted:
            file.unlink()
    if not wanted:
        folder.rmdir()
