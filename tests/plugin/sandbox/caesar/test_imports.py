"""Bulk import of machine extracts, from the CSV to what the classifier reads."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest

from zooassist_plugin.sandbox.caesar.imports import parse_cell, read_rows
from zooassist_plugin.sandbox.caesar.tables import CaesarSubject, Extract, SubjectReduction
from zooassist_plugin.sandbox.jobs import Job


def table(*rows, columns=("extractor_key", "subject_id", "data")):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def row(subject_id, data, key="machineLearnt"):
    return key, subject_id, data if isinstance(data, str) else json.dumps(data)


@pytest.fixture
def proposing(lab):
    """A public workflow whose `machineLearnt` reducer takes the first extract of that key."""
    workflow_id = lab.add_workflow(public_reductions=True)
    lab.make(
        workflow_id,
        "reducer",
        type="first_extract",
        key="machineLearnt",
        filters={"extractor_keys": ["machineLearnt"]},
    )
    return workflow_id


def bring_in(lab, service, workflow_id, content):
    service.answers = [(200, content)]
    answer = lab.post(f"/workflows/{workflow_id}/extracts/import", {"file": service.url + "/m.csv"})
    assert (answer.status_code, answer.data) == (204, b"")
    lab.drain()


MARKS = {"data": [{"toolIndex": 0, "frame": 0, "x": 10.5, "y": 20.25}], "proposal_id": "run7"}


def test_an_import_reaches_the_classifier(lab, service, proposing):
    content = table(row(5678, MARKS), row(5679, {"data": [], "max_conf": 0.0}))
    bring_in(lab, service, proposing, content)
    for subject_id, data in ((5678, MARKS), (5679, {"data": [], "max_conf": 0.0})):
        answer = lab.query(proposing, subject_id)
        assert answer.get_json() == {"data": {"workflow": {"subject_reductions": [{"data": data}]}}}
    assert [subject.id for subject in lab.rows(CaesarSubject)] == [5678, 5679]
    (extract, _) = lab.rows(Extract)
    assert (extract.machine_data, extract.classification_id) == (True, None)
    assert "Authorization" not in service.requests[0]["headers"]


def test_a_second_import_replaces_data_and_keeps_the_time(lab, service, proposing):
    bring_in(lab, service, proposing, table(row(5678, MARKS)))
    (before,) = lab.rows(Extract)
    lab.later(3600)
    bring_in(lab, service, proposing, table(row(5678, {"data": [], "proposal_id": "run8"})))
    (after,) = lab.rows(Extract)
    assert after.id == before.id
    assert after.data == {"data": [], "proposal_id": "run8"}
    assert after.classification_at == before.classification_at
    assert after.updated_at > before.updated_at
    # In default mode the reduction follows.
    assert lab.reductions() == {(5678, "machineLearnt"): after.data}


def test_the_same_import_again_writes_no_reduction(lab, service, proposing):
    bring_in(lab, service, proposing, table(row(5678, MARKS)))
    lab.later(3600)
    bring_in(lab, service, proposing, table(row(5678, MARKS)))
    (reduction,) = lab.rows(SubjectReduction)
    assert reduction.lock_version == 0


def test_rows_without_subject_or_key_are_skipped(lab, service, proposing):
    content = table(
        row("", MARKS), row(5678, MARKS, key=""), row("abc", MARKS), row(0, MARKS), row(7, MARKS)
    )
    bring_in(lab, service, proposing, content)
    assert list(lab.extracts()) == [(7, "machineLearnt")]


def test_later_rows_of_the_same_subject_win(lab, service, proposing):
    bring_in(lab, service, proposing, table(row(7, MARKS), row(7, {"data": []})))
    assert lab.extracts() == {(7, "machineLearnt"): {"data": []}}


def test_nan_makes_the_cell_a_plain_string(lab, service, proposing):
    cell = '{"data": [{"x": NaN, "y": 1}]}'
    bring_in(lab, service, proposing, table(row(7, cell)))
    assert lab.query(proposing, 7).get_json()["data"]["workflow"]["subject_reductions"] == [
        {"data": cell}
    ]


def test_an_empty_object_leaves_no_reduction_and_an_old_one_stays(lab, service, proposing):
    bring_in(lab, service, proposing, table(row(7, {})))
    assert lab.reductions() == {}
    bring_in(lab, service, proposing, table(row(7, MARKS)))
    bring_in(lab, service, proposing, table(row(7, {})))
    assert lab.reductions() == {(7, "machineLearnt"): MARKS}


def test_workflow_versions_make_separate_extracts(lab, service, proposing):
    columns = ("extractor_key", "subject_id", "data", "workflow_version")
    content = table(
        (*row(7, {"data": [1]}), "1.1"), (*row(7, {"data": [2]}), "1.2"), columns=columns
    )
    bring_in(lab, service, proposing, content)
    versions = [(one.workflow_version, one.data) for one in lab.rows(Extract)]
    assert versions == [("1.1", {"data": [1]}), ("1.2", {"data": [2]})]


def test_other_keys_are_stored_and_not_proposed(lab, service, proposing):
    bring_in(lab, service, proposing, table(row(7, {"seed": True}, key="seed")))
    assert lab.extracts() == {(7, "seed"): {"seed": True}}
    assert lab.reductions() == {}
    path = f"/workflows/{proposing}/subject_reductions/machineLearnt"
    assert lab.put(path, {"reduction": {"subject_id": 7, "data": MARKS}}).status_code == 200


def test_an_import_reruns_the_reducers_for_every_subject(lab, service, proposing):
    bring_in(lab, service, proposing, table(row(7, MARKS)))
    lab.make(proposing, "reducer", type="count", key="n")
    bring_in(lab, service, proposing, table(row(8, MARKS)))
    assert {key for key in lab.reductions() if key[1] == "n"} == {(7, "n"), (8, "n")}


@pytest.mark.parametrize("body", [{}, {"file": ""}, {"file": None}, {"url": "x"}])
def test_a_missing_file_is_404(lab, proposing, body):
    answer = lab.post(f"/workflows/{proposing}/extracts/import", body)
    assert answer.status_code == 404
    assert answer.get_json() == {"error": "CSV must be included"}


def test_only_editors_may_import(lab, proposing):
    body = {"file": "http://127.0.0.1:9/m.csv"}
    path = f"/workflows/{proposing}/extracts/import"
    assert lab.post(path, body, token=None).status_code == 401
    assert lab.post(path, body, token=lab.token_of("stranger")).status_code == 404
    assert lab.rows(Job) == []


def test_an_unreachable_file_is_tried_three_times_in_silence(lab, service, proposing):
    service.answers = [(404, b"")]
    answer = lab.post(f"/workflows/{proposing}/extracts/import", {"file": service.url})
    assert answer.status_code == 204
    lab.drain()
    (dead,) = lab.dead_jobs()
    assert (dead.attempts, "404" in dead.error) == (3, True)
    assert lab.extracts() == {}


def test_an_import_that_died_half_way_is_completed_by_its_next_try(lab, service, proposing):
    content = table(*(row(number, MARKS) for number in range(1, 1201)))
    # The connection ends in the middle of the file, then works.
    service.answers = [(200, content[: len(content) // 2] + b'"\xff'), (200, content)]
    lab.post(f"/workflows/{proposing}/extracts/import", {"file": service.url})
    lab.drain()
    assert len(service.requests) == 2
    assert [one.subject_id for one in lab.rows(Extract)] == list(range(1, 1201))
    assert len(lab.reductions()) == 1200


def test_twenty_thousand_rows_take_seconds(lab, service, proposing):
    content = table(*(row(number, MARKS) for number in range(1, 20_001)))
    started = time.perf_counter()
    bring_in(lab, service, proposing, content)
    assert time.perf_counter() - started < 60  # about 5 s on two idle cores
    assert len(lab.rows(SubjectReduction)) == 20_000


def test_cells_longer_than_the_csv_modules_limit_are_read():
    path = [1.25] * 60_000
    (read,) = read_rows(
        io.StringIO(table(row(7, {"data": [{"pathX": path}]})).decode(), newline="")
    )
    assert len(read.data["data"][0]["pathX"]) == 60_000


def test_line_breaks_inside_a_cell_belong_to_it():
    (read,) = read_rows(io.StringIO(table(row(7, '{"a":\n1}')).decode(), newline=""))
    assert read.data == {"a": 1}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1]", [1]),
        ('"text"', "text"),
        ("NaN", "NaN"),
        ('{"a": Infinity}', '{"a": Infinity}'),
        ("{'a': 1}", "{'a': 1}"),
        ("", ""),
        ("[" * 100 + "]" * 100, json.loads("[" * 100 + "]" * 100)),
        ("[" * 101 + "]" * 101, "[" * 101 + "]" * 101),
        ("[" * 5000 + "]" * 5000, "[" * 5000 + "]" * 5000),
        ('"\\ud800"', '"\\ud800"'),
    ],
)
def test_parse_cell(cell, value):
    assert parse_cell(cell) == value
