"""Where does the text about each subject stay? On disk, once or little more.

Every classification repeats the text of its subject. Which subjects were there is remembered in a
table of fixed size, in which a later subject may take an earlier one's place: what is then kept
again is left out when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import numpy as np
import pyarrow as pa

from zooassist_exporters.long_table.layout import SUBJECTS
from zooassist_exporters.long_table.spill import Spill
from zooassist_exporters.vote_records import Integers

# A power of two: the subjects that are remembered, 8 bytes each.
PLACES: Final = 1 << 20


class SubjectTexts:
    """What exports say about subjects, in the columns `SUBJECTS`; a context manager.

    Parameters
    ----------
    places : int, optional
        A power of two; `PLACES` by default.
    """

    def __init__(self, places: int | None = None) -> None:
        self.spill = Spill(SUBJECTS, "subject_id")
        self._seen: Integers = np.full(PLACES if places is None else places, -1, dtype=np.int64)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.spill.__exit__(kind, error, traceback)

    def add(self, subjects: pa.RecordBatch) -> None:
        """Keep the texts of subjects not known to have been there; ids are not negative."""
        ids = subjects["subject_id"].to_numpy()
        place = ids & (len(self._seen) - 1)
        new = self._seen[place] != ids
        if new.any():
            self._seen[place[new]] = ids[new]
            self.spill.add(subjects.filter(pa.array(new)))


def first_texts(subjects: pa.Table, wanted: Integers) -> Mapping[int, str]:
    """Return the first text of each wanted subject, in the order of `wanted`.

    Parameters
    ----------
    subjects : pyarrow.Table
        In the columns `SUBJECTS`, those of a subject in the order they came in.
    wanted : array of int
        Ids that are all in the table.
    """
    ids, first = np.unique(subjects["subject_id"].to_numpy(), return_index=True)
    chosen = first[np.searchsorted(ids, wanted)]
    texts = subjects["subject_data"].take(pa.array(chosen)).to_pylist()
    return dict(zip(wanted.tolist(), texts, strict=True))
