"""The long table: what goes to disk comes back whole, and rows read both ways are the same."""

import importlib.util
import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from zooassist_exporters import row_chunks as row_chunks_module
from zooassist_exporters.classifications import ClassificationFile, read_classifications
from zooassist_exporters.extracts import answers_of
from zooassist_exporters.long_table import spill
from zooassist_exporters.long_table.layout import LONG, SUBJECTS
from zooassist_exporters.long_table.reading import read_long_table
from zooassist_exporters.long_table.subject_texts import SubjectTexts, first_texts
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.row_chunks import RowShape, row_chunks
from zooassist_exporters.rules import Rules

SOURCE = Path(__file__).parents[2] / "benchmarks" / "scaled_exports.py"


@pytest.mark.parametrize("part_bytes", [1, 500, 10**6])
@pytest.mark.parametrize("run_bytes", [1, 1_000, 10**6])
def test_parts_hold_all_rows_of_their_subjects_in_order(monkeypatch, run_bytes, part_bytes):
    draw = np.random.default_rng(0)
    schema = pa.schema([("subject_id", pa.int64()), ("number", pa.int64())])
    batches = [
        pa.record_batch([draw.integers(0, 90, size), np.arange(size) + 1000 * i], schema=schema)
        for i, size in enumerate([0, 50, 1, 400, 0, 30])
    ]
    monkeypatch.setattr(spill, "PART_BYTES", part_bytes)
    with spill.Spill(schema, "subject_id", run_bytes) as kept:
        for batch in batches:
            kept.add(batch)
        parts = list(kept.parts())
        again = list(kept.parts())
        path = kept._path
    assert (path is None) == (run_bytes == 10**6)
    assert path is None or not path.parent.exists()
    assert len(parts) > 1 or path is None or part_bytes == 10**6
    whole = pa.Table.from_batches(batches)
    for earlier, later in pairwise(parts):
        assert max(earlier["subject_id"].to_pylist()) < min(later["subject_id"].to_pylist())
    for subject in range(90):
        expected = whole.filter(pc.equal(whole["subject_id"], subject))["number"].to_pylist()
        found = pa.concat_tables(parts)
        found = found.filter(pc.equal(found["subject_id"], subject))["number"].to_pylist()
        assert found == expected
    assert pa.concat_tables(parts).num_rows == whole.num_rows
    assert [part.to_pylist() for part in again] == [part.to_pylist() for part in parts]


def test_parts_are_of_bounded_size_whatever_the_order_of_keys():
    draw = np.random.default_rng(1)
    schema = pa.schema([("subject_id", pa.int64())])
    with spill.Spill(schema, "subject_id", 8_000) as kept:
        for _ in range(100):
            kept.add(pa.record_batch([draw.permutation(1000)], schema=schema))
        ranges = spill.key_ranges([kept], 40_000)
        sizes = [kept.between(keys).nbytes for keys in ranges]
    assert sum(sizes) == 800_000
    assert max(sizes) < 60_000


def test_what_is_held_is_cut_by_ranges_of_others():
    schema = pa.schema([("subject_id", pa.int64()), ("number", pa.int64())])
    with spill.Spill(schema, "subject_id", 10**6) as held:
        for number in range(5):
            ids = pa.array([9, 2, 5, 2])
            held.add(pa.record_batch([ids, pa.array([number] * 4)], schema=schema))
        cut = held.between(spill.KeyRange(2, 5)), held.between(spill.KeyRange(9, None))
        assert held.between(spill.KeyRange(3, 5)).num_rows == 0
    assert cut[0].to_pydict() == {
        "subject_id": [2] * 10,
        "number": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4],
    }
    assert cut[1].to_pydict() == {"subject_id": [9] * 5, "number": [0, 1, 2, 3, 4]}


def test_one_key_with_everything_is_one_part():
    schema = pa.schema([("subject_id", pa.int64())])
    with spill.Spill(schema, "subject_id", 80) as kept:
        for _ in range(20):
            kept.add(pa.record_batch([np.full(10, 7)], schema=schema))
        assert len(spill.key_ranges([kept], 100)) == 1
        [part] = kept.parts()
    assert part["subject_id"].to_pylist() == [7] * 200


@pytest.mark.parametrize("places", [1, 4, 1 << 10])
@pytest.mark.parametrize("run_bytes", [200, 10**6])
def test_the_first_text_of_each_subject_is_found(monkeypatch, places, run_bytes):
    monkeypatch.setattr(spill, "RUN_BYTES", run_bytes)
    draw = np.random.default_rng(2)
    expected, seen = {}, 0
    with SubjectTexts(places) as texts:
        for number in range(50):
            ids = np.unique(draw.integers(0, 60, 20))
            told = [f"{each} of {number}" for each in ids]
            texts.add(pa.record_batch([pa.array(ids), pa.array(told)], schema=SUBJECTS))
            seen += len(ids)
            for key, text in zip(ids.tolist(), told, strict=True):
                expected.setdefault(key, text)
        kept = pa.concat_tables(texts.spill.parts())
    wanted = np.array(sorted(expected))[::2]
    assert first_texts(kept, wanted) == {key: expected[key] for key in wanted.tolist()}
    assert kept.num_rows < seen if places > 1 else kept.num_rows <= seen
    assert kept.num_rows == len(expected) or places < 1 << 10


REAL = [
    "kenya-sample.csv.gz",
    "galaxyzoo-decals-panoptes_classifications.csv.gz",
    "superluminous-supernovae-classifications.csv.gz",
    "many-tools-classifications-2022.csv.gz",
    "cat-project-classifications.csv.gz",
    "ap-aas229-test-classifications.csv.gz",
]


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("workers", [1, 3])
def test_long_table_equals_reading_row_by_row(real_export, monkeypatch, name, workers):
    monkeypatch.setattr(spill, "RUN_BYTES", 2_000)
    monkeypatch.setattr(spill, "PART_BYTES", 1_000)
    path = real_export(name)
    rows = {}
    with ClassificationFile(path) as file:
        for row in file.rows():
            if row.gold_standard or row.workflow_id == 3461:  # the small one of two in a file
                continue
            found = {}
            for item in answers_of(row.annotations, {}):
                earlier = found.get((item.task, item.text))
                if earlier is None or (item.mark_index or 0) < (earlier.mark_index or 0):
                    found[item.task, item.text] = item
            rows[row.classification_id] = (
                row.subject_id,
                int(row.created_at.timestamp() * 1_000_000),
                sorted(
                    (item.task, str(value))
                    for item in found.values()
                    for value in item.values or (None,)
                ),
            )
    rules = Rules(workflow_id=2030 if name.startswith("kenya") else None)
    table, _ = read_long_table(path, rules, None, ProblemList(), workers=workers, chunk_size=20_000)
    with table:
        read = {}
        for records in map(table.records, table.parts()):
            answers = [[] for _ in records.classification_ids]
            for place, answer in zip(
                records.classifications.tolist(), records.answers.tolist(), strict=True
            ):
                key = table.keys[answer]
                answers[place].append((key.task, str(key.value)))
            for place, number in enumerate(records.classification_ids.tolist()):
                read[number] = (
                    int(records.subject_ids[place]),
                    int(records.created[place]),
                    sorted(answers[place]),
                )
    assert read == rows
    assert table.classifications == len(rows)


def test_long_rows_have_the_documented_columns():
    assert LONG.names == [
        "row",
        "classification_id",
        "subject_id",
        "user",
        "created_at",
        "answer",
    ]


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_pieces_are_cut_at_rows_and_together_are_the_file(size):
    rows = [f'{i},"name\n{i}","a ""b"" {"x" * (i % 50)}"\n'.encode() for i in range(200)]
    rows[50] = b'50,"left open\n'

    pieces = list(row_chunks(io.BytesIO(b"".join(rows)), RowShape(3, 0), size))
    assert b"".join(pieces) == b"".join(rows)
    starts = {0}
    for row in rows:
        starts.add(max(starts) + len(row))
    ends = np.cumsum([len(piece) for piece in pieces]).tolist()
    assert set(ends) <= starts
    assert len(pieces) > 1 or size == 10_000


@pytest.mark.parametrize("tail", [1, 30, 300, 5_000])
def test_the_end_of_rows_is_the_same_wherever_it_is_looked_for_first(monkeypatch, tail):
    monkeypatch.setattr(row_chunks_module, "TAIL", tail)
    shape = RowShape(3, 0)
    rows = [f'{i},"{"n" * (i % 40)}\n{i}","{"9,a,b" * (i % 7)}\n"\n'.encode() for i in range(60)]
    data = b"".join(rows)
    for cut in range(0, len(data), 11):
        assert shape.end_of_rows(memoryview(data[:cut])) == shape.last_end(data[:cut])


def test_scaled_export_is_an_export(tmp_path, real_export):
    spec = importlib.util.spec_from_file_location("scaled_exports", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    source = real_export("galaxyzoo-decals-panoptes_classifications.csv.gz")
    path = tmp_path / "scaled.csv"
    assert module.ScaledExport(source, 10).write(path, 200) == path.stat().st_size
    records = list(read_classifications(path))
    assert len({record.classification_id for record in records}) == 200
    assert len({record.subject_id for record in records}) == 20
    assert any(record.user_id is None for record in records)
    assert {record.workflow_id for record in records} == {6122}
