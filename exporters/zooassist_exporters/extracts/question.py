"""What was answered to a question: labels in exports, indices in subtasks and in raw rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zooassist_exporters.extracts.answered import Answered, UnexpectedValue


def question_answer(annotation: Mapping[str, Any]) -> Iterator[Answered]:
    """Yield the answer of a single, multiple or shortcut annotation.

    A question that changed from one answer to several between versions is exported as a text here
    and as a list there: the value says which it was. No answer (null) yields nothing: the
    volunteer saw the question and passed on, which is no vote. An empty list is a vote: none of
    these.
    """
    value = annotation.get("value")
    if value is None:
        return
    several = isinstance(value, list)
    values = value if several else [value]
    if not all(_is_answer(entry) for entry in values):
        raise UnexpectedValue(annotation["task"], "an answer or a list of answers", value)
    mark = annotation.get("markIndex")
    yield Answered(
        task=annotation["task"],
        text=annotation.get("task_label") or "",
        multiple=several,
        values=tuple(values),
        mark_index=mark if isinstance(mark, int) else None,
    )


def _is_answer(value: object) -> bool:
    """Whether a value is a label or an index; booleans are integers to Python, not to us."""
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
