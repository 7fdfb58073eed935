"""Reductions written and read one by one; extracts read by subject."""

from __future__ import annotations

import pytest

from zooassist_plugin.sandbox.caesar.tables import CaesarSubject, SubjectReduction


@pytest.fixture
def prepared(lab):
    """A workflow with a placeholder reducer, and a subject that Caesar has met."""
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "reducer", type="placeholder", key="machineLearnt")
    (subject_id,) = lab.add_subjects(workflow_id)
    lab.add(CaesarSubject(id=subject_id, metadata_={}))
    return workflow_id, subject_id


def body(subject_id, data, **more):
    return {"reduction": {"subject_id": subject_id, "data": data, **more}}


MARKS = {"data": [{"toolIndex": 0, "frame": 0, "x": 10.5, "y": 20.25}], "proposal_id": "run7"}


@pytest.mark.parametrize(
    "address", ["subject_reductions/machineLearnt", "reducers/machineLearnt/reductions"]
)
def test_put_writes_and_get_reads(lab, prepared, address):
    workflow_id, subject_id = prepared
    answer = lab.put(f"/workflows/{workflow_id}/{address}", body(str(subject_id), MARKS))
    assert answer.status_code == 200
    row = answer.get_json()
    expected = {
        "reducible_id": workflow_id,
        "reducible_type": "Workflow",
        "workflow_id": workflow_id,
        "subject_id": subject_id,
        "reducer_key": "machineLearnt",
        "subgroup": "_default",
        "data": MARKS,
        "store": {},
        "lock_version": 0,
    }
    assert {key: row[key] for key in expected} == expected
    assert {"id", "created_at", "updated_at"} <= set(row)
    for path in (
        f"/workflows/{workflow_id}/subjects/{subject_id}/reductions",
        f"/workflows/{workflow_id}/subjects/{subject_id}/reductions?reducer_key=machineLearnt",
        f"/workflows/{workflow_id}/reducers/machineLearnt/reductions?subject_id={subject_id}",
    ):
        assert lab.get(path).get_json() == [row]
    other = f"/workflows/{workflow_id}/subjects/{subject_id}/reductions?reducer_key=other"
    assert lab.get(other).get_json() == []


def test_the_same_data_writes_nothing(lab, prepared):
    workflow_id, subject_id = prepared
    path = f"/workflows/{workflow_id}/subject_reductions/machineLearnt"
    first = lab.put(path, body(subject_id, MARKS)).get_json()
    lab.later(60)
    assert lab.put(path, body(subject_id, MARKS)).get_json() == first
    changed = lab.put(path, body(subject_id, {"data": []})).get_json()
    assert (changed["data"], changed["lock_version"]) == ({"data": []}, 1)
    assert changed["updated_at"] > first["updated_at"]


def test_subgroups_are_separate_rows(lab, prepared):
    workflow_id, subject_id = prepared
    path = f"/workflows/{workflow_id}/subject_reductions/machineLearnt"
    lab.put(path, body(subject_id, MARKS))
    lab.put(path, body(subject_id, {"data": []}, subgroup="second"))
    assert [row.subgroup for row in lab.rows(SubjectReduction)] == ["_default", "second"]


@pytest.mark.parametrize("data", [[], "text", None, 5, [{"x": 1}]])
def test_data_must_be_an_object(lab, prepared, data):
    workflow_id, subject_id = prepared
    path = f"/workflows/{workflow_id}/subject_reductions/machineLearnt"
    answer = lab.put(path, body(subject_id, data))
    assert answer.status_code == 422
    assert "JSON object" in answer.get_json()["errors"][0]["message"]


def test_nan_is_not_json(lab, prepared):
    workflow_id, subject_id = prepared
    answer = lab.client.put(
        f"/workflows/{workflow_id}/subject_reductions/machineLearnt",
        data=f'{{"reduction": {{"subject_id": {subject_id}, "data": {{"x": NaN}}}}}}',
        headers={"Authorization": f"Bearer {lab.token}"},
    )
    assert answer.status_code == 400


def test_reducer_and_subject_must_be_known_to_caesar(lab, prepared):
    workflow_id, subject_id = prepared
    path = f"/workflows/{workflow_id}/subject_reductions"
    answer = lab.put(f"{path}/other", body(subject_id, MARKS))
    assert answer.status_code == 404
    assert answer.get_json() == {"error": "Couldn't find Reducer with 'key'=other"}
    (unmet,) = lab.add_subjects(workflow_id)
    for asked in (unmet, "abc", None, 10**12):
        answer = lab.put(f"{path}/machineLearnt", body(asked, MARKS))
        assert answer.status_code == 404
        assert answer.get_json() == {"error": f"Couldn't find Subject with 'id'={asked}"}


def test_post_and_delete_are_not_routed(lab, prepared):
    workflow_id, subject_id = prepared
    path = f"/workflows/{workflow_id}/subject_reductions/machineLearnt"
    assert lab.post(path, body(subject_id, MARKS)).status_code == 405
    assert lab.delete(path).status_code == 405


def test_a_placeholder_survives_reruns(lab, prepared):
    workflow_id, subject_id = prepared
    lab.make(workflow_id, "extractor", type="who", key="machineLearnt")
    lab.put(f"/workflows/{workflow_id}/subject_reductions/machineLearnt", body(subject_id, MARKS))
    lab.classify(workflow_id, subject_id, [])
    lab.put(f"/workflows/{workflow_id}", {"workflow": {"rerun": "reducers"}})
    lab.drain()
    assert lab.reductions() == {(subject_id, "machineLearnt"): MARKS}


def test_a_strangers_put_is_404_and_an_anonymous_one_401(lab, prepared):
    workflow_id, subject_id = prepared
    path = f"/workflows/{workflow_id}/subject_reductions/machineLearnt"
    stranger = lab.token_of("stranger")
    assert lab.put(path, body(subject_id, MARKS), token=stranger).status_code == 404
    assert lab.put(path, body(subject_id, MARKS), token=None).status_code == 401
    assert lab.reductions() == {}


def test_public_flags_open_reading_only(lab, prepared):
    workflow_id, subject_id = prepared
    reductions = f"/workflows/{workflow_id}/subjects/{subject_id}/reductions"
    extracts = f"/workflows/{workflow_id}/extractors/any/extracts?subject_id={subject_id}"
    assert lab.get(reductions, token=None).status_code == 401
    assert lab.get(extracts, token=None).status_code == 401
    lab.put(f"/workflows/{workflow_id}", {"workflow": {"public_reductions": True}})
    assert lab.get(reductions, token=None).get_json() == []
    assert lab.get(extracts, token=None).status_code == 401
    lab.put(f"/workflows/{workflow_id}", {"workflow": {"public_extracts": True}})
    assert lab.get(extracts, token=None).get_json() == []
    assert lab.get(f"/workflows/{workflow_id}", token=None).status_code == 401


def test_extracts_ignore_the_key_in_the_address(lab, prepared):
    workflow_id, subject_id = prepared
    lab.make(workflow_id, "extractor", type="who", key="who")
    lab.make(workflow_id, "extractor", type="blank", key="blank")
    number = lab.classify(workflow_id, subject_id, [], user_id=7)
    path = f"/workflows/{workflow_id}/extractors/who/extracts?subject_id={subject_id}"
    rows = lab.get(path).get_json()
    assert {row["extractor_key"]: row["data"] for row in rows} == {
        "who": {"user_id": 7},
        "blank": {"blank": True},
    }
    assert rows[0]["classification_id"] == number
    assert rows[0]["classification_at"].endswith(".000Z")
    assert (rows[0]["machine_data"], rows[0]["user_id"]) == (False, 7)
