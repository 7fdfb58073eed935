"""What does each built-in extractor take out of one classification?

A classification is the payload that external extractors are sent: annotations regrouped by task
key. An extractor returns its data, or None for no extract at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from zooassist_plugin.dialects.aggregation import shape_to_aggregation
from zooassist_plugin.dialects.classifier_v1 import shape_from_v1
from zooassist_plugin.dialects.classifier_v2 import shape_from_v2
from zooassist_plugin.errors import BadInput
from zooassist_plugin.sandbox.caesar.json_path import find_all

Payload = Mapping[str, Any]
Settings = Mapping[str, Any]


class MissingAnnotation(Exception):
    """A classification lacks what an extractor with ``if_missing: error`` insists on."""


def count_key(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write an answer as the key of a JSON object, as Ruby does: null becomes the empty string."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, separators=(",", ":"))


def _annotations(payload: Payload, settings: Settings) -> list[Any] | None:
    """Return the annotations of the task; None to drop the classification (``reject``)."""
    task = settings["task_key"]
    if task in payload["annotations"]:
        found: list[Any] = payload["annotations"][task]
        return found
    if settings["if_missing"] == "error":
        raise MissingAnnotation(
            f"classification {payload['id']}: no annotations for task {task}; "
            "set if_missing to ignore or reject"
        )
    return None if settings["if_missing"] == "reject" else []


def _blank(payload: Payload, settings: Settings) -> dict[str, Any]:
    annotations = payload["annotations"].get(settings["task_key"]) or [{}]
    value = annotations[0].get("value")
    # Ruby's `present?`: 0 is something, an empty list, text, object, null and false are not.
    empty = value is None or value is False or (not value and not isinstance(value, (int, float)))
    return {"blank": empty or (isinstance(value, str) and not value.strip())}


def _question(payload: Payload, settings: Settings) -> dict[str, Any] | None:
    annotations = _annotations(payload, settings)
    if annotations is None:
        return None
    counts: dict[str, int] = {}
    for annotation in annotations:
        value = annotation["value"]
        for answer in value if isinstance(value, list) else [value]:
            key = count_key(answer)
            counts[key] = counts.get(key, 0) + 1
    return counts


def _survey(payload: Payload, settings: Settings) -> dict[str, Any] | None:
    nothing_here = settings.get("nothing_here_choice")
    missing = settings["task_key"] not in payload["annotations"]
    if missing and settings["if_missing"] == "nothing_here":
        return {count_key(nothing_here): 1}
    annotations = _annotations(payload, settings)
    if annotations is None:
        return None
    counts: dict[str, int] = {}
    for annotation in annotations:
        value = annotation.get("value") or []
        for choice in value if isinstance(value, list) else [value]:
            key = count_key(choice.get("choice"))
            counts[key] = counts.get(key, 0) + 1
    return counts if counts or not nothing_here else {str(nothing_here): 1}


def _who(payload: Payload, _settings: Settings) -> dict[str, Any]:
    return {"user_id": payload["user_id"]}


def _pluck_field(payload: Payload, settings: Settings) -> dict[str, Any] | None:
    found = find_all(settings["path"], payload)
    if found:
        return {settings["name"]: found[0] if len(found) == 1 else found}
    if settings["if_missing"] == "error":
        raise MissingAnnotation(
            f"classification {payload['id']}: nothing at {settings['path']}; "
            "set if_missing to ignore or reject"
        )
    return None if settings["if_missing"] == "reject" else {}


def _shape(payload: Payload, settings: Settings) -> dict[str, Any] | None:
    """Collect marks by frame, tool and parameter, as aggregation-for-caesar's extractor does."""
    annotations = _annotations(payload, settings)
    if annotations is None:
        return None
    frames: dict[str, dict[str, list[Any]]] = {}
    for annotation in annotations:
        for mark in annotation.get("value") or []:
            second = "toolIndex" in mark or "toolType" in mark
            try:
                read = shape_from_v2 if second else shape_from_v1
                shape = shape_to_aggregation(read(settings["shape"], mark))
            except BadInput:
                continue  # a mark of another tool, or one that never got a geometry
            tool = f"toolIndex{mark.get('toolIndex', 0)}" if second else f"tool{mark.get('tool')}"
            frame = frames.setdefault(f"frame{mark.get('frame') or 0}", {})
            for name, value in shape.items():
                frame.setdefault(f"{settings['task_key']}_{tool}_{name}", []).append(value)
    return frames


EXTRACTORS: dict[str, Callable[[Payload, Settings], dict[str, Any] | None]] = {
    "blank": _blank,
    "pluck_field": _pluck_field,
    "question": _question,
    "shape": _shape,
    "survey": _survey,
    "who": _who,
}


def too_old(workflow_version: str, minimum: str | None) -> bool:
    """Tell whether a classification was made in a version before `minimum` (7.10 follows 7.9)."""
    if not minimum or not workflow_version:
        return False
    return _numbers(workflow_version) < _numbers(minimum)


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) if part.isdigit() else 0 for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
