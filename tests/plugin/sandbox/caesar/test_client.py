"""The unmodified panoptes-client against a running sandbox: everything `Caesar` can do."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import requests
from panoptes_client import Panoptes, Project, Subject, SubjectSet, Workflow
from panoptes_client.caesar import Caesar
from panoptes_client.panoptes import PanoptesAPIException

from zooassist_plugin.sandbox.server import running_sandbox

MARKS = {"data": [{"toolIndex": 0, "frame": 0, "x": 1.5, "y": 2.5}], "max_conf": 0.97}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with running_sandbox(tmp_path_factory.mktemp("state"), retry_scale=0.001) as server:
        Panoptes.connect(endpoint=server.url, username="builder", password="sandbox")
        yield server


@pytest.fixture
def workflow(running, tmp_path):
    """A workflow with one subject, saved through the client."""
    # A fresh login: Caesar computes a token's projects at its first use.
    project = Project()
    project.display_name = f"Galaxies {tmp_path.name} {time.time_ns()}"
    project.description, project.primary_language, project.private = "shapes", "en", False
    project.save()
    made = Workflow()
    made.display_name, made.primary_language, made.tasks = "marks", "en", {}
    made.links.project = project
    made.save()
    subject_set = SubjectSet()
    subject_set.display_name, subject_set.links.project = "first", project
    subject_set.save()
    subject = Subject()
    subject.links.project = project
    subject.add_location({"image/png": "https://example.org/a.png"})
    subject.save()
    subject_set.add(subject)
    made.links.subject_sets.add(subject_set)
    Panoptes.connect(endpoint=running.url, username="builder", password="sandbox")
    return int(made.id), int(subject.id)


def until(found, seconds=20.0):
    """Wait for background work: ask until the answer is not empty."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = found()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError("nothing came within the time")


def test_workflows(running, workflow):
    workflow_id, _ = workflow
    caesar = Caesar(endpoint=running.url)
    with pytest.raises(PanoptesAPIException, match=r"(?i)couldn't find workflow with 'id'"):
        caesar.get_workflow(workflow_id)
    created = caesar.save_workflow(workflow_id, public_reductions=True)
    assert (created["id"], created["public_reductions"]) == (workflow_id, True)
    # The second time it is a PUT, which answers nothing.
    assert caesar.save_workflow(workflow_id, public_extracts=True) is None
    found = caesar.get_workflow(workflow_id)
    assert (found["public_extracts"], found["public_reductions"]) == (True, False)


def test_extractors_reducers_rules_and_effects(running, workflow):
    workflow_id, _ = workflow
    caesar = Caesar(endpoint=running.url)
    caesar.save_workflow(workflow_id)
    extractor = caesar.create_workflow_extractor(
        workflow_id, "complete", "question", "T0", {"if_missing": "ignore"}
    )
    assert caesar.get_workflow_extractors(workflow_id) == [extractor]
    reducer = caesar.create_workflow_reducer(
        workflow_id, "count", "count", {"filters": {"extractor_keys": ["complete"]}}
    )
    assert caesar.get_workflow_reducers(workflow_id) == [reducer]
    with pytest.raises(PanoptesAPIException, match="Key has already been taken"):
        caesar.create_workflow_reducer(workflow_id, "count", "count")
    with pytest.raises(PanoptesAPIException, match="no sqs reducer"):
        caesar.create_workflow_reducer(workflow_id, "sqs", "queue")
    condition = ["gte", ["lookup", "count.classifications", 0], ["const", 3]]
    for kind, action, config in (
        ("subject", "retire_subject", {"reason": "classification_count"}),
        ("user", "promote_user", {"workflow_id": str(workflow_id)}),
    ):
        rule = caesar.create_workflow_rule(workflow_id, kind, json.dumps(condition))
        assert rule["condition"] == condition
        effect = caesar.create_workflow_rule_effect(workflow_id, kind, rule["id"], action, config)
        assert (effect["action"], effect["config"]) == (action, config)
    # The client's own default condition is an empty list.
    assert caesar.create_workflow_rule(workflow_id, "subject")["condition"] == []


def test_import_to_classifier(running, workflow, tmp_path, service):
    workflow_id, subject_id = workflow
    caesar = Caesar(endpoint=running.url)
    caesar.save_workflow(workflow_id, public_reductions=True)
    filters = {"filters": {"extractor_keys": ["machineLearnt"]}}
    caesar.create_workflow_reducer(workflow_id, "first_extract", "machineLearnt", filters)
    condition = '["gte", ["lookup", "machineLearnt.max_conf", 0], ["const", 0.95]]'
    rule = caesar.create_workflow_rule(workflow_id, "subject", condition)
    caesar.create_workflow_rule_effect(
        workflow_id, "subject", rule["id"], "retire_subject", {"reason": "consensus"}
    )
    cell = json.dumps(MARKS).replace('"', '""')
    content = f'extractor_key,subject_id,data\nmachineLearnt,{subject_id},"{cell}"\n'
    service.answers = [(200, content.encode())]
    assert caesar.import_data_extracts(workflow_id, service.url + "/m.csv") == (None, None)
    (reduction,) = until(
        lambda: caesar.get_reductions_by_workflow_and_subject(workflow_id, subject_id)
    )
    assert (reduction["reducer_key"], reduction["data"]) == ("machineLearnt", MARKS)
    (extract,) = caesar.get_extracts_by_workflow_and_subject(workflow_id, subject_id)
    assert (extract["machine_data"], extract["data"]) == (True, MARKS)
    query = (
        f"{{ workflow(id: {workflow_id}) {{ subject_reductions(subjectId: {subject_id}, "
        'reducerKey:"machineLearnt") { data } } }'
    )
    answer = requests.post(
        running.url + "/graphql",
        json={"query": query},
        headers={"Origin": "https://local.zooniverse.org"},
        timeout=10,
    )
    assert answer.json() == {"data": {"workflow": {"subject_reductions": [{"data": MARKS}]}}}
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", "https://local.zooniverse.org")
    subject = Subject.find(subject_id)
    until(lambda: subject.subject_workflow_status(workflow_id).retired_at)
    assert subject.subject_workflow_status(workflow_id).retirement_reason == "consensus"


def test_reductions_by_put(running, workflow, service):
    workflow_id, subject_id = workflow
    caesar = Caesar(endpoint=running.url)
    caesar.save_workflow(workflow_id)
    caesar.create_workflow_reducer(workflow_id, "placeholder", "machineLearnt")
    path = f"workflows/{workflow_id}/subject_reductions/machineLearnt"
    body = {"reduction": {"subject_id": subject_id, "data": MARKS}}
    with pytest.raises(PanoptesAPIException, match="Couldn't find Subject"):
        caesar.http_put(path, json=body)
    # An import row with a throw-away key makes the subject known.
    seed = f"extractor_key,subject_id,data\nseed,{subject_id},1\n"
    service.answers = [(200, seed.encode())]
    caesar.import_data_extracts(workflow_id, service.url)
    until(lambda: caesar.get_extracts_by_workflow_and_subject(workflow_id, subject_id))
    written, _etag = caesar.http_put(path, json=body)
    assert written["data"] == MARKS
    found = caesar.get_reductions_by_workflow_and_subject(workflow_id, subject_id)
    assert [one["data"] for one in found] == [MARKS]


def test_a_missing_csv_raises(running, workflow):
    workflow_id, _ = workflow
    caesar = Caesar(endpoint=running.url)
    caesar.save_workflow(workflow_id)
    with pytest.raises(PanoptesAPIException, match="CSV must be included"):
        caesar.import_data_extracts(workflow_id, "")


def test_a_posted_classification_is_extracted(running, workflow):
    workflow_id, subject_id = workflow
    caesar = Caesar(endpoint=running.url)
    caesar.save_workflow(workflow_id)
    caesar.create_workflow_extractor(workflow_id, "T0", "question")
    caesar.create_workflow_reducer(workflow_id, "stats", "votes")
    project_id = Workflow.find(workflow_id).links.project.id
    classification = {
        "annotations": [{"task": "T0", "taskType": "single", "value": 1}],
        "completed": True,
        "links": {
            "project": project_id,
            "subjects": [str(subject_id)],
            "workflow": str(workflow_id),
        },
        "metadata": {
            "classifier_version": "2.0",
            "started_at": "2026-06-01T10:00:00.000Z",
            "finished_at": "2026-06-01T10:00:05.000Z",
            "user_agent": "test",
            "user_language": "en",
            "utc_offset": "0",
            "viewport": {"width": 1400, "height": 1100},
            "workflow_version": Workflow.find(workflow_id).version,
        },
    }
    answer = requests.post(
        running.url + "/api/classifications",
        json={"classifications": classification},
        headers={"Accept": "application/vnd.api+json; version=1"},
        timeout=10,
    )
    assert answer.status_code == 201, answer.text
    (reduction,) = until(
        lambda: caesar.get_reductions_by_workflow_and_subject(workflow_id, subject_id)
    )
    assert reduction["data"] == {"1": 1}


def test_state_survives_a_restart(tmp_path):
    state = Path(tmp_path, "state")
    with running_sandbox(state) as server:
        Panoptes.connect(endpoint=server.url, username="builder", password="sandbox")
        project = Project()
        project.display_name, project.description = "Galaxies", "shapes"
        project.primary_language, project.private = "en", True
        project.save()
        made = Workflow()
        made.display_name, made.primary_language, made.tasks = "marks", "en", {}
        made.links.project = project
        made.save()
        caesar = Caesar(endpoint=server.url)
        caesar.save_workflow(int(made.id), public_reductions=True)
        caesar.create_workflow_reducer(int(made.id), "placeholder", "machineLearnt")
    with running_sandbox(state) as server:
        Panoptes.connect(endpoint=server.url, username="builder", password="sandbox")
        caesar = Caesar(endpoint=server.url)
        assert caesar.get_workflow(int(made.id))["public_reductions"] is True
        (reducer,) = caesar.get_workflow_reducers(int(made.id))
        assert reducer["key"] == "machineLearnt"
