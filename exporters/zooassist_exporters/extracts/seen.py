"""Which type of task does an annotation look like, when no workflow export says?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

COMBO: Final = "combo"
UNKNOWN: Final = "unknown"
EMPTY: Final = "empty"


def seen_type(annotation: Mapping[str, Any]) -> str:
    """Judge the task type by the keys and the value of an exported annotation.

    Panoptes gives every question a ``task_label`` and writes it before the value; a text task
    has it after the value; tasks that are exported raw (slider, text of the new classifier,
    survey, ...) have none, unless the classifier named the type itself.

    Examples
    --------
    >>> seen_type({"task": "T5", "value": [{"choice": "LION", "answers": {}}]})
    'survey'
    """
    stated = annotation.get("taskType", annotation.get("task_type"))
    if isinstance(stated, str):
        return stated
    value = annotation.get("value")
    if isinstance(value, list):
        return _type_of_list(annotation, value)
    if isinstance(value, str):
        return "single" if _label_comes_first(annotation) else UNKNOWN
    if isinstance(value, int) and not isinstance(value, bool):
        return "single"
    return UNKNOWN


def _type_of_list(annotation: Mapping[str, Any], value: list[Any]) -> str:
    if not value:
        # Nothing drawn or nothing chosen; it only counts for a task known to be a question.
        return "multiple" if _label_comes_first(annotation) else EMPTY
    first = value[0]
    if isinstance(first, str | int):
        return "multiple"
    if isinstance(first, dict):
        if "task" in first:
            return COMBO
        if "tool" in first or "toolIndex" in first:
            return "drawing"
        if "choice" in first:
            return "survey"
        if "option" in first and "value" in first:
            return "dropdown"
    return UNKNOWN


def _label_comes_first(annotation: Mapping[str, Any]) -> bool:
    keys = list(annotation)
    if "task_label" not in keys:
        return False
    return "value" not in keys or keys.index("task_label") < keys.index("value")
