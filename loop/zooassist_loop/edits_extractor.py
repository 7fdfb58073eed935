"""What did a volunteer do to the proposal on the screen? Counts, for Caesar to add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from zooassist_exporters.extracts.mark_tools import VersionTools
from zooassist_exporters.extracts.marks import drawn_tasks
from zooassist_exporters.matching.assignment import Nearness
from zooassist_exporters.matching.labelling import proposed_marks, trace_marks
from zooassist_plugin.proposal_history import SeenProposal


def extract_edits(
    annotations: Mapping[str, Sequence[Mapping[str, Any]]],
    metadata: Mapping[str, Any],
    shown: Mapping[str, Any],
) -> dict[str, float] | None:
    """Compare a classification with the proposal that was shown.

    Parameters
    ----------
    annotations : mapping
        Task key -> annotations, as Caesar regroups them.
    metadata : mapping
        Of the classification; `started_at` and `finished_at` say how long it took.
    shown : mapping
        The reduction's data, as the classifier read it.

    Returns
    -------
    dict or None
        Numbers only, so that a `stats` reducer can add them up: marks `proposed`, `kept`, `edited`,
        `added` and `deleted`, and whether the proposal was `loaded` at all (see `Outcome`). None
        where no drawing task was answered.

    Raises
    ------
    BadInput
        When what is shown is no proposal.
    """
    tools = VersionTools(None, {})
    tasks = drawn_tasks([each for listed in annotations.values() for each in listed], tools)
    seen = SeenProposal(
        str(shown.get("proposal_id") or "?"),
        str(shown.get("model") or "?"),
        str(shown.get("model_version") or "?"),
        shown,
    )
    # Of a task that is no drawing task an empty answer looks the same; the proposal knows its own.
    proposed = {mark.task for mark in proposed_marks(seen)}
    tasks = [task for task in tasks if task.marks or task.unusable or task.task in proposed]
    if not tasks:
        return None
    _, outcome = trace_marks(tasks, seen, tools, Nearness(), seconds=_seconds(metadata))
    if outcome is None:
        return None
    return {
        "proposed": outcome.proposed,
        "kept": outcome.kept,
        "edited": outcome.edited,
        "added": outcome.added,
        "deleted": outcome.deleted,
        "loaded": int(outcome.loaded),
    }


def _seconds(metadata: Mapping[str, Any]) -> float | None:
    """Return how long a classification took, None where it does not say."""
    try:
        begun, ended = (
            datetime.fromisoformat(str(metadata[name])) for name in ("started_at", "finished_at")
        )
        return (ended - begun).total_seconds()
    except (KeyError, ValueError, TypeError):
        return None
