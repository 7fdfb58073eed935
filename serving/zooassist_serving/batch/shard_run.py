"""How does a shard become its part? Fetched ahead, decoded and predicted side by side, one file.

The rows go through as units of one batch of the graph. Downloads, decoding with the graph, and the
columns of what is answered overlap; no more than some units are on their way, so that memory does
not grow with the shard but for its answers.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard
from zooassist_serving.batch.failures import cause_of
from zooassist_serving.batch.fetching import Fetching, ShardReader
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.shard_rows import ShardRow
from zooassist_serving.batch.stage_times import StageTimes
from zooassist_serving.catalogue.formats.flat import ParquetFormat
from zooassist_serving.catalogue.formats.output_format import Options
from zooassist_serving.catalogue.run import PART_ROWS, part_columns
from zooassist_serving.dataplane import Answers, DataPlane, Item
from zooassist_serving.masks.predict import MaskFolders, predict_masks

DRAWN = ("mask", "volume")


@dataclass(frozen=True)
class Predictor:
    """What turns rows into answers.

    Attributes
    ----------
    model : str
        Its name in `plane`.
    pool : Executor
        Threads that decode and run the graph, shared by all shards of a process.
    threads, unit : int
        How many there are; images per run of the graph.
    embedding : int or None
        Features to keep.
    """

    plane: DataPlane
    model: str
    pool: Executor
    threads: int
    unit: int
    embedding: int | None = None

    @property
    def card(self) -> ModelCard:
        """Card of the model."""
        return self.plane.metadata(self.model)


@dataclass(frozen=True)
class Predicted:
    """A part that is not written yet.

    Attributes
    ----------
    content : bytes
        A parquet file.
    rows, failed : int
    causes : mapping
        Why rows failed -> how many.
    changed : int
        Objects that were replaced before they were read.
    """

    content: bytes
    rows: int
    failed: int
    causes: dict[str, int]
    changed: int = 0

    @property
    def sha256(self) -> str:
        """Digest of the content."""
        return hashlib.sha256(self.content).hexdigest()


def predict_shard(
    rows: Sequence[ShardRow],
    predictor: Predictor,
    fetching: Fetching,
    times: StageTimes,
    go_on: Callable[[], None],
) -> Predicted:
    """Predict the rows of a shard.

    Parameters
    ----------
    go_on : callable
        Asked between units; raises where the work is no longer ours.

    Raises
    ------
    Refused
        When the store, and not an image, has a problem: nothing of the shard counts then.
    """
    with ShardReader(fetching, times) as reader:
        if predictor.card.kind in DRAWN:
            table = _drawn(rows, predictor, fetching, reader, go_on)
        else:
            table = _answered(rows, predictor, reader, times, go_on)
        if reader.trouble is not None:
            raise reader.trouble
    return part_of(table, changed=reader.changed)


def _answered(
    rows: Sequence[ShardRow],
    predictor: Predictor,
    reader: ShardReader,
    times: StageTimes,
    go_on: Callable[[], None],
) -> bytes:
    """Answer questions or values; see `catalogue.run`, whose columns these are."""
    options = Options(predictor.embedding, with_ids=any(row.id_str for row in rows))
    form = ParquetFormat(predictor.card, options)
    coming: deque[Future[Answers]] = deque()
    answers: list[Answers] = []
    columns: deque[Future[pa.RecordBatch]] = deque()
    units_of_part = max(1, PART_ROWS // predictor.unit)
    part_rows = units_of_part * predictor.unit

    def finish() -> None:
        go_on()
        answers.append(coming.popleft().result())
        if reader.trouble is not None:
            raise reader.trouble

    def summarise(last: bool = False) -> None:
        while len(answers) >= units_of_part or (last and answers):
            taken, answers[:units_of_part] = answers[:units_of_part], []
            start = len(columns) * part_rows
            run = [row.catalogue_row() for row in rows[start : start + part_rows]]
            columns.append(
                predictor.pool.submit(
                    part_columns, predictor.plane, predictor.model, form, run, taken
                )
            )

    try:
        for start in range(0, len(rows), predictor.unit):
            items = reader.items(rows[start : start + predictor.unit])
            coming.append(predictor.pool.submit(_answer, predictor, items, times))
            while len(coming) > predictor.threads + 2:
                finish()
                summarise()
        while coming:
            finish()
            summarise()
        summarise(last=True)
        batches = [each.result() for each in columns]
    except BaseException:
        for waiting in (*coming, *columns):
            waiting.cancel()
        raise
    with times.stage("write", len(rows)):
        return _parquet(form, batches)


def _answer(predictor: Predictor, items: list[Item], times: StageTimes) -> Answers:
    """Decode and predict one unit, without counting the time that bytes are waited for."""
    waited = 0.0

    def timed(fetch: Callable[[], bytes]) -> bytes:
        nonlocal waited
        begin = time.perf_counter()
        try:
            return fetch()
        finally:
            waited += time.perf_counter() - begin

    watched = [
        each
        if isinstance(each.data, bytes)
        else Item(each.name, partial(timed, each.data), each.subject_id, each.frame)
        for each in items
    ]
    start = time.perf_counter()
    answers = predictor.plane.answer(predictor.model, watched)
    times.add("predict", len(items), max(0.0, time.perf_counter() - start - waited))
    return answers


def _parquet(form: ParquetFormat, batches: Sequence[pa.RecordBatch]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="zooassist-") as folder:
        path = Path(folder) / "part.parquet"
        form.write(batches, path)
        return path.read_bytes()


def _drawn(
    rows: Sequence[ShardRow],
    predictor: Predictor,
    fetching: Fetching,
    reader: ShardReader,
    go_on: Callable[[], None],
) -> bytes:
    """Draw masks, which take too long and too much memory for more than one at a time."""
    with tempfile.TemporaryDirectory(prefix="zooassist-") as folder:
        out = Path(folder) / "part.parquet"
        if predictor.card.kind == "volume":
            _draw_volumes(rows, predictor, fetching, Path(folder), out, go_on)
        else:
            items: list[Item] = []
            for start in range(0, len(rows), predictor.unit):
                # Fetched some ahead: an item's bytes are asked for when it is drawn.
                items += _lazily(rows[start : start + predictor.unit], reader, go_on)
            predict_masks(predictor.plane, predictor.model, items, out, MaskFolders(), _silent)
        return out.read_bytes()


def _lazily(
    rows: Sequence[ShardRow], reader: ShardReader, go_on: Callable[[], None]
) -> Iterator[Item]:
    """Yield items whose unit is fetched when the first of them is needed."""
    fetched: list[Item] = []

    def bytes_of(number: int) -> bytes:
        go_on()
        if reader.trouble is not None:
            raise reader.trouble
        if not fetched:
            fetched.extend(reader.items(rows))
        data = fetched[number].data
        # Nothing is drawn twice: its bytes may go.
        fetched[number] = Item(rows[number].name, b"")
        return data if isinstance(data, bytes) else data()

    for number, row in enumerate(rows):
        yield Item(row.name, partial(bytes_of, number), row.subject_id, row.frame)


def _draw_volumes(
    rows: Sequence[ShardRow],
    predictor: Predictor,
    fetching: Fetching,
    folder: Path,
    out: Path,
    go_on: Callable[[], None],
) -> None:
    """Draw volumes one after the other; each is a file of this machine while it is drawn."""
    tables = []
    for number, row in enumerate(rows):
        go_on()
        place = Place.parse(row.place)
        path = folder / f"{number}" / place.name
        part = folder / f"{number}.parquet"
        path.parent.mkdir()
        error = row.error
        if error is None:
            try:
                seen = Seen(place, row.etag, row.version)
                fetching.store.download(seen, path, fetching.max_container)
            except BadInput as problem:
                error = str(problem)
        if error is not None:
            # A file that is none: the row has to exist, with its cause.
            path = folder / f"{number}" / "missing"
        predict_masks(predictor.plane, predictor.model, [path], part, MaskFolders(), _silent)
        tables.append(_renamed(pq.read_table(part), row.name, error))
        path.unlink(missing_ok=True)
    pq.write_table(pa.concat_tables(tables), out)


def _renamed(table: pa.Table, name: str, error: str | None) -> pa.Table:
    """Give the rows of a volume the name of its object instead of that of the copy."""
    schema = table.schema
    columns = table.to_pydict()
    columns["image"] = [name] * table.num_rows
    if error is not None:
        columns["error"] = [error] * table.num_rows
    return pa.Table.from_pydict(columns, schema=schema)


def _silent(line: str) -> None:
    """Rows keep their own causes; a worker prints none of them."""


def part_of(content: bytes, changed: int = 0) -> Predicted:
    """Read a part: how many rows, how many failed and why."""
    errors = pq.read_table(io.BytesIO(content), columns=["error"]).column("error").to_pylist()
    causes = Counter(cause_of(error) for error in errors if error is not None)
    found = dict(causes.most_common())
    return Predicted(content, len(errors), sum(causes.values()), found, changed)
