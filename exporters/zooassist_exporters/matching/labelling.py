"""What did one volunteer do to the proposal on the screen? Actions, tools, and what was deleted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from zooassist_exporters.extracts.mark_tools import VersionTools
from zooassist_exporters.extracts.marks import DrawnMark, DrawnTask
from zooassist_exporters.matching.assignment import Action, Nearness, Placed, match_marks
from zooassist_exporters.matching.tool_recovery import FoundTool, recover_tool
from zooassist_plugin.dialects.classifier_v2 import mark_from_v2
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark
from zooassist_plugin.proposal_history import SeenProposal

# Nobody deletes a proposal's marks within so few seconds; Done was pressed before they appeared.
TOO_SHORT: Final = 3.0


@dataclass(frozen=True)
class MarkOrigin:
    """Where one returned mark comes from; `action` is None when no proposal was shown."""

    action: Action | None
    tool: FoundTool


@dataclass(frozen=True)
class Outcome:
    """What became of a proposal in one classification.

    Attributes
    ----------
    proposed : int
        Its marks on the tasks that the volunteer answered.
    deleted : int
        Those that did not come back.
    loaded : bool
        False when the volunteer submitted nothing at all, within seconds: the proposal had most
        likely not appeared, so nothing counts as deleted.
    """

    proposal_id: str
    model: str
    model_version: str
    proposed: int
    kept: int
    edited: int
    added: int
    deleted: int
    loaded: bool


def proposed_marks(seen: SeenProposal) -> tuple[Mark, ...]:
    """Read a proposal's marks back from the payload that the classifier got.

    Raises
    ------
    BadInput
        When the payload is no list of marks.
    """
    entries = seen.payload.get("data")
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise BadInput(
            f'proposal {seen.proposal_id}: expected {{"data": [mark, ...]}} in the ledger, '
            f"got {str(seen.payload)[:60]}"
        )
    return tuple(mark_from_v2(entry, str(entry.get("taskKey") or "T0")) for entry in entries)


def trace_marks(
    tasks: Sequence[DrawnTask],
    seen: SeenProposal | None,
    tools: VersionTools,
    near: Nearness,
    *,
    seconds: float | None = None,
    too_short: float = TOO_SHORT,
) -> tuple[list[MarkOrigin], Outcome | None]:
    """Trace every mark of one classification, in the order of its tasks.

    Parameters
    ----------
    seen : SeenProposal or None
        What was on the screen when the volunteer started.
    seconds : float, optional
        How long the volunteer took; without it an empty answer counts as "all deleted".

    Raises
    ------
    BadInput
        When the proposal cannot be read.
    """
    marks = [mark for task in tasks for mark in task.marks]
    if seen is None:
        return [_origin(mark, tools, None, None, prefilled=False) for mark in marks], None
    answered = {task.task for task in tasks}
    proposed = [mark for mark in proposed_marks(seen) if mark.task in answered]
    known, returned = [], []
    for place, mark in enumerate(marks):
        if mark.shape is not None:
            given = _answered((answer.task, answer.value) for answer in mark.answers)
            known.append(place)
            returned.append(Placed(mark.shape, mark.task, mark.frame, given))
    matches = match_marks(
        [Placed(mark.shape, mark.task, mark.frame, _given(mark)) for mark in proposed],
        returned,
        near,
    )
    partners = dict(zip(known, matches.partners, strict=True))
    actions = dict(zip(known, matches.actions, strict=True))
    origins = []
    for place, mark in enumerate(marks):
        partner = partners.get(place)
        tool = None if partner is None else proposed[partner].tool_index
        origins.append(
            _origin(mark, tools, actions.get(place, "added"), tool, prefilled=bool(proposed))
        )
    took = math.inf if seconds is None else seconds
    loaded = bool(marks) or not proposed or took >= too_short
    counts = [origin.action for origin in origins]
    return origins, Outcome(
        proposal_id=seen.proposal_id,
        model=seen.model,
        model_version=seen.model_version,
        proposed=len(proposed),
        kept=counts.count("kept"),
        edited=counts.count("edited"),
        added=counts.count("added"),
        deleted=len(matches.deleted) if loaded else 0,
        loaded=loaded,
    )


def _origin(
    mark: DrawnMark,
    tools: VersionTools,
    action: Action | None,
    proposed: int | None,
    *,
    prefilled: bool,
) -> MarkOrigin:
    tool = recover_tool(
        mark.task,
        mark.tool_index,
        mark.subtasks,
        tools.with_type(mark.task, mark.tool_type),
        proposed=proposed,
        prefilled=prefilled,
    )
    return MarkOrigin(action, tool)


def _given(mark: Mark) -> frozenset[tuple[str, str]]:
    return _answered((answer.task, answer.value) for answer in mark.answers)


def _answered(answers: Iterable[tuple[str, object]]) -> frozenset[tuple[str, str]]:
    """Return the subtasks with an answer; one left unanswered comes back as null, [] or ""."""
    return frozenset(
        (task, str(list(value) if isinstance(value, tuple) else value))
        for task, value in answers
        if value not in (None, [], (), "")
    )
