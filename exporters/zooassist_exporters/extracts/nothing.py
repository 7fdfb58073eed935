"""What does an empty list say when nothing tells what was asked?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from zooassist_exporters.extracts.answered import Answered


def nothing_chosen(annotation: Mapping[str, Any]) -> Iterator[Answered]:
    """Yield "none of these", as a survey without animals is exported.

    A drawing without marks looks the same. It counts only if another classification of the file
    made a choice in this task.

    Examples
    --------
    >>> [each.values for each in nothing_chosen({"task": "T3", "value": []})]
    [()]
    """
    yield Answered(annotation["task"], "", True, (), None)
