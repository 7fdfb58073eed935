"""A model that takes its time and no processor: what many workers cost beside their models."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from zooassist_serving.dataplane import Answers, DataPlane, Item
from zooassist_serving.model_folder import ModelFolder


class SleepingPlane(DataPlane):
    """Reads its items, sleeps, and answers all of them alike.

    Parameters
    ----------
    seconds : float
        Per image.
    """

    def __init__(self, folder: ModelFolder, seconds: float) -> None:
        super().__init__([folder], threads=1)
        self._seconds = seconds
        self._columns = len(folder.card.schema_of_votes.columns)

    def answer(self, name: str, items: Sequence[Item]) -> Answers:
        """Sleep as long as the graph would run."""
        for item in items:
            if callable(item.data):
                item.data()
        time.sleep(self._seconds * len(items))
        raw = np.ones((len(items), 1, self._columns), dtype=np.float32)
        return Answers((None,) * len(items), raw, None)
