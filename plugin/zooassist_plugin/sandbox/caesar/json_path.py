"""Which values does a JSONPath name? The part of the language that `pluck_field` needs.

``$.metadata.session``, ``$['annotations']['T0'][0].value``, ``$.annotations.T0[*].value``,
``$..session`` and negative indices; no filters, slices or unions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_STEP = re.compile(
    r"""(?P<deep>\.\.)?                     # recursive descent before a name
        (?:\.?(?P<name>[^.\[\]'"*\s]+)      # .name
         |\.?(?P<all>\*)                    # .*
         |\[\s*(?P<index>-?\d+)\s*\]        # [0]
         |\[\s*(?P<every>\*)\s*\]           # [*]
         |\[\s*(?P<quote>['"])(?P<key>.*?)(?P=quote)\s*\]   # ['name']
        )""",
    re.VERBOSE,
)


def parse_path(path: str) -> list[re.Match[str]]:
    """Split a path into steps; ValueError when it is not of the supported kind."""
    position = 1 if path.startswith("$") else 0
    steps = []
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise ValueError(f"cannot read the JSONPath {path!r} from character {position + 1}")
        steps.append(step)
        position = step.end()
    if not steps:
        raise ValueError(f"the JSONPath {path!r} names nothing")
    return steps


def _children(value: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descendants(value: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON value
    yield value
    for child in _children(value):
        yield from _descendants(child)


def _follow(step: re.Match[str], value: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON value
    if step["all"] or step["every"]:
        yield from _children(value)
    elif step["index"] is not None:
        if isinstance(value, list) and -len(value) <= int(step["index"]) < len(value):
            yield value[int(step["index"])]
    else:
        key = step["name"] or step["key"]
        if isinstance(value, dict) and key in value:
            yield value[key]


def find_all(path: str, document: Any) -> list[Any]:  # noqa: ANN401 - any JSON value
    """Return every value that `path` names in `document`, in document order."""
    found = [document]
    for step in parse_path(path):
        starts = (
            [below for value in found for below in _descendants(value)] if step["deep"] else found
        )
        found = [value for start in starts for value in _follow(step, start)]
    return found
