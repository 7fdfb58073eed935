"""What counts as JSON? What Ruby's parser accepts: no NaN, and at most 100 levels of nesting."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

DEEPEST = 100


def _inside(value: Any) -> Iterable[Any]:  # noqa: ANN401 - any JSON value
    return value.values() if isinstance(value, dict) else value


def _too_deep(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(DEEPEST):
        level = [
            child for outer in level for child in _inside(outer) if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse strictly.

    Raises
    ------
    ValueError
        When `text` is not JSON, contains NaN or infinities, or nests too deeply.
    """
    value = orjson.loads(text)
    if _too_deep(value):
        raise ValueError(f"nested deeper than {DEEPEST} levels")
    return value
