"""Which texts does a task tree hold? Split into a skeleton with string keys and the strings.

The keys are what the classifier looks up on screen: ``T0.instruction``, ``T0.tools.0.label``,
``T0.tools.0.details.0.answers.1.label``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXT_KEYS = frozenset({"question", "instruction", "label", "help", "description"})
# Their values are texts whatever the keys are (a survey's "often confused with").
TEXT_MAPS = frozenset({"confusions"})


def extract_strings(tasks: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (skeleton, strings): the skeleton has each text replaced by its key."""
    strings: dict[str, str] = {}

    def visit(value: object, path: str, is_text: bool) -> object:
        if isinstance(value, str) and is_text:
            strings[path] = value
            return path
        if isinstance(value, Mapping):
            texts = path.rpartition(".")[2] in TEXT_MAPS
            return {
                key: visit(inner, f"{path}.{key}", texts or key in TEXT_KEYS)
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [visit(inner, f"{path}.{index}", False) for index, inner in enumerate(value)]
        return value

    skeleton = {key: visit(task, key, False) for key, task in tasks.items()}
    return skeleton, strings
