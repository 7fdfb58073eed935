"""What was answered about each mark? The old classifier keeps the answers inside the marks.

The new classifier exports them as annotations of their own (``T0.0.0`` with a ``markIndex``), which
are questions like any other; its marks only name them in ``details``, without a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zooassist_exporters.extracts.answered import Answered, UnexpectedValue
from zooassist_exporters.extracts.question import question_answer


def subtask_answers(annotation: Mapping[str, Any]) -> Iterator[Answered]:
    """Yield the question answers inside the marks of a drawing annotation.

    In the old dialect ``details[k]`` of a mark made with tool ``t`` of task ``T0`` answers the
    subtask ``T0.t.k``. Text answers are left out: they are no votes.
    """
    task, marks = annotation["task"], annotation.get("value")
    if marks is None:
        return
    if not isinstance(marks, list):
        raise UnexpectedValue(task, "a list of marks", marks)
    for position, mark in enumerate(marks):
        if not isinstance(mark, dict):
            raise UnexpectedValue(task, "a mark with its coordinates", mark)
        tool, details = mark.get("tool"), mark.get("details")
        if not isinstance(tool, int) or not isinstance(details, list):
            continue
        for number, detail in enumerate(details):
            if isinstance(detail, dict) and _is_choice(detail.get("value")):
                entry = {"task": f"{task}.{tool}.{number}", "value": detail["value"]}
                yield from question_answer(entry | {"markIndex": position})


def _is_choice(value: object) -> bool:
    """Whether a detail was a question: its answers are indices, text answers are text."""
    entries = value if isinstance(value, list) else [value]
    return all(isinstance(entry, int) and not isinstance(entry, bool) for entry in entries)
