"""Does a row count? The rules of an export, applied row by row.

Votes are counted column by column (`long_table.choosing`); marks are read row by row, by the same
rules under the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from zooassist_exporters.cell_values import is_retired
from zooassist_exporters.classifications import ExportRow
from zooassist_exporters.reductions.votes import BEYOND, REPEATED, TOO_FEW
from zooassist_exporters.rules import Rules

T = TypeVar("T")


def left_out(row: ExportRow, rules: Rules) -> str | None:
    """Return the first rule that leaves a row out, None when it counts."""
    if rules.workflow_id is not None and row.workflow_id != rules.workflow_id:
        return "other workflow"
    if rules.part is not None and row.subject_id % rules.part[1] != rules.part[0] - 1:
        return "other part"
    if row.gold_standard and not rules.gold_standard:
        return "gold standard"
    if rules.since is not None and row.created_at < rules.since:
        return "made earlier"
    if rules.before is not None and row.created_at >= rules.before:
        return "made later"
    if rules.versions is not None and row.workflow_version not in rules.versions:
        return "other workflow version"
    if rules.excluded_users & {row.user_name, str(row.user_id)}:
        return "excluded volunteer"
    return _left_out_by_metadata(row, rules)


def _left_out_by_metadata(row: ExportRow, rules: Rules) -> str | None:
    metadata = row.metadata() if rules.live_only or not rules.seen_before else {}
    if rules.live_only and metadata.get("live_project") is False:
        return "made before launch"
    repeated = (metadata.get(key) is True for key in ("seen_before", "already_seen"))
    if not rules.seen_before and any(repeated):
        return "seen before"
    if rules.retired_only and not is_retired(row.subject_data_text, row.subject_id):
        return "not retired"
    return None


def counted(
    visits: Sequence[T], volunteer: Callable[[T], Hashable], rules: Rules
) -> tuple[list[T], dict[str, int]]:
    """Return which of a subject's classifications count, and how many each rule left out.

    Parameters
    ----------
    visits : sequence
        All classifications of one subject, in the order of time.
    volunteer : callable
        Tells volunteers apart.
    """
    kept = list(visits)
    if rules.repeats != "all":
        ordered = kept if rules.repeats == "first" else kept[::-1]
        chosen: dict[Hashable, T] = {}
        for each in ordered:
            chosen.setdefault(volunteer(each), each)
        kept = [each for each in kept if chosen[volunteer(each)] is each]
    dropped = {REPEATED: len(visits) - len(kept)}
    if rules.min_classifications is not None and len(kept) < rules.min_classifications:
        return [], dropped | {TOO_FEW: len(kept)}
    if rules.max_classifications is not None and len(kept) > rules.max_classifications:
        dropped[BEYOND] = len(kept) - rules.max_classifications
        kept = kept[: rules.max_classifications]
    return kept, dropped
