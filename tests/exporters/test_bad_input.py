"""Every way in which an export can be broken is counted by its name, and the rest is right."""

import gzip
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from zooassist_exporters.long_table import block, reading
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.rules import Rules
from zooassist_exporters.training_set import read_training_set
from zooassist_exporters.votes_export import VotesInput, export_votes
from zooassist_plugin.errors import BadInput

SOURCE = Path(__file__).parents[2] / "benchmarks" / "synthetic_exports.py"
ROWS = 12 * 12 * 100


@pytest.fixture(scope="module")
def synthetic():
    spec = importlib.util.spec_from_file_location("synthetic_exports", SOURCE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["synthetic_exports"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["synthetic_exports"]


def run(tmp_path, file, **rules):
    out = tmp_path / "out"
    report = export_votes(VotesInput(file), out, Rules(**rules), overwrite=True)
    rejects = pq.read_table(out / "rejects.parquet").to_pylist()
    return read_training_set(out), report, rejects


@pytest.mark.parametrize("size", [1 << 15, 1 << 24], ids=["many pieces", "one piece"])
def test_every_twelfth_row_broken_in_one_of_twelve_ways(tmp_path, monkeypatch, synthetic, size):
    path = tmp_path / "classifications.csv"
    expected = synthetic.write_broken_export(path, ROWS)
    monkeypatch.setattr("zooassist_exporters.votes_export.CHUNK", size)
    found, report, rejects = run(tmp_path, path)
    assert report.problems.counts == expected.causes
    assert set(expected.causes.values()) == {100}
    assert {each["row"]: each["cause"] for each in rejects} == expected.rows
    assert [each.name for each in found.schema.questions] == ["what-is-it"]
    columns = [f"what-is-it_{answer.lower()}" for answer in synthetic.ANSWERS]
    votes = dict(
        zip(
            found.subjects["subject_id"].to_pylist(),
            np.stack([found.votes[column].to_numpy() for column in columns], axis=1).tolist(),
            strict=True,
        )
    )
    assert votes == expected.votes


def test_rejects_name_the_classification_where_it_is_known(tmp_path, synthetic):
    path = tmp_path / "classifications.csv"
    expected = synthetic.write_broken_export(path, 144)
    _, _, rejects = run(tmp_path, path)
    unknown = {each["cause"] for each in rejects if each["classification_id"] is None}
    assert unknown == {"bad classification_id"}
    for each in rejects:
        if each["classification_id"] is not None:
            back = 1 if each["cause"] == "classification_id was there before" else 0
            assert each["classification_id"] == synthetic.FIRST_ID + each["row"] - 2 - back
    assert len(rejects) == len(expected.rows)


@pytest.mark.parametrize("keep", [0.4, 0.6])
def test_a_truncated_file_keeps_what_came(tmp_path, exports, row, answer, keep):
    rows = [row(i, [answer("Yes")], user=f"u{i}", minute=0) for i in range(1, 1001)]
    whole = exports.classifications(*rows).read_bytes()
    cut = tmp_path / "cut.csv"
    cut.write_bytes(whole[: int(len(whole) * keep)])
    plain, report, rejects = run(tmp_path, cut)
    lines = cut.read_bytes().count(b"\n")
    assert plain.counts.tolist() == [[lines - 1]]
    assert [(each["row"], each["cause"]) for each in rejects] == [
        (lines + 1, "wrong number of columns")
    ]
    packed = gzip.compress(whole, mtime=0)
    cut.write_bytes(packed[: int(len(packed) * keep)])
    found, report, rejects = run(tmp_path, cut)
    assert report.problems.counts == {"file cut off": 1}
    assert rejects[-1]["row"] == found.counts[0, 0] + 2


def test_line_ends_marks_and_encodings(tmp_path, exports, row, answer):
    label = "Étoile 🌌 עברית"
    path = exports.classifications(
        row(1, [answer(label)]), row(2, [answer(label)], user="bob"), row(3, [answer(label)])
    )
    text = path.read_text(encoding="utf-8")
    wanted = run(tmp_path, path)[0]
    assert wanted.schema.questions[0].answers[0].label == label
    for data in (
        b"\xef\xbb\xbf" + text.encode(),
        text.replace("\n", "\r\n").encode(),
        text.encode("utf-16"),
        text.replace("\n", "\n\n").encode(),
    ):
        path.write_bytes(data)
        found, report, _ = run(tmp_path, path)
        assert (found.schema, found.counts.tolist()) == (wanted.schema, [[2]])
        assert len(report.problems) == 0
    ascii_label = text.replace("\\u", "\\\\u")  # json.dumps escaped it: now it is plain text
    path.write_bytes(ascii_label.replace("ada", "zoé").encode("cp1252"))
    assert run(tmp_path, path)[0].counts.tolist() == [[2]]


def test_newlines_within_cells(tmp_path, exports, row, answer):
    pretty = '[\n  {\n    "task": "T0",\n    "task_label": "Is it?",\n    "value": "Yes"\n  }\n]'
    rows = [row(i, pretty, user=f"u\n{i}") for i in range(1, 500)]
    path = exports.classifications(*rows)
    with reading.read_long_table(path, Rules(), None, ProblemList(), chunk_size=5_000)[0] as table:
        votes = sum(len(records.answers) for records in map(table.records, table.parts()))
    assert votes == 499
    assert len(run(tmp_path, path)[1].problems) == 0


def test_a_cell_of_a_hundred_megabytes(tmp_path, exports, row, answer):
    path = exports.classifications(row(1, [answer("Yes")]), row(2, [answer("Yes")], user="bob"))
    head, first, second = path.read_bytes().splitlines(keepends=True)
    marks = b'"[{""task"":""T1"",""value"":""' + b"x" * 100_000_000 + b'""}]"'
    start, end = first.index(b'"[{'), first.index(b']"') + 2
    huge = first[:start].replace(b"1,ada", b"3,cyd") + marks + first[end:]
    path.write_bytes(head + first + huge + second)
    found, _, rejects = run(tmp_path, path)
    assert found.counts.tolist() == [[2]]
    assert [(each["row"], each["classification_id"], each["cause"]) for each in rejects] == [
        (3, 3, "cell too large")
    ]


def test_one_cell_without_an_end_is_refused(tmp_path, exports, row, answer, monkeypatch):
    monkeypatch.setattr("zooassist_exporters.row_chunks.MOST_ROW", 1 << 20)
    path = exports.classifications(row(1, [answer("Yes")]))
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0] + b'1,"' + b"x" * 3_000_000)
    with pytest.raises(BadInput, match="expected the end of a row within 1 MiB, found none"):
        reading.read_long_table(path, Rules(), None, ProblemList(), chunk_size=1 << 18)


def test_problems_of_a_file_without_votes_are_in_the_message(tmp_path, exports, row):
    path = exports.classifications(row(1, "[{"), row(2, "[{"))
    with pytest.raises(BadInput, match="left out: 2 x annotations are not JSON"):
        run(tmp_path, path)


def test_answers_that_do_not_fit_are_rejects_of_their_task(tmp_path, exports, row, answer, version):
    tasks = {
        "T0": {"type": "single", "question": "Ring?", "answers": [{"label": "Yes"}]},
        "T1": {"type": "drawing", "instruction": "Draw", "tools": []},
    }
    path = exports.classifications(
        row(1, [answer("Yes", label="Ring?"), answer("no marks", "T1", "Draw")]),
        row(2, [answer({"x": 1}, label="Ring?")], user="bob"),
    )
    out = tmp_path / "out"
    given = VotesInput(path, exports.workflows(version(tasks, {})))
    report = export_votes(given, out, Rules())
    rejects = pq.read_table(out / "rejects.parquet").to_pylist()
    assert [(each["row"], each["task"], each["cause"]) for each in rejects] == [
        (2, "T1", block.UNEXPECTED),
        (3, "T0", block.UNEXPECTED),
    ]
    assert report.votes == 1


def test_two_spellings_and_two_types_of_value(tmp_path, exports, row, answer):
    path = exports.classifications(
        row(1, [answer("Yes ")], user="ada"),
        row(2, [answer("<b>yes</b>")], user="bob"),
        row(3, [answer(["Yes"])], user="cyd"),
        row(4, [answer([])], user="dan"),
        row(5, [answer(None)], user="eve"),
    )
    found, _, _ = run(tmp_path, path)
    assert found.schema.columns == ("is-there-a-ring_yes",)
    assert (found.counts.tolist(), found.totals.tolist()) == ([[3]], [[4]])


def test_ids_that_no_integer_holds(tmp_path, exports, row, answer):
    path = exports.classifications(
        row(1, [answer("Yes")], subject=9, classification_id="9" * 30),
        row(2, [answer("Yes")], classification_id="9" * 30, user_name="\0"),
        row(3, [answer("Yes")], subject_ids="9" * 30),
        row(4, '[{"task": "T0", "value": "half of \\ud83d a character"}]'),
        row(5, [answer("Yes")]),
    )
    path.write_text(path.read_text() + "9" * 30 + ",cut off\n")
    _, report, rejects = run(tmp_path, path)
    assert [(each["row"], each["classification_id"]) for each in rejects] == [
        (2, None),
        (3, None),
        (4, 3),
        (5, 4),
        (7, None),
    ]
    assert report.problems.counts == {
        "bad classification_id": 1,
        "NUL bytes": 1,
        "bad subject_ids": 1,
        "annotations are not JSON": 1,
        "wrong number of columns": 1,
    }
