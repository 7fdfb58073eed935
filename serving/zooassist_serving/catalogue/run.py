"""How are very many images predicted? Units to threads, parts to disk, one file at the end.

A unit is a batch of the graph; each is read, decoded and run by one thread, with as many units on
their way as there are threads. A part is a fixed number of rows: when its units are answered, one
thread summarises them together and the part is kept. So memory holds a few parts, whatever the
length of the list, and on a processor no thread waits for another.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from zooassist_plugin.errors import BadInput
from zooassist_plugin.output_paths import temporary_beside, writing
from zooassist_plugin.progress import Show
from zooassist_serving.catalogue.columns import (
    CONCENTRATIONS,
    list_column,
    row_columns,
    summary_columns,
)
from zooassist_serving.catalogue.formats.output_format import Format
from zooassist_serving.catalogue.parts import Parts
from zooassist_serving.catalogue.reading import Reader
from zooassist_serving.catalogue.rows import Row, digest_of
from zooassist_serving.catalogue.source import Source
from zooassist_serving.dataplane import Answers, DataPlane, Item

# Rows per part: what a killed run has to do again, times the number of threads.
PART_ROWS: Final = 256


@dataclass(frozen=True)
class Work:
    """What is to be done.

    Attributes
    ----------
    model : str
        Its name in `plane`.
    threads : int
        Units on their way at once.
    unit : int
        Images per run of the graph.
    """

    plane: DataPlane
    model: str
    source: Source
    format: Format
    threads: int
    unit: int


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes
    ----------
    rows, failed, resumed : int
        All rows; those without a prediction; those that an earlier run had done.
    remarks : tuple of str
        Lines for the user.
    """

    rows: int
    failed: int
    resumed: int
    remarks: tuple[str, ...]


@dataclass
class _Part:
    """A part on its way."""

    index: int
    rows: list[Row]
    digest: str
    units: list[Future[Answers]]


def predict_into_parts(work: Work, parts: Parts, reader: Reader, show: Show) -> int:
    """Predict every part that is not there yet; returns how many rows were there.

    Raises
    ------
    BadInput
        When the parts that are there answer for another list.
    """
    total = work.source.total
    done = resumed = count = 0
    coming: deque[_Part] = deque()
    finishing: deque[tuple[_Part, Future[pa.RecordBatch]]] = deque()

    def keep() -> None:
        nonlocal done
        part, batch = finishing.popleft()
        parts.write(part.index, part.digest, batch.result())
        done += len(part.rows)
        show("predict", done, total)

    def finish() -> None:
        part = coming.popleft()
        answers = [unit.result() for unit in part.units]
        columns = pool.submit(part_columns, work.plane, work.model, work.format, part.rows, answers)
        finishing.append((part, columns))
        while len(finishing) > work.threads:
            keep()

    with ThreadPoolExecutor(work.threads, thread_name_prefix="predict") as pool:
        try:
            for index, rows in enumerate(_runs_of(work.source.rows())):
                count = index + 1
                digest = digest_of(rows)
                if index in parts:
                    parts.check(index, digest, index * PART_ROWS, rows[0].name)
                    resumed += len(rows)
                    done += len(rows)
                    show("predict", done, total)
                    continue
                units = []
                for start in range(0, len(rows), work.unit):
                    items = reader.items(rows[start : start + work.unit])
                    units.append(pool.submit(_answer, work, items))
                coming.append(_Part(index, rows, digest, units))
                while sum(len(part.units) for part in coming) > _waiting(work):
                    finish()
            if not count:
                raise BadInput("expected images, got a table without rows; give it rows")
            parts.check_length(count)
            while coming:
                finish()
            while finishing:
                keep()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return resumed


def _waiting(work: Work) -> int:
    """Units that may wait beside those being done: one part, so that no thread runs out of work."""
    return work.threads + max(1, PART_ROWS // work.unit)


def _runs_of(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while run := list(islice(rows, PART_ROWS)):
        yield run


def _answer(work: Work, items: Sequence[Item]) -> Answers:
    return work.plane.answer(work.model, items)


def part_columns(
    plane: DataPlane, model: str, form: Format, rows: Sequence[Row], answers: Sequence[Answers]
) -> pa.RecordBatch:
    """Make the columns of one part; the answers are of its rows, in their order."""
    errors = [error for answer in answers for error in answer.errors]
    failed = np.array([error is not None for error in errors])
    filled = [answer for answer in answers if len(answer.raw)]
    raw = np.concatenate([each.raw for each in filled]) if filled else None
    card, columns = plane.metadata(model), row_columns(rows, errors)
    if form.summarised:
        summary = None if raw is None else plane.summarise(model, raw)
        columns |= summary_columns(summary, card.answers, failed)
    else:
        width = len(card.schema_of_votes.columns)
        width = width if raw is None else width * raw.shape[1]
        columns[CONCENTRATIONS] = list_column(raw, width, failed)
    if form.options.embedding is not None:
        kept = [each.embeddings for each in filled if each.embeddings is not None]
        features = np.concatenate(kept) if kept else None
        columns["embedding"] = list_column(features, form.options.embedding, failed)
    return pa.record_batch(list(columns.values()), names=list(columns))


def join(
    parts: Parts, form: Format, out: Path, resumed: int, report: Callable[[str], None]
) -> Outcome:
    """Make the output of the parts, put it in place and take the parts away.

    Parameters
    ----------
    report : callable
        Is given one line for every row that failed, in order.
    """
    counted = _Counted(parts, report)
    with writing(out):
        temporary = temporary_beside(out)
        try:
            remarks = form.write(counted, temporary)
            parts.publish(temporary)
        finally:
            temporary.unlink(missing_ok=True)
    if counted.repeated:
        remarks.append(
            f"{counted.repeated} of {counted.rows} rows name an image that came before; each was "
            "predicted"
        )
    return Outcome(counted.rows, counted.failed, resumed, tuple(remarks))


class _Counted:
    """Counts rows, failures and repeated names while all parts go by for the first time."""

    def __init__(self, parts: Parts, report: Callable[[str], None]) -> None:
        self._parts, self._report = parts, report
        self.rows = self.failed = 0
        self._seen = 0
        # 64 bits a row instead of a name: ten million rows are 80 MB.
        self._names = array("q")

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for number, part in enumerate(self._parts):
            if number == self._seen:
                self._count(part)
                self._seen += 1
            yield part

    def _count(self, part: pa.RecordBatch) -> None:
        names, frames = part.column("name").to_pylist(), part.column("frame").to_pylist()
        self._names.extend(map(hash, zip(names, frames, strict=True)))
        self.rows += part.num_rows
        failures = part.num_rows - part.column("error").null_count
        self.failed += failures
        if failures:
            for name, error in zip(names, part.column("error").to_pylist(), strict=True):
                if error is not None:
                    self._report(f"{name}: {error}")

    @property
    def repeated(self) -> int:
        """Rows whose image came before."""
        return len(self._names) - len(np.unique(np.asarray(self._names)))
