"""Which values do a training set's subjects have for a target? From metadata, or from vote counts.

Metadata are what somebody wrote: numbers, numbers as text, empty cells, words. A value that is not
there is missing and costs nothing; one that is no finite number is missing too, and is named.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.training_set import TrainingSet
from zooassist_plugin.errors import BadInput
from zooassist_plugin.targets import Target

Floats = NDArray[np.float64]
# What tables say where they have no value, in any case.
NO_VALUE = frozenset({"", "nan", "null", "none", "na", "n/a", "--"})
# Graphs answer in 32 bits, which hold about seven digits: these must be enough for the variation.
LEAST_VARIATION = 1e-4
# What 32 bits cannot hold is infinite to the graph.
LARGEST = float(np.finfo(np.float32).max)
NAMED, LISTED = 3, 12


@dataclass(frozen=True)
class Wish:
    """A target that somebody wants to be learnt, and its unit where they say it."""

    name: str
    unit: str | None = None


@dataclass(frozen=True, eq=False)
class Column:
    """What a training set says of one target.

    Attributes
    ----------
    values : array of shape (subjects,)
        NaN where there is none.
    broken : tuple of (int, str)
        Subject and text of every value that is no finite number.
    present : bool
        Whether any subject says anything of it, be it a number or not.
    """

    values: Floats
    broken: tuple[tuple[int, str], ...]
    present: bool


def parse_wishes(texts: Iterable[str]) -> tuple[Wish, ...]:
    """Read what a user gives: ``COLUMN``, ``COLUMN=UNIT``, or several with commas between.

    Raises
    ------
    BadInput
        When a name is empty or given twice.
    """
    wishes: list[Wish] = []
    for part in (part.strip() for text in texts for part in text.split(",")):
        name, equals, unit = (each.strip() for each in part.partition("="))
        if not name or (equals and not unit):
            raise BadInput(f"--regress: expected COLUMN or COLUMN=UNIT, got {part!r}")
        if name in {wish.name for wish in wishes}:
            raise BadInput(f"--regress: {name!r} is given twice; give each once")
        wishes.append(Wish(name, unit or None))
    return tuple(wishes)


def read_columns(data: TrainingSet, names: Sequence[str]) -> dict[str, Column]:
    """Read the values of some targets.

    Returns
    -------
    dict
        By target. Metadata come first; what no metadata has may be a column of ``votes.parquet``.
    """
    metadata = _all_metadata(data)
    found = {}
    for name in names:
        if any(name in each for each in metadata):
            found[name] = _column([each.get(name) for each in metadata], data.subject_ids)
        elif name in data.votes.column_names and name != "subject_id":
            values = data.votes[name].to_numpy().astype(np.float64)
            found[name] = Column(values, (), present=True)
        else:
            found[name] = Column(np.full(len(data), np.nan), (), present=False)
    return found


def describe_target(wish: Wish, values: Floats) -> Target:
    """Say what a target is like in training.

    Parameters
    ----------
    values : array of shape (subjects,)
        Of the subjects to learn from, NaN where one has none.

    Raises
    ------
    BadInput
        When there are fewer than two values, or they are all (nearly) the same.
    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        raise BadInput(
            f"target {wish.name!r}: expected values of at least 2 subjects to train on, got "
            f"{len(known)} of {len(values)}; add them to the metadata, or leave the target out"
        )
    mean, scale = float(known.mean()), float(known.std())
    size = float(np.abs(known).max())
    if not scale > LEAST_VARIATION * size or scale < float(np.finfo(np.float32).tiny):
        raise BadInput(
            f"target {wish.name!r}: expected values that differ by more than {LEAST_VARIATION:g} "
            f"of their size, got {len(known)} from {known.min():.7g} to {known.max():.7g}; there "
            "is nothing to learn: leave it out, or subtract what all have in common"
        )
    return Target(
        name=wish.name,
        unit=wish.unit,
        mean=mean,
        scale=scale,
        low=float(known.min()),
        high=float(known.max()),
    )


def absent(names: Sequence[str], sets: Sequence[TrainingSet]) -> BadInput:
    """Make the error for targets that no subject says anything of: what could be learnt instead?"""
    numeric: Counter[str] = Counter()
    for data in sets:
        for each in _all_metadata(data):
            numeric.update(key for key, value in each.items() if number_of(value) is not None)
    known = [name for name, _ in numeric.most_common(LISTED)]
    listed = ", ".join(known) + (", …" if len(numeric) > LISTED else "")
    where = ", ".join(str(data.path) for data in sets)
    return BadInput(
        f"{where}: no subject has metadata {', '.join(map(repr, names))}; expected one that holds "
        f"numbers: {listed or 'there is none'}"
    )


def no_numbers(name: str, columns: Sequence[Column]) -> BadInput:
    """Make the error for a target of which no value is a finite number."""
    broken = [each for column in columns for each in column.broken]
    said = f", but {_named(broken)}" if broken else ", only empty values"
    return BadInput(
        f"target {name!r}: expected numbers in the metadata, got none{said}; name another column"
    )


def remark(name: str, column: Column) -> str | None:
    """Say which values are taken as missing because they are no finite numbers, None if none."""
    if not column.broken:
        return None
    return (
        f"target {name!r}: {len(column.broken)} values are no finite numbers and are taken as "
        f"missing: {_named(column.broken)}"
    )


def number_of(value: Any) -> float | None:  # noqa: ANN401 - any JSON value
    """Return the finite number that a value of metadata holds, None when it holds none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) <= LARGEST else None


def _is_missing(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return value.strip().casefold() in NO_VALUE
    return value is None or (isinstance(value, float) and math.isnan(value))


def _column(values: Sequence[Any], subject_ids: NDArray[np.int64]) -> Column:
    numbers = np.full(len(values), np.nan)
    broken: list[tuple[int, str]] = []
    for row, value in enumerate(values):
        if _is_missing(value):
            continue
        number = number_of(value)
        if number is None:
            broken.append((int(subject_ids[row]), str(value)[:40]))
        else:
            numbers[row] = number
    return Column(numbers, tuple(broken), present=True)


def _named(broken: Sequence[tuple[int, str]]) -> str:
    named = ", ".join(f"{text!r} of subject {subject}" for subject, text in broken[:NAMED])
    return f"{named}, …" if len(broken) > NAMED else named


def _all_metadata(data: TrainingSet) -> list[dict[str, Any]]:
    return [json.loads(each) for each in data.subjects["metadata"].to_pylist()]
