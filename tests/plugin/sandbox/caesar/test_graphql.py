"""The classifier's query, and what else GraphQL answers."""

from __future__ import annotations

import pytest

from zooassist_plugin.sandbox.caesar.tables import CaesarSubject

MARKS = {"data": [{"toolIndex": 0, "frame": 0, "x": 10.5, "y": 20.25}], "model": "seg-3"}


@pytest.fixture
def prefilled(lab):
    workflow_id = lab.add_workflow(public_reductions=True)
    lab.make(workflow_id, "reducer", type="placeholder", key="machineLearnt")
    (subject_id,) = lab.add_subjects(workflow_id)
    lab.add(CaesarSubject(id=subject_id, metadata_={}))
    path = f"/workflows/{workflow_id}/subject_reductions/machineLearnt"
    lab.put(path, {"reduction": {"subject_id": subject_id, "data": MARKS}})
    return workflow_id, subject_id


def test_the_classifiers_query_is_answered_to_anyone(lab, prefilled):
    answer = lab.query(*prefilled)
    assert answer.status_code == 200
    assert answer.get_json() == {"data": {"workflow": {"subject_reductions": [{"data": MARKS}]}}}


def test_an_empty_authorization_header_is_anonymous(lab, prefilled):
    workflow_id, subject_id = prefilled
    text = (
        f"{{ workflow(id: {workflow_id}) "
        f"{{ subject_reductions(subjectId: {subject_id}) {{ data }} }} }}"
    )
    for value in ("", "Bearer ", "Bearer null"):
        answer = lab.client.post("/graphql", json={"query": text}, headers={"Authorization": value})
        assert answer.get_json()["data"]["workflow"]["subject_reductions"] == [{"data": MARKS}]


def test_subjects_without_reduction_get_an_empty_list(lab, prefilled):
    workflow_id, _ = prefilled
    answer = lab.query(workflow_id, 999)
    assert answer.get_json() == {"data": {"workflow": {"subject_reductions": []}}}


def test_a_private_workflow_is_an_error_with_a_body(lab, prefilled):
    workflow_id, subject_id = prefilled
    lab.put(f"/workflows/{workflow_id}", {"workflow": {"public_reductions": False}})
    for asked in (workflow_id, 999):
        answer = lab.query(asked, subject_id)
        assert answer.status_code == 404
        message = f"Couldn't find Workflow with 'id'={asked}"
        assert answer.get_json() == {"errors": [{"message": message}]}
    own = lab.query(workflow_id, subject_id, token=lab.token)
    assert own.get_json()["data"]["workflow"]["subject_reductions"] == [{"data": MARKS}]


def test_public_extracts_alone_show_no_reductions(lab, prefilled):
    workflow_id, subject_id = prefilled
    flags = {"public_reductions": False, "public_extracts": True}
    lab.put(f"/workflows/{workflow_id}", {"workflow": flags})
    answer = lab.query(workflow_id, subject_id)
    assert answer.get_json() == {"data": {"workflow": {"subject_reductions": []}}}


def test_variables_and_operation_names(lab, prefilled):
    workflow_id, subject_id = prefilled
    text = """
      query Other { me { id } }
      query Marks($workflow: ID!, $subject: ID!) {
        workflow(id: $workflow) {
          id createdAt
          reductions(subjectId: $subject) { projectId workflowId subjectId reducerKey updatedAt }
        }
      }
    """
    variables = {"workflow": str(workflow_id), "subject": subject_id}
    body = {"query": text, "variables": variables, "operationName": "Marks"}
    found = lab.post("/graphql", body, token=None).get_json()["data"]["workflow"]
    assert found["id"] == str(workflow_id)
    assert isinstance(found["createdAt"], float)
    (reduction,) = found["reductions"]
    assert reduction["subjectId"] == str(subject_id)
    assert reduction["reducerKey"] == "machineLearnt"
    assert reduction["updatedAt"] == pytest.approx(lab.now.timestamp(), abs=60)


def test_everything_else_is_for_the_owner(lab, prefilled):
    workflow_id, subject_id = prefilled
    lab.make(workflow_id, "extractor", type="who", key="who")
    lab.classify(workflow_id, subject_id, [], user_id=7)
    lab.post(
        f"/workflows/{workflow_id}/data_requests", {"data_request": {"requested_data": "extracts"}}
    )
    lab.drain()
    text = f"""{{ me {{ login }} workflow(id: {workflow_id}) {{
        extracts(subjectId: {subject_id}, extractorKey: "who") {{ data userId classificationId }}
        user_reductions(userId: 7) {{ data }}
        subject_actions(subjectId: {subject_id}) {{ status }}
        user_actions(userId: 7) {{ status }}
        data_requests {{ status url requestedData }}
      }} }}"""
    own = lab.post("/graphql", {"query": text}).get_json()["data"]
    assert own["me"] == {"login": "builder"}
    assert own["workflow"]["extracts"][0]["data"] == {"user_id": 7}
    assert own["workflow"]["data_requests"][0]["status"] == "complete"
    anyone = lab.post("/graphql", {"query": text}, token=None).get_json()["data"]
    assert anyone["me"] is None
    assert set(map(str, anyone["workflow"].values())) == {"[]"}


@pytest.mark.parametrize(
    "text",
    [
        "{ nothing }",
        "{ workflow(id: 1) ",
        "{ workflow { id } }",
        '{ workflow(id: "x") { id } }',
        "{ workflow(id: 99999999999999) { id } }",
        "mutation { upsertReduction { id } }",
    ],
)
def test_wrong_questions_are_errors_in_a_200(lab, text):
    answer = lab.post("/graphql", {"query": text}, token=None)
    assert answer.status_code == 200
    assert answer.get_json()["errors"][0]["message"]


@pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": 5}, {"query": "{", "variables": 5}])
def test_a_body_without_question_is_400(lab, body):
    assert lab.post("/graphql", body, token=None).status_code == 400


def test_browsers_on_other_origins_may_ask(lab):
    headers = {"Origin": "https://www.zooniverse.org", "Access-Control-Request-Method": "POST"}
    answer = lab.client.options("/graphql", headers=headers)
    assert answer.status_code in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", headers["Origin"])
