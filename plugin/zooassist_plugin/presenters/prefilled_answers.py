"""Which subtask answers can a pre-filled mark carry?"""

from __future__ import annotations

from typing import Any

from zooassist_plugin.dialects.classifier_v2 import answer_to_v2
from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.presenters.presented import Unpresentable
from zooassist_plugin.workflow import Detail, Tool


def prefilled_answers(mark: Mark, tool: Tool) -> list[dict[str, Any]]:
    """Return the `annotations` of a mark, checked against its tool's subtasks.

    An answer whose value is None or empty counts as not given and is left out.

    Raises
    ------
    Unpresentable
        When an answer's subtask does not exist or is of another type, its index is out of range,
        or a required subtask has no answer: Done then stays blocked until the volunteer has
        opened every mark.
    """
    details = {detail.key: detail for detail in tool.details}
    given: dict[str, SubtaskAnswer] = {}
    for answer in mark.answers:
        problem = answer_problem(answer, details)
        if answer.task in given:
            problem = "answered twice"
        if problem:
            raise Unpresentable(f"subtask {answer.task}: {problem}")
        if answer.value not in (None, (), ""):
            given[answer.task] = answer
    for detail in tool.details:
        if detail.required and detail.key not in given:
            raise Unpresentable(
                f"subtask {detail.key} ({detail.question!r}) is required and not pre-answered: "
                "Done would stay blocked until every mark is opened; answer it, or make it "
                "optional in the workflow"
            )
    return [answer_to_v2(given[key]) for key in details if key in given]


def answer_problem(answer: SubtaskAnswer, details: dict[str, Detail]) -> str | None:
    """Return why an answer does not fit the subtasks of its tool, None when it does."""
    detail = details.get(answer.task)
    if detail is None:
        return f"its tool has no such subtask; expected one of {', '.join(details) or 'none'}"
    if detail.type != answer.task_type:
        return f"expected a {detail.type} answer, got a {answer.task_type} answer"
    value = answer.value
    indices = (value,) if isinstance(value, int) else value if isinstance(value, tuple) else ()
    for index in indices:
        if not 0 <= index < len(detail.answers):
            return f"expected answer indices 0 to {len(detail.answers) - 1}, got {index}"
    if len(set(indices)) < len(indices):
        return f"an answer is named twice in {list(indices)}"
    return None
