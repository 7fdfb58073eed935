"""Which predicted mask belongs to which true one? Those of one name, in two folders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.stacks.opening import ENDINGS, ending_of, stem_of
from zooassist_plugin.stacks.slice_folder import SUFFIXES

# So many names are said in a message.
NAMED: Final = 3


@dataclass(frozen=True)
class Pair:
    """Two masks of one image or volume."""

    name: str
    predicted: Path
    truth: Path


def pair_masks(
    predicted: Path, truth: Path, *, as_volume: bool = False
) -> tuple[list[Pair], list[ItemFailed]]:
    """Pair masks by name, whatever their formats.

    Parameters
    ----------
    predicted, truth : Path
        Two files, or two folders of files and of folders of slices.
    as_volume : bool
        Each folder is itself one volume, with a file per slice.

    Returns
    -------
    pairs, problems
        By name; a mask without a partner is a problem.

    Raises
    ------
    BadInput
        When a path does not exist, one is a file and the other a folder of masks, a folder holds
        two masks of a name, or nothing pairs.
    """
    for path in (predicted, truth):
        if not path.exists():
            raise BadInput(f"{path}: no such file or folder; check the path")
    if as_volume or (predicted.is_file() and truth.is_file()):
        return [Pair(stem_of(truth), predicted, truth)], []
    if predicted.is_file() or truth.is_file():
        raise BadInput(
            f"{predicted} and {truth}: expected two files or two folders; for a folder with a file "
            "per slice add --as-volume"
        )
    ours, theirs = _masks(predicted), _masks(truth)
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        raise BadInput(
            f"{predicted} and {truth}: expected masks of the same names, got "
            f"{_some(ours)} and {_some(theirs)}"
        )
    problems = [
        ItemFailed(name, f"no mask of that name in {there}", f"add one, or remove {path}")
        for mine, others, there in ((ours, theirs, truth), (theirs, ours, predicted))
        for name, path in sorted(mine.items())
        if name not in others
    ]
    return [Pair(name, ours[name], theirs[name]) for name in common], problems


def _masks(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not _is_mask(path):
            continue
        name = stem_of(path)
        if name in found:
            raise BadInput(
                f"{folder}: {found[name].name} and {path.name} are both {name!r}; remove one"
            )
        found[name] = path
    if not found:
        raise BadInput(
            f"{folder}: expected masks ({', '.join(ENDINGS)}, or folders of slices), found none"
        )
    return found


def _is_mask(path: Path) -> bool:
    if path.is_dir():
        return any(each.suffix.lower() in SUFFIXES for each in path.iterdir())
    return ending_of(path) is not None


def _some(names: Iterable[str]) -> str:
    known = sorted(names)
    more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    return ", ".join(known[:NAMED]) + more
