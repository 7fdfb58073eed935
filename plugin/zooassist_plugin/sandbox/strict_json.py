"""What counts as JSON? What Ruby's parser and PostgreSQL accept, so that all of it can be exported.

No NaN or infinities (also not as ``1e999``), no half surrogates, no NUL, at most 100 levels deep.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

DEEPEST = 100
NUL = "\x00"


def _inside(value: Any) -> Iterable[Any]:  # noqa: ANN401 - any JSON value
    """Return what an object or array holds, an object's keys included."""
    return [*value, *value.values()] if isinstance(value, dict) else value


def _check(value: Any) -> None:  # noqa: ANN401 - any JSON value
    level, depth = [value], 0
    while level:
        if any(isinstance(one, str) and NUL in one for one in level):
            raise ValueError("a text holds the character NUL (\\u0000)")
        containers = [one for one in level if isinstance(one, (dict, list))]
        if containers and depth == DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST} levels")
        level, depth = [inner for one in containers for inner in _inside(one)], depth + 1


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401 - any JSON value
    """Parse strictly.

    Raises
    ------
    ValueError
        When `text` is not JSON, contains NaN, infinities, half surrogates or NUL, or nests too
        deeply.
    """
    value = orjson.loads(text)
    _check(value)
    return value
