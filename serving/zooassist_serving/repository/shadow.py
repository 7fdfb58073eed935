"""What would another version have said? It looks at the same images, and its answers are logged.

The answer to the client never waits for it: images go into a short queue, and what does not fit is
counted and left out.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.proposed_masks import ProposedMask, text_to_masks
from zooassist_serving.predictions import Prediction
from zooassist_serving.repository.pool import Key
from zooassist_serving.served_model import ServedModel

logger = logging.getLogger("zooassist_serving.shadow")

WAITING = 64
"""Requests that wait for the shadow; each holds its images."""

Rerun = Callable[[ServedModel], Iterable[Prediction]]
Lease = Callable[[Key], AbstractContextManager[ServedModel]]


@dataclass(frozen=True)
class Case:
    """What was answered, and how the shadow is asked the same."""

    key: Key
    card: ModelCard
    answered: Prediction
    rerun: Rerun


@dataclass
class Tally:
    """How often the shadow agreed, of one model and shadow."""

    compared: int = 0
    agreed: int = 0
    failed: int = 0
    left_out: int = 0
    difference: float = 0.0


@dataclass
class Shadows:
    """The queue and the one thread behind it, which starts with the first case."""

    lease: Lease
    waiting: int = WAITING
    tallies: dict[Key, Tally] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._queue: queue.Queue[Case | None] = queue.Queue(self.waiting)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def offer(self, case: Case) -> bool:
        """Take a case if there is room; returns whether it was taken."""
        self._start()
        try:
            self._queue.put_nowait(case)
        except queue.Full:
            self._tally(case.key).left_out += 1
            return False
        return True

    def drain(self) -> None:
        """Wait until every case that was taken is compared."""
        self._queue.join()

    def close(self) -> None:
        """End the thread after the case it is at."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="shadow", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (case := self._queue.get()) is not None:
            try:
                self._compare(case)
            except Exception:  # a shadow may fail in any way and must harm nobody
                logger.exception("shadow %s %s failed", case.key.name, case.key.version)
                self._tally(case.key).failed += 1
            finally:
                self._queue.task_done()
        self._queue.task_done()

    def _compare(self, case: Case) -> None:
        with self.lease(case.key) as model:
            shadowed = list(case.rerun(model))
        (other,) = shadowed
        answered, tally = case.answered, self._tally(case.key)
        found = compare(case.card, answered, other)
        tally.compared += 1
        tally.agreed += bool(found["agrees"])
        tally.difference = max(tally.difference, found["difference"] or 0.0)
        about = {
            "model": answered.model,
            "model_version": answered.model_version,
            "shadow_version": other.model_version,
            "item": answered.item,
            "frame": answered.frame,
        }
        logger.info("shadow %s", json.dumps(about | found))

    def _tally(self, key: Key) -> Tally:
        with self._lock:
            return self.tallies.setdefault(key, Tally())


def compare(card: ModelCard, answered: Prediction, other: Prediction) -> dict[str, Any]:
    """Say whether two versions agree on an item, and by how much they differ at most.

    Votes agree when every question has the same likeliest answer, and differ by fractions; values
    differ in deviations of the training set, and agree within each other's 90 % interval; masks
    differ by 1 - IoU of the pixels of each class, and agree from an IoU of 0.5 on. `difference` is
    None where the versions answer different questions.
    """
    if answered.error is not None or other.error is not None:
        same = (answered.error is None) == (other.error is None)
        return {"agrees": same, "difference": None, "error": other.error or answered.error}
    if answered.mask is not None and other.mask is not None:
        worst = _least_overlap(text_to_masks(answered.mask), text_to_masks(other.mask))
        return {"agrees": worst >= 0.5, "difference": round(1 - worst, 6), "error": None}
    mine, its = answered.fractions, other.fractions
    if mine is not None and its is not None and mine.shape == its.shape:
        schema: LabelSchema = card.schema_of_votes
        agrees = all(
            int(mine[part].argmax()) == int(its[part].argmax()) for part in schema.slices.values()
        )
        return {"agrees": agrees, "difference": float(np.abs(mine - its).max()), "error": None}
    mine, its = answered.means, other.means
    if mine is not None and its is not None and mine.shape == its.shape:
        scales = np.array([target.scale for target in card.targets])
        low, high = answered.lower90, answered.upper90
        within = low is not None and high is not None and bool(((its >= low) & (its <= high)).all())
        difference = float((np.abs(mine - its) / scales).max())
        return {"agrees": within, "difference": difference, "error": None}
    return {"agrees": False, "difference": None, "error": "the versions answer different questions"}


def _least_overlap(mine: Iterable[ProposedMask], its: Iterable[ProposedMask]) -> float:
    """Return the least IoU over classes and frames; 1 where both have nothing."""
    first, second = _pixels(mine), _pixels(its)
    overlaps = [1.0]
    for place in first.keys() | second.keys():
        a, b = first.get(place), second.get(place)
        if a is None or b is None or a.shape != b.shape:
            overlaps.append(0.0)
        else:
            overlaps.append(float((a & b).sum() / max(1, (a | b).sum())))
    return min(overlaps)


def _pixels(masks: Iterable[ProposedMask]) -> Mapping[tuple[str, int], Any]:
    found: dict[tuple[str, int], Any] = {}
    for mask in masks:
        place, pixels = (mask.label, mask.frame), mask.pixels()
        known = found.get(place)
        found[place] = pixels if known is None or known.shape != pixels.shape else known | pixels
    return found


def remembering(data: bytes | Callable[[], bytes]) -> bytes | Callable[[], bytes]:
    """Return image data that is fetched once, though two versions look at it.

    What could not be fetched fails a second time in the same words.
    """
    if isinstance(data, bytes):
        return data
    kept: list[bytes | Exception] = []

    def fetch() -> bytes:
        if not kept:
            try:
                kept.append(data())
            except Exception as error:
                kept.append(error)
                raise
        if isinstance(kept[0], Exception):
            raise kept[0]
        return kept[0]

    return fetch


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield items in lists of at most `size`."""
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
