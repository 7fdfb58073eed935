"""Which rows of a piece do the rules leave out, and by which rule?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from zooassist_exporters.cell_values import is_retired, json_object
from zooassist_exporters.cells import Cells
from zooassist_exporters.long_table.visits import (
    Visits,
    gold_standard,
    microseconds,
    text_column,
)
from zooassist_exporters.rules import Rules

Flags = NDArray[np.bool_]

OTHER_WORKFLOW = "other workflow"
NOT_LIVE = r'"live_project"\s*:\s*false'
SEEN_BEFORE = r'"(seen_before|already_seen)"\s*:\s*true'


def choose_rows(
    cells: Cells, visits: Visits, usable: Flags, rules: Rules
) -> tuple[Flags, Counter[str]]:
    """Return which of the usable rows count, and how many each rule left out.

    The first rule that leaves a row out counts it.
    """
    keep, dropped = usable.copy(), Counter[str]()
    for rule, out in _left_out(cells, visits, rules):
        hit = keep & out
        if hit.any():
            dropped[rule] += int(hit.sum())
            keep &= ~hit
    return keep, dropped


def of_workflow(visits: Visits, rules: Rules) -> Flags:
    """Say which rows are of the workflow that the rules name."""
    if rules.workflow_id is None:
        return np.ones(len(visits.numbers), dtype=bool)
    wanted: Flags = visits.workflow_ids == rules.workflow_id
    return wanted


def _left_out(cells: Cells, visits: Visits, rules: Rules) -> Iterator[tuple[str, Flags]]:
    """Yield each active rule and the rows it leaves out, cheap ones first."""
    if rules.workflow_id is not None:
        yield OTHER_WORKFLOW, ~of_workflow(visits, rules)
    if rules.part is not None:
        part, parts = rules.part
        yield "other part", visits.subject_ids % parts != part - 1
    if not rules.gold_standard:
        yield "gold standard", gold_standard(cells)
    if rules.since is not None:
        yield "made earlier", visits.created < microseconds(rules.since)
    if rules.before is not None:
        yield "made later", visits.created >= microseconds(rules.before)
    if rules.versions is not None:
        wanted = np.array([version in rules.versions for version in visits.versions], dtype=bool)
        yield "other workflow version", ~wanted[visits.version_codes]
    if rules.excluded_users:
        yield "excluded volunteer", _by_excluded(cells, rules.excluded_users)
    if rules.live_only:
        metadata = _where(cells, "metadata", NOT_LIVE)
        yield "made before launch", _confirmed(metadata, len(visits.numbers), _not_live)
    if not rules.seen_before:
        metadata = _where(cells, "metadata", SEEN_BEFORE)
        yield "seen before", _confirmed(metadata, len(visits.numbers), _seen_before)
    if rules.retired_only:
        yield "not retired", ~_retired(cells, visits)


def _by_excluded(cells: Cells, excluded: frozenset[str]) -> Flags:
    names = pa.array(sorted(excluded), pa.string())
    by_name = pc.is_in(text_column(cells, "user_name"), names)
    by_id = pc.is_in(text_column(cells, "user_id"), names)
    return pc.or_(by_name, by_id).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _where(cells: Cells, name: str, pattern: str) -> dict[int, str]:
    """Return the cells that hold a pattern; decoding the others would be for nothing."""
    column = text_column(cells, name)
    hits = np.flatnonzero(
        pc.match_substring_regex(column, pattern).to_numpy(zero_copy_only=False)
    ).tolist()
    return {row: column[row].as_py() for row in hits}


def _confirmed(
    found: dict[int, str], size: int, holds: Callable[[dict[str, object]], bool]
) -> Flags:
    flags = np.zeros(size, dtype=bool)
    for row, text in found.items():
        flags[row] = holds(json_object(text))
    return flags


def _not_live(metadata: dict[str, object]) -> bool:
    return metadata.get("live_project") is False


def _seen_before(metadata: dict[str, object]) -> bool:
    return metadata.get("seen_before") is True or metadata.get("already_seen") is True


def _retired(cells: Cells, visits: Visits) -> Flags:
    """Say which rows are of retired subjects; the status is that of the time of the export."""
    column = text_column(cells, "subject_data")
    subjects, first, inverse = np.unique(visits.subject_ids, return_index=True, return_inverse=True)
    retired = [
        is_retired(column[int(row)].as_py(), int(subject))
        for subject, row in zip(subjects, first, strict=True)
    ]
    return np.array(retired, dtype=bool)[inverse]
