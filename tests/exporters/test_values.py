import doctest
import json

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from zooassist_exporters import values_export
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.rules import Rules
from zooassist_exporters.values_command import values
from zooassist_exporters.values_export import export_values
from zooassist_plugin.errors import BadInput


def test_entries_of_both_classifiers(tmp_path, exports, row, answer, version):
    tasks = {"T4": {"type": "slider", "instruction": "How bright?"}}
    collection = {"type": "FeatureCollection", "features": []}
    file = exports.classifications(
        row(
            1,
            [
                answer("Yes"),
                {"task": "T3", "value": "a ring", "task_label": "Comment"},
                {"task": "T4", "value": "57"},
                {"task": "T9", "value": [{"task": "T4", "value": 3}]},
            ],
            metadata={"feedback": {"T0": [{"id": "7", "success": True}]}},
        ),
        row(2, [{"task": "T5", "taskType": "geoDrawing", "value": collection}], user="bob"),
        row(3, [{"task": "T4", "value": "bright"}], user="cyd"),
        row(4, [{"task": "T4", "value": 1}], gold_standard="true"),
        row(5, "[{"),
        row(6, [{"task": "T4", "value": 1}], classification_id="x"),
    )
    problems = ProblemList()
    out = tmp_path / "values.parquet"
    workflows = exports.workflows(version(tasks, {}, first_task="T4"))
    report = export_values(file, out, Rules(), workflows=workflows, problems=problems)
    found = pq.read_table(out).to_pylist()
    assert [
        (each["classification_id"], each["task"], each["kind"], each["number"], each["text"])
        for each in found
    ] == [
        (1, "T3", "text", None, "a ring"),
        (1, "T4", "slider", 57.0, None),
        (1, "T4", "slider", 3.0, None),
        (1, "T0", "feedback", 1.0, None),
        (2, "T5", "geoDrawing", None, None),
    ]
    assert json.loads(found[4]["data"]) == collection
    assert len({each["user"] for each in found}) == 2
    assert report.dropped == {"gold standard": 1}
    assert problems.counts == {
        "value does not fit the task": 1,
        "annotations are not JSON": 1,
        "bad classification_id": 1,
    }
    assert list(tmp_path.glob(".*")) == []
    with pytest.raises(BadInput, match="exists; choose another --out"):
        export_values(file, out, Rules(), problems=problems)


def test_texts_of_a_real_export(tmp_path, real_export, real_rows):
    name = "many-tools-classifications-2022.csv.gz"
    out = tmp_path / "values.parquet"
    export_values(real_export(name), out, Rules(), problems=ProblemList())
    texts = [
        annotation["value"]
        for each in real_rows(name)
        for annotation in json.loads(each["annotations"])
        if list(annotation) == ["task", "value", "task_label"]
    ]
    assert pq.read_table(out)["text"].to_pylist() == [text for text in texts if text]
    assert len(texts) > 0


def test_command(tmp_path, exports, row):
    file = exports.classifications(row(1, [{"task": "T1", "taskType": "slider", "value": 4}]))
    out = tmp_path / "values.parquet"
    done = CliRunner().invoke(values, [str(file), "--out", str(out)])
    assert (done.exit_code, done.output) == (0, f"{out}: 1 entries (1 slider)\n")


def test_example():
    assert doctest.testmod(values_export).failed == 0
