"""How are marks written so that the classifier pre-fills them and does no harm?

The one native route for editable machine marks is a Caesar subject reduction under the reducer key
``machineLearnt`` whose data is ``{"data": [mark, …]}``. The classifier checks nothing: a payload of
another form crashes the volunteer's page, and marks it does not like vanish without a word. So
whatever would go wrong is mended here and noted, or refused with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from zooassist_plugin.dialects.classifier_v2 import shape_to_v2
from zooassist_plugin.marks import Mark
from zooassist_plugin.presenters.checking import payload_problems
from zooassist_plugin.presenters.mending import mend
from zooassist_plugin.presenters.prefilled_answers import prefilled_answers
from zooassist_plugin.presenters.presented import FrameSize, Presented, Unpresentable
from zooassist_plugin.presenters.routing import Route, route, tool_at, workflow_obstacles
from zooassist_plugin.workflow import Tool, Workflow

REDUCER_KEY = "machineLearnt"

MAXIMUM_BYTES = 800_000
"""Classifications over 1 MB never reach Caesar; untouched marks come back in them at about the size
they had here, and the rest is room for metadata and the volunteer's own marks."""

# Caesar unpacks an external reducer's answer that has exactly `data` and `store`, and takes
# `_store` out of any other; either would leave the classifier a bare list.
RESERVED_KEYS = frozenset({"data", "store", "_store"})

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def write_marks(
    marks: Sequence[Mark],
    workflow: Workflow,
    frames: int = 1,
    *,
    sizes: Sequence[FrameSize | None] = (),
    provenance: Mapping[str, Any] = _NOTHING,
) -> Presented:
    """Write marks as one reduction's data.

    Mended, with a note: coordinates outside a frame of known size, short freehand paths, outlines
    with too many vertices, ellipses with the shorter axis first, repeated mark ids; left out, with
    a note: shapes that are too small to be kept, and marks beyond a tool's `max` (the least
    confident first). All numbers are rounded to 2 decimals.

    Parameters
    ----------
    frames : int
        Number of locations of the subject.
    sizes : sequence of (int, int), optional
        Natural width and height of each frame, as far as known.
    provenance : mapping, optional
        Further top-level keys, which the classifier ignores: `proposal_id`, `model`…

    Raises
    ------
    Unpresentable
        When the workflow cannot be pre-filled, a mark names a task, tool, frame or subtask that
        is not there, its shape is not what the tool draws, a number is not finite, a required
        subtask has no answer, or the payload is too large.
    """
    reserved = RESERVED_KEYS & set(provenance)
    if reserved:
        raise Unpresentable(f"provenance: the key {min(reserved)!r} is the platform's own")
    if not marks:
        return _sealed({"data": [], **provenance}, workflow, frames, ())
    obstacles = workflow_obstacles(workflow)
    if obstacles:
        raise Unpresentable(f"workflow {workflow.workflow_id}: {'; '.join(obstacles)}")
    notes: list[str] = []
    written: list[tuple[Mark, Tool, dict[str, Any]]] = []
    routes: dict[str, Route] = {}
    for place, mark in enumerate(marks):
        try:
            if mark.task not in routes:
                routes[mark.task] = route(mark.task, workflow)
            tool, entry, changes = _entry(mark, routes[mark.task], workflow, frames, sizes)
        except Unpresentable as error:
            raise Unpresentable(f"mark {place}: {error}") from error
        notes += [f"mark {place} ({mark.shape.tool_type}): {change}" for change in changes]
        if entry is not None:
            written.append((mark, tool, entry))
    written, dropped = _within_maximum(written)
    prefix = str(provenance.get("proposal_id") or "mark")
    data, renamed = _with_ids(written, prefix)
    return _sealed({"data": data, **provenance}, workflow, frames, (*notes, *dropped, *renamed))


def canonical(payload: object) -> bytes:
    """Return a payload's bytes for comparing what was written with what is read back.

    Keys are sorted, and a number is written the same whether it came as 480 or 480.0, which JSON
    stores do not keep apart.

    Raises
    ------
    Unpresentable
        When the payload is not JSON (NaN, infinity, an object of ours).
    """
    try:
        text = json.dumps(_plain(payload), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Unpresentable(f"payload: expected plain JSON with finite numbers, {error}") from error
    return text.encode("ascii")


def _plain(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _entry(
    mark: Mark,
    path: Route,
    workflow: Workflow,
    frames: int,
    sizes: Sequence[FrameSize | None],
) -> tuple[Tool, dict[str, Any] | None, tuple[str, ...]]:
    """Return a mark's tool, its JSON (None when left out) and what was changed."""
    if mark.frame >= frames:
        raise Unpresentable(
            f"frame {mark.frame}: expected 0 to {frames - 1}; the mark would be invisible and "
            "submitted all the same"
        )
    if mark.frame and workflow.configuration.get("multi_image_clone_markers"):
        raise Unpresentable(
            f"frame {mark.frame}: this workflow clones marks to all frames "
            "(multi_image_clone_markers), so they have to be on frame 0"
        )
    tool = tool_at(path.task, mark.tool_index, mark.shape.tool_type)
    answers = prefilled_answers(mark, tool)
    size = sizes[mark.frame] if mark.frame < len(sizes) else None
    shape, changes = mend(mark.shape, size)
    if shape is None:
        return tool, None, changes
    entry = {
        **path.keys,
        "taskKey": mark.task,
        "taskType": "drawing",
        "toolIndex": mark.tool_index,
        "toolType": tool.type,
        "frame": mark.frame,
        **shape_to_v2(shape),
    }
    if answers:
        entry["annotations"] = answers
    return tool, entry, changes


def _within_maximum(
    written: Sequence[tuple[Mark, Tool, dict[str, Any]]],
) -> tuple[list[tuple[Mark, Tool, dict[str, Any]]], list[str]]:
    """Leave out the least confident marks beyond a tool's `max`, which blocks drawing more."""
    groups: dict[tuple[str, int], list[int]] = {}
    for place, (mark, _, _) in enumerate(written):
        groups.setdefault((mark.task, mark.tool_index), []).append(place)
    left_out: set[int] = set()
    notes = []
    for (task, index), places in groups.items():
        maximum = written[places[0]][1].maximum
        if maximum is None or len(places) <= maximum:
            continue
        # Marks without a confidence rank last; among equals the earlier stays.
        ranked = sorted(places, key=lambda p: (-(_confidence(written[p][0])), p))
        left_out |= set(ranked[maximum:])
        notes.append(
            f"task {task}, tool {index}: allows {maximum} of {len(places)} marks, "
            f"{len(places) - maximum} of the least confident left out"
        )
    return [each for place, each in enumerate(written) if place not in left_out], notes


def _confidence(mark: Mark) -> float:
    return -1.0 if mark.confidence is None else mark.confidence


def _with_ids(
    written: Sequence[tuple[Mark, Tool, dict[str, Any]]], prefix: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Give every mark an id of its own; of two marks with one id the classifier keeps one."""
    taken: set[str] = set()
    data, notes = [], []
    for place, (mark, _, entry) in enumerate(written):
        wanted = name = mark.mark_id or f"{prefix}-{place}"
        suffix = 2
        while name in taken:
            name, suffix = f"{wanted}-{suffix}", suffix + 1
        if name != wanted:
            notes.append(f"mark id {wanted!r} is taken, renamed to {name!r}")
        taken.add(name)
        data.append({**entry, "markId": name})
    return data, notes


def _sealed(
    payload: dict[str, Any], workflow: Workflow, frames: int, notes: Sequence[str]
) -> Presented:
    """Check the finished payload once more, as a reader that knows nothing of how it was made."""
    problems = payload_problems(payload, workflow, frames)
    if problems:
        raise Unpresentable("; ".join(problems))
    size = len(canonical(payload["data"]))
    if size > MAXIMUM_BYTES:
        raise Unpresentable(
            f"payload: {size} bytes of marks, expected at most {MAXIMUM_BYTES}; classifications "
            "over 1 MB never reach Caesar; simplify outlines or propose fewer marks"
        )
    return Presented(payload, tuple(notes))
