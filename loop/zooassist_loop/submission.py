"""What does the classifier post for the marks on screen? The same losses and gaps, on purpose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zooassist_plugin.dialects.classifier_v2 import mark_to_v2
from zooassist_plugin.marks import Mark
from zooassist_plugin.workflow import DrawingTask

# What an untouched subtask is posted as, by its type.
_UNANSWERED: Mapping[str, Any] = {"single": None, "multiple": [], "text": ""}


def submitted_annotations(
    task: DrawingTask, marks: Sequence[Mark], prefilled: bool | Sequence[bool]
) -> list[dict[str, Any]]:
    """Return the annotations of one drawing task as classifier 2.0 posts them.

    Parameters
    ----------
    marks : sequence of Mark
        What is on screen when Done is pressed.
    prefilled : bool or sequence of bool
        Whether the marks (or each of them) came from a proposal, touched or not. Such marks are
        posted with ``toolIndex`` 0 whatever tool they lie on: the classifier loses it
        (front-end-monorepo since 2026-05-29), and with it every trace that a machine drew them.

    Returns
    -------
    list of dict
        The drawing annotation, marks ordered by tool, followed by one entry for every subtask of
        every mark, answered or not, with its ``markIndex``.
    """
    lost = [prefilled] * len(marks) if isinstance(prefilled, bool) else prefilled
    ordered = sorted(zip(marks, lost, strict=True), key=lambda pair: pair[0].tool_index)
    values: list[dict[str, Any]] = []
    subtasks: list[dict[str, Any]] = []
    for place, (mark, is_lost) in enumerate(ordered):
        details = task.tools[mark.tool_index].details
        given = {answer.task: answer.value for answer in mark.answers}
        value = mark_to_v2(mark)
        value["details"] = [{"task": detail.key} for detail in details]
        if is_lost:
            value["toolIndex"] = 0
        values.append(value)
        for detail in details:
            answer = given.get(detail.key, _UNANSWERED[detail.type])
            subtasks.append(
                {
                    "task": detail.key,
                    "taskType": detail.type,
                    "value": list(answer) if isinstance(answer, tuple) else answer,
                    "markIndex": place,
                }
            )
    return [{"task": task.key, "taskType": "drawing", "value": values}, *subtasks]
