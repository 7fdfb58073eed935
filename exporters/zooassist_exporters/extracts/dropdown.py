"""Which option of a dropdown was selected? The old classifier has several of them in one task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zooassist_exporters.extracts.answered import Answered, UnexpectedValue


def dropdown_answers(annotation: Mapping[str, Any]) -> Iterator[Answered]:
    """Yield what was selected in the dropdowns of a task of the old classifier.

    The n-th dropdown of task ``T4`` is the question ``T4.n``. What a volunteer typed in place of
    an option is no vote, and neither is a dropdown that was left as it was.

    Examples
    --------
    >>> colour = {"select_label": "Colour", "option": True, "value": "a1b2", "label": "Red"}
    >>> typed = {"select_label": "Shape", "option": False, "value": "like an egg"}
    >>> [(each.task, each.text, each.values)
    ...  for each in dropdown_answers({"task": "T4", "value": [colour, typed]})]
    [('T4.0', 'Colour', ('Red',))]
    """
    task, selects = annotation["task"], annotation.get("value")
    if selects is None:
        return
    if isinstance(selects, dict):  # one dropdown, as the new classifier has it
        yield from _selected(task, selects)
        return
    if not isinstance(selects, list) or not all(isinstance(each, dict) for each in selects):
        raise UnexpectedValue(task, "a list of selected options", selects)
    for number, select in enumerate(selects):
        yield from _selected(f"{task}.{number}", select)


def simple_dropdown_answer(annotation: Mapping[str, Any]) -> Iterator[Answered]:
    """Yield what was selected in the one dropdown of a task of the new classifier.

    Examples
    --------
    >>> value = {"select_label": "Colour", "option": True, "option_index": 0, "label": "Red"}
    >>> [(each.task, each.values)
    ...  for each in simple_dropdown_answer({"task": "T4", "value": value})]
    [('T4', ('Red',))]
    """
    task, select = annotation["task"], annotation.get("value")
    if select is None:
        return
    if not isinstance(select, dict):
        raise UnexpectedValue(task, "a selected option", select)
    yield from _selected(task, select)


def _selected(task: str, select: Mapping[str, Any]) -> Iterator[Answered]:
    label = select.get("label")
    label = select.get("value") if label is None else label
    if select.get("option") is True and isinstance(label, str):
        yield Answered(task, str(select.get("select_label") or ""), False, (label,), None)
