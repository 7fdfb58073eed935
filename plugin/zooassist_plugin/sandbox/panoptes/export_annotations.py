"""How is an annotation written in an export? Labels for indices, by the version that was shown.

Two formats, chosen by ``metadata.classifier_version``: "2..." is the present classifier (v2), all
others the older one (v1). Whatever cannot be decoded is exported as it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

UNKNOWN = "unknown answer label"
Annotation = Mapping[str, Any]
Formatted = dict[str, Any]


@dataclass(frozen=True)
class Definition:
    """A workflow version: tasks with string keys, and the strings."""

    tasks: Mapping[str, Any]
    strings: Mapping[str, str]

    def task(self, key: object) -> Mapping[str, Any]:
        """Return a task, empty when this version has none of that name."""
        found = self.tasks.get(key) if isinstance(key, str) else None
        return found if isinstance(found, Mapping) else {}

    def text(self, key: object) -> str | None:
        """Return the string under a key."""
        return self.strings.get(key) if isinstance(key, str) else None


def _listed(value: object) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _member(items: object, index: object) -> Any:  # noqa: ANN401 - any JSON value
    """Return ``items[index]``, None when it is not there."""
    if not isinstance(items, Sequence) or isinstance(index, bool) or not isinstance(index, int):
        return None
    return items[index] if 0 <= index < len(items) else None


def _task_label(definition: Definition, task: Mapping[str, Any]) -> str | None:
    return definition.text(task.get("question") or task.get("instruction"))


def _answers(definition: Definition, task: Mapping[str, Any], value: object) -> list[str]:
    labels = []
    for index in _listed(value):
        answer = _member(task.get("answers"), index)
        label = definition.text(answer.get("label")) if isinstance(answer, Mapping) else None
        labels.append(UNKNOWN if label is None else label)
    return labels


def _single(definition: Definition, task: Mapping[str, Any], annotation: Annotation) -> Formatted:
    labels = _answers(definition, task, annotation.get("value"))
    return {
        "task": annotation.get("task"),
        "task_label": _task_label(definition, task),
        "value": labels[0] if labels else None,
    }


def _multiple(definition: Definition, task: Mapping[str, Any], annotation: Annotation) -> Formatted:
    return {
        "task": annotation.get("task"),
        "task_label": _task_label(definition, task),
        "value": _answers(definition, task, annotation.get("value")),
    }


def _text(definition: Definition, task: Mapping[str, Any], annotation: Annotation) -> Formatted:
    return {
        "task": annotation.get("task"),
        "value": annotation.get("value"),
        "task_label": _task_label(definition, task),
    }


def _drawing(definition: Definition, task: Mapping[str, Any], annotation: Annotation) -> Formatted:
    """Add each mark's tool label: v1 names the tool by ``tool``, v2 by ``toolIndex``."""
    marks = []
    for mark in _listed(annotation.get("value")):
        if isinstance(mark, Mapping):
            index = mark["toolIndex"] if "toolIndex" in mark else mark.get("tool")
            tool = _member(task.get("tools"), index)
            label = definition.text(tool.get("label")) if isinstance(tool, Mapping) else None
            marks.append({**mark, "tool_label": label})
        else:
            marks.append(mark)
    return {
        "task": annotation.get("task"),
        "task_label": _task_label(definition, task),
        "value": marks,
    }


def _options(select: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All options of a dropdown, over all answers of the dropdown before it."""
    groups = select.get("options")
    return [option for group in groups.values() for option in group] if groups else []


def _select_title(definition: Definition, select: Mapping[str, Any]) -> str | None:
    title = select.get("title")
    return definition.text(title) or title


def _dropdown_v1(
    definition: Definition, task: Mapping[str, Any], annotation: Annotation
) -> Formatted:
    answers = _listed(annotation.get("value"))
    value = []
    for index, select in enumerate(task.get("selects", [])):
        answer = _member(answers, index)
        chosen = answer.get("value") if isinstance(answer, Mapping) else None
        item: Formatted = {"select_label": _select_title(definition, select)}
        if select.get("allowCreate"):
            item |= {"option": False, "value": chosen}
        for option in _options(select):
            if option.get("value") == chosen:
                label = definition.text(option.get("label"))
                item |= {"option": True, "value": chosen, "label": label}
                break
        value.append(item)
    return {"task": annotation.get("task"), "value": value}


def _dropdown_v2(
    definition: Definition, task: Mapping[str, Any], annotation: Annotation
) -> Formatted:
    """Decode the one dropdown of a v2 task: an option's index, or the volunteer's own text."""
    select = (task.get("selects") or [{}])[0]
    answer = annotation.get("value")
    chosen = answer.get("selection") if isinstance(answer, Mapping) else None
    item: Formatted = {"select_label": _select_title(definition, select)}
    option = _member(_options(select), chosen)
    if isinstance(option, Mapping):
        item |= {
            "option": True,
            "option_index": chosen,
            "value": option.get("value"),
            "label": definition.text(option.get("label")),
        }
    elif chosen is not None and select.get("allowCreate"):
        item |= {"option": False, "value": chosen}
    return {
        "task": annotation.get("task"),
        "task_type": annotation.get("taskType"),
        "value": item,
    }


def _combo(definition: Definition, _task: Mapping[str, Any], annotation: Annotation) -> Formatted:
    """v1 wraps the members of a combo; the present classifier sends them as entries of the list."""
    value = []
    for member in _listed(annotation.get("value")):
        task = definition.task(member.get("task")) if isinstance(member, Mapping) else {}
        if task.get("type") == "combo":
            value.append({"error": "combo tasks cannot be nested"})
        else:
            value.append(_decode(V1, definition, task, member))
    return {"task": annotation.get("task"), "task_label": None, "value": value}


V1 = {
    "single": _single,
    "multiple": _multiple,
    "shortcut": _multiple,
    "text": _text,
    "drawing": _drawing,
    "dropdown": _dropdown_v1,
    "combo": _combo,
}
V2 = V1 | {"dropdown": _dropdown_v2}


def _decode(
    table: Mapping[str, Any],
    definition: Definition,
    task: Mapping[str, Any],
    annotation: Annotation,
) -> Any:  # noqa: ANN401 - raw annotations stay as they came
    decode = table.get(str(task.get("type")))
    return annotation if decode is None else decode(definition, task, annotation)


def format_annotation(
    annotation: Annotation, definition: Definition | None, metadata: Mapping[str, Any]
) -> Any:  # noqa: ANN401 - raw annotations stay as they came
    """Return an annotation as the classification export writes it.

    Parameters
    ----------
    definition : Definition or None
        The version the volunteer saw; None exports the annotation raw.
    metadata : mapping
        The classification's; interrupted classifications are exported raw, too.
    """
    if definition is None or metadata.get("interrupted"):
        return annotation
    is_v2 = str(metadata.get("classifier_version", "")).startswith("2.")
    task = definition.task(annotation.get("task"))
    return _decode(V2 if is_v2 else V1, definition, task, annotation)
