"""How do the ledger's proposals become visible? One CSV, one import, and a look as a volunteer."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zooassist_loop.ledger import Entry, Ledger
from zooassist_plugin.caesar import Caesar
from zooassist_plugin.extracts_csv import CsvHost, write_extracts
from zooassist_plugin.http_session import PlatformRefused
from zooassist_plugin.presenters.machine_learnt import canonical
from zooassist_plugin.presenters.presented import Unpresentable

READERS = 8
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between two looks
# Caesar spreads the reducers' rerun over one minute per 90 subjects.
SUBJECTS_PER_MINUTE = 90


@dataclass(frozen=True)
class Published:
    """What became of one import.

    Attributes
    ----------
    rows : int
        Proposals in the CSV.
    read_back, equal : int
        Subjects looked at as a volunteer does, and those whose payload was the one written.
    missing : tuple of int
        Subjects whose payload is not (yet) the one written.
    """

    rows: int = 0
    read_back: int = 0
    equal: int = 0
    missing: tuple[int, ...] = ()


def waiting_time(rows: int) -> float:
    """Return how many seconds an import of that many rows may take, with room to spare."""
    return 60.0 + 90.0 * rows / SUBJECTS_PER_MINUTE


def choose_sample(
    subject_ids: Collection[int], always: Collection[int], size: int | None, seed: int = 0
) -> frozenset[int]:
    """Choose whom to read back: `always`, and `size` of the others at random (None: all)."""
    if size is None:
        return frozenset(subject_ids)
    must = frozenset(always) & frozenset(subject_ids)
    others = sorted(frozenset(subject_ids) - must)
    return must | frozenset(random.Random(seed).sample(others, min(size, len(others))))


def publish(
    caesar: Caesar,
    ledger: Ledger,
    workflow_id: int,
    model_version: str,
    *,
    host: CsvHost,
    csv: Path,
    replaced: Collection[int] = (),
    sample: int | None = 20,
    wait: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Published:
    """Import every pending proposal of one model version, and mark what is seen as presented.

    Killed at any moment and run again, it imports the rest once more; Caesar keeps one machine
    extract per subject, so nothing doubles.

    Parameters
    ----------
    csv : Path
        Where the CSV is written; it appears whole.
    replaced : collection of int
        Subjects that carry another version's proposal. Caesar's first_extract reducer may keep
        what it has, so these are also written directly, and all of them are read back.
    sample : int or None
        How many others to read back; None reads all.
    wait : float, optional
        Seconds until the sample has to be visible; default `waiting_time`.

    Returns
    -------
    Published
        When a part of the sample is missing, only what was seen is marked as presented; another
        run imports the rest again.
    """
    order: list[int] = []

    def pending() -> Iterator[tuple[int, Mapping[str, Any]]]:
        for entry in ledger.pending(workflow_id, model_version):
            yield entry.subject_id, _payload(entry)

    def noted() -> Iterator[tuple[int, Mapping[str, Any]]]:
        for subject_id, payload in pending():
            order.append(subject_id)
            yield subject_id, payload

    rows = write_extracts(csv, noted())
    if not rows:
        return Published()
    targets = choose_sample(order, replaced, sample)
    expected = {subject_id: payload for subject_id, payload in pending() if subject_id in targets}
    with host(csv) as url:
        ledger.mark(workflow_id, model_version, order, "submitted")
        caesar.import_extracts(workflow_id, url)
        for subject_id in sorted(targets & frozenset(replaced)):
            _overwrite(caesar, workflow_id, subject_id, expected[subject_id])
        seconds = waiting_time(rows) if wait is None else wait
        readers = _Readers(caesar, workflow_id, progress)
        wrong = readers.wait(expected, seconds)
        if "other" in wrong.values():
            # Caesar kept what it had. Where it did so once it may have done so for anybody.
            expected = dict(pending())
            wrong = readers.wait(expected, 0.0)
            for subject_id, found in wrong.items():
                if found == "other":
                    _overwrite(caesar, workflow_id, subject_id, expected[subject_id])
            wrong = readers.wait(expected, min(seconds, 30.0))
    seen = sorted(set(expected) - set(wrong)) if wrong else order
    ledger.mark(workflow_id, model_version, seen, "presented")
    return Published(rows, len(expected), len(expected) - len(wrong), tuple(sorted(wrong)))


def _payload(entry: Entry) -> Mapping[str, Any]:
    if entry.payload is None:
        raise ValueError(f"ledger row {entry.proposal_id} in state {entry.state} has no payload")
    return entry.payload


def _overwrite(
    caesar: Caesar, workflow_id: int, subject_id: int, payload: Mapping[str, Any]
) -> None:
    try:
        caesar.put_reduction(workflow_id, subject_id, payload)
    except PlatformRefused as error:
        if error.status != 404:  # 404: this Caesar has not seen the subject, the import makes it
            raise


@dataclass(frozen=True)
class _Readers:
    """Asks for many subjects as the classifier does, several at a time."""

    caesar: Caesar
    workflow_id: int
    progress: Callable[[int, int], None]

    def look(self, subject_id: int, expected: Mapping[str, Any]) -> str:
        """Return ``equal``, ``absent`` or ``other``."""
        payloads = list(self.caesar.visible_proposals(self.workflow_id, subject_id).payloads)
        if not payloads:
            return "absent"
        try:
            return "equal" if canonical(payloads) == canonical([expected]) else "other"
        except Unpresentable:  # NaN: somebody else wrote it
            return "other"

    def wait(self, expected: Mapping[int, Mapping[str, Any]], seconds: float) -> dict[int, str]:
        """Look until every payload is the expected one, or time is up; returns the others."""
        deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
        wrong = dict.fromkeys(expected, "absent")
        with ThreadPoolExecutor(READERS) as pool:
            while True:
                found = pool.map(self.look, wrong, [expected[each] for each in wrong])
                wrong = {
                    each: state
                    for each, state in zip(wrong, found, strict=True)
                    if state != "equal"
                }
                self.progress(len(expected) - len(wrong), len(expected))
                if not wrong or time.monotonic() >= deadline:
                    return wrong
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
