"""Everything of one workflow as a CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from zooassist_plugin.sandbox.caesar.tables import CaesarSubject, Extract


def order(lab, workflow_id, what, **more):
    part = {"requested_data": what, **more}
    answer = lab.post(f"/workflows/{workflow_id}/data_requests", {"data_request": part})
    assert answer.status_code == 201, answer.data
    return answer.get_json()


def fetch(lab, workflow_id, request_id):
    """Poll once more, then read the file without credentials."""
    row = lab.get(f"/workflows/{workflow_id}/data_requests/{request_id}").get_json()
    assert row["status"] == "complete"
    assert row["url"].startswith("http://sandbox.test/")
    answer = lab.get(urlsplit(row["url"]).path, token=None)
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.get_data(as_text=True))))
    answer.close()
    return row, rows


@pytest.fixture
def classified(lab):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="question", key="q")
    lab.make(workflow_id, "extractor", type="blank", key="b")
    lab.make(workflow_id, "reducer", type="stats", key="votes", filters={"extractor_keys": ["q"]})
    (subject_id,) = lab.add_subjects(workflow_id)
    for value in (0, [0, 1]):
        lab.classify(workflow_id, subject_id, [{"task": "T0", "value": value}], user_id=7)
    return workflow_id, subject_id


def test_extracts(lab, classified):
    workflow_id, subject_id = classified
    row = order(lab, workflow_id, "extracts")
    assert (row["status"], row.get("url"), "secret" in row) == ("pending", None, False)
    lab.drain()
    done, rows = fetch(lab, workflow_id, row["id"])
    assert done["records_count"] == len(rows) == 4
    assert {"data.0", "data.1", "data.blank"} <= set(rows[0])
    questions = [one for one in rows if one["extractor_key"] == "q"]
    assert [(one["data.0"], one["data.1"]) for one in questions] == [("1", ""), ("1", "1")]
    assert {one["data.blank"] for one in rows} == {"", "false"}
    assert {one["subject_id"] for one in rows} == {str(subject_id)}


def test_subject_reductions_by_subgroup(lab, classified):
    workflow_id, subject_id = classified
    path = f"/workflows/{workflow_id}/subject_reductions/votes"
    data = {"marks": [1, 2]}
    part = {"subject_id": subject_id, "subgroup": "hand", "data": data}
    lab.put(path, {"reduction": part})
    everything = order(lab, workflow_id, "subject_reductions")
    some = order(lab, workflow_id, "subject_reductions", subgroup="hand")
    lab.drain()
    assert len(fetch(lab, workflow_id, everything["id"])[1]) == 2
    (row,) = fetch(lab, workflow_id, some["id"])[1]
    assert (row["subgroup"], row["data.marks"], row["lock_version"]) == ("hand", "[1,2]", "0")


def test_user_reductions_of_nobody_are_a_header(lab, classified):
    workflow_id, _ = classified
    row = order(lab, workflow_id, "user_reductions")
    lab.drain()
    done, rows = fetch(lab, workflow_id, row["id"])
    assert (done["records_count"], rows) == (0, [])


def test_unknown_words_and_strangers_are_refused(lab, classified):
    workflow_id, _ = classified
    path = f"/workflows/{workflow_id}/data_requests"
    answer = lab.post(path, {"data_request": {"requested_data": "everything"}})
    assert answer.status_code == 422
    body = {"data_request": {"requested_data": "extracts"}}
    assert lab.post(path, body, token=None).status_code == 401
    assert lab.post(path, body, token=lab.token_of("stranger")).status_code == 404


def test_files_need_their_secret_and_must_be_finished(lab, classified):
    workflow_id, _ = classified
    row = order(lab, workflow_id, "extracts")
    assert lab.get(f"/caesar_files/{row['id']}/guess.csv", token=None).status_code == 404
    lab.drain()
    assert lab.get(f"/caesar_files/{row['id']}/guess.csv", token=None).status_code == 404
    assert lab.get(f"/workflows/{workflow_id}/data_requests").get_json()[0]["id"] == row["id"]


def test_nothing_half_written_is_left(fresh_lab):
    lab = fresh_lab
    workflow_id = lab.add_workflow()
    order(lab, workflow_id, "extracts")
    lab.drain()
    files = list(Path(lab.sandbox.config.state, "caesar").iterdir())
    assert [one.suffix for one in files] == [".csv"]


def test_a_disk_that_refuses_makes_the_request_fail(fresh_lab):
    lab = fresh_lab
    workflow_id = lab.add_workflow()
    blocker = Path(lab.sandbox.config.state, "caesar")
    blocker.write_text("a file where the folder should be")
    row = order(lab, workflow_id, "extracts")
    lab.drain()
    path = f"/workflows/{workflow_id}/data_requests/{row['id']}"
    failed = lab.get(path).get_json()
    assert (failed["status"], failed["url"]) == ("failed", None)


def test_plain_string_data_is_a_row_without_data_columns(lab, service):
    workflow_id = lab.add_workflow()
    lab.add(CaesarSubject(id=7, metadata_={}))
    service.answers = [(200, b"extractor_key,subject_id,data\nm,7,NaN\n")]
    lab.post(f"/workflows/{workflow_id}/extracts/import", {"file": service.url})
    row = order(lab, workflow_id, "extracts")
    lab.drain()
    _, (only,) = fetch(lab, workflow_id, row["id"])
    assert not [name for name in only if name.startswith("data.")]


def test_bad_rows_of_an_older_state_do_not_end_the_file(fresh_lab):
    """On SQLite: PostgreSQL would not have stored them."""
    workflow_id = fresh_lab.add_workflow()
    (subject_id,) = fresh_lab.add_subjects(workflow_id)
    fresh_lab.add(
        Extract(
            workflow_id=workflow_id,
            project_id=1,
            classification_at=fresh_lab.now,
            subject_id=subject_id,
            extractor_key="k",
            workflow_version="",
            data={"text": "a\ud800", "marks": [float("nan"), "b\udc00"]},
        )
    )
    row = order(fresh_lab, workflow_id, "extracts")
    fresh_lab.drain()
    _, (cells,) = fetch(fresh_lab, workflow_id, row["id"])
    assert (cells["data.text"], cells["data.marks"]) == ("a?", '[null,"b?"]')
