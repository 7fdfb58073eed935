from datetime import UTC, datetime

import pytest

from zooassist_exporters.classifications import ClassificationFile, read_classifications
from zooassist_exporters.problems import Problem
from zooassist_plugin.errors import BadInput
from zooassist_plugin.records import Annotation, Classification


def test_a_row_becomes_a_record(exports, row):
    path = exports.classifications(
        row(
            101,
            [
                {"task": "T0", "task_label": "Draw", "value": []},
                {"task": "T0.0.0", "taskType": "single", "value": 1, "markIndex": 3},
            ],
            gold_standard="true",
        )
    )
    assert list(read_classifications(path)) == [
        Classification(
            classification_id=101,
            workflow_id=5,
            workflow_version="2.1",
            subject_id=7,
            user_id=11,
            user_name="ada",
            created_at=datetime(2026, 6, 1, 11, 41, tzinfo=UTC),
            annotations=(
                Annotation("T0", [], None, None),
                Annotation("T0.0.0", 1, "single", 3),
            ),
            metadata={"live_project": True, "classifier_version": "2.0"},
            gold_standard=True,
        )
    ]


def test_subject_metadata_and_anonymous_user(exports, row, answer):
    path = exports.classifications(
        row(
            1,
            [answer("Yes")],
            user="not-logged-in-0123",
            subject_data={"7": {"retired": {"id": 1}, "#file": "g7.png"}, "8": {"a": 1}},
        ),
        row(2, [answer("Yes")], user="", user_ip="ffff", subject_data="NA", metadata="NA"),
    )
    with ClassificationFile(path) as file:
        first, second = file.rows()
    assert (first.user, first.user_id) == ("not-logged-in-0123", None)
    assert first.subject_metadata() == {"#file": "g7.png"}
    assert (second.user, second.subject_metadata(), second.metadata()) == ("ffff", {}, {})


BROKEN = {
    "bad classification_id": {"classification_id": "91178981.0"},
    "bad workflow_id": {"workflow_id": ""},
    "bad subject_ids": {"subject_ids": "NA"},
    "several subjects in one classification": {"subject_ids": "7;8"},
    "bad created_at": {"created_at": "1/6/2026 10:01"},
    "annotations are not JSON": {"annotations": '[{"task": "T0", "value": "Ye'},
    "NaN in annotations": {"annotations": '[{"task": "T0", "value": [{"x": NaN}]}]'},
    "annotations are not a list": {"annotations": '{"task": "T0"}'},
    "annotation without a task": {"annotations": '[{"value": "Yes"}]'},
}


@pytest.mark.parametrize("cause", BROKEN)
def test_a_broken_row_is_one_problem_and_the_rest_goes_on(exports, row, answer, cause):
    path = exports.classifications(
        row(1, [answer("Yes")]), row(2, [answer("Yes")], **BROKEN[cause]), row(3, [answer("No")])
    )
    first, problem, last = read_classifications(path)
    assert isinstance(problem, Problem)
    assert (problem.where, problem.cause) == ("row 3", cause)
    assert "expected" in problem.detail
    assert "got" in problem.detail
    assert [first.classification_id, last.classification_id] == [1, 3]


def test_text_of_a_problem(exports, row):
    path = exports.classifications(row(1, [], annotations="[{" * 50))
    [problem] = read_classifications(path)
    text = str(problem)
    assert text.startswith(
        f"row 2: annotations are not JSON: expected a JSON list, got '{'[{' * 30}...' ("
    )
    assert text.endswith("; the row was left out; correct it, or download the file again")


@pytest.mark.parametrize(
    "column",
    [
        "classification_id",
        "user_name",
        "workflow_id",
        "workflow_version",
        "created_at",
        "annotations",
        "subject_ids",
    ],
)
def test_a_missing_column_is_named(exports, row, answer, column):
    columns = [each for each in row(1, []) if each != column]
    path = exports.classifications(row(1, [answer("Yes")]), columns=columns)
    with pytest.raises(BadInput) as caught:
        ClassificationFile(path)
    assert str(caught.value) == (
        f"classifications.csv: column '{column}' missing from the classification export; "
        f"found: {', '.join(columns)}; give the classification export as it was downloaded"
    )


def test_column_order_does_not_matter(exports, row, answer):
    made = row(1, [answer("Yes")])
    path = exports.classifications(made, columns=sorted(made))
    [record] = read_classifications(path)
    assert record.subject_id == 7


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("galaxyzoo-decals-panoptes_classifications.csv.gz", 9),
        ("superluminous-supernovae-classifications.csv.gz", 7),
        ("many-tools-classifications-2022.csv.gz", 13),
        ("kenya-sample.csv.gz", 2000),
        ("cat-project-classifications.csv.gz", 153),
        ("ap-aas229-test-classifications.csv.gz", 63),
    ],
)
def test_real_exports_are_read_whole(real_export, real_rows, name, rows):
    records = list(read_classifications(real_export(name)))
    assert len(records) == rows
    expected = real_rows(name)
    assert [record.classification_id for record in records] == [
        int(each["classification_id"]) for each in expected
    ]
    assert sum(record.gold_standard for record in records) == sum(
        each["gold_standard"] == "true" for each in expected
    )
