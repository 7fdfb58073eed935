"""Which annotations does a combo hold? The old classifier wraps them, the new one does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def members(annotation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the member annotations of a wrapped combo, in order; none when it is not wrapped."""
    value = annotation.get("value")
    if not isinstance(value, list):
        return []
    return [
        entry for entry in value if isinstance(entry, dict) and isinstance(entry.get("task"), str)
    ]
