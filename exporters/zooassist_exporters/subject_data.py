"""What does an export say about a subject? Decoded when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from zooassist_exporters.cell_values import subject_metadata

# A mapping is read key by key: the text is not decoded again for each of them.
_decode = lru_cache(maxsize=16)(subject_metadata)


class SubjectData(Mapping[str, Any]):
    """The metadata of a subject, kept as text: exports have many subjects.

    Parameters
    ----------
    subject_id : int
    text : str
        The cell ``subject_data`` of one of its classifications.
    """

    __slots__ = ("_subject_id", "_text")

    def __init__(self, subject_id: int, text: str) -> None:
        self._subject_id, self._text = subject_id, text

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - JSON values
        return self._decoded()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded())

    def __len__(self) -> int:
        return len(self._decoded())

    def _decoded(self) -> dict[str, Any]:
        return _decode(self._text, self._subject_id)
