"""Caesar's calls to external extractors and reducers: payloads, answers, retries, breaker."""

from __future__ import annotations

import pytest

from zooassist_plugin.sandbox.caesar.outbound import Breaker, BreakerOpen, Remote, RemoteFailed
from zooassist_plugin.sandbox.caesar.tables import SubjectReduction
from zooassist_plugin.sandbox.caesar.urls import callable_url

ANNOTATIONS = [
    {"task": "T0", "taskType": "drawing", "value": []},
    {"task": "T1", "taskType": "single", "value": 0},
]


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://example.org/x", True),
        ("http://example.org/x", False),
        ("http://127.0.0.1:5000/x", True),
        ("http://localhost/x", True),
        ("http://[::1]:5000/x", True),
        ("http://127.0.0.1.example.org/x", False),
        ("ftp://127.0.0.1/x", False),
        ("https://", False),
        ("http://[broken", False),
        (None, False),
        (5, False),
    ],
)
def test_callable_url(url, fine):
    assert callable_url(url) is fine


# Answers.


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        (200, {"a": 1}, {"a": 1}),
        (201, {"a": 1}, {"a": 1}),
        (202, {}, {}),
        (204, {}, None),
        (200, "only text", None),
        (200, None, None),
    ],
)
def test_answers_that_count(service, status, body, answer):
    service.answers = [(status, body)]
    assert Remote(5).ask(service.url, {"x": 1}) == answer
    (request,) = service.requests
    assert request["body"] == {"x": 1}
    assert request["headers"]["Content-Type"] == "application/json"
    assert "Authorization" not in request["headers"]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, b"", "got 200 with 0 bytes"),
        (200, b"  ", "expected 200, 201 or 202 with JSON"),
        (200, b"<html>", "not JSON"),
        (200, b'{"x": NaN}', "not JSON"),
        (200, [1], "expected a JSON object, got list"),
        (200, 5, "expected a JSON object, got int"),
        (203, {"a": 1}, "got 203"),
        (302, {"a": 1}, "got 302"),
        (404, {"a": 1}, "got 404"),
        (500, {"a": 1}, "got 500"),
    ],
)
def test_answers_that_fail(service, status, body, message):
    service.answers = [(status, body)]
    with pytest.raises(RemoteFailed, match=message):
        Remote(5).ask(service.url, {})
    assert len(service.requests) == 1


def test_a_service_that_does_not_answer_in_time_fails(service):
    service.hang = True
    with pytest.raises(RemoteFailed, match="timed out"):
        Remote(0.2).ask(service.url, {})


def test_an_unreachable_service_fails():
    with pytest.raises(RemoteFailed):
        Remote(1).ask("http://127.0.0.1:9/", {})
    with pytest.raises(RemoteFailed, match="no https address"):
        Remote(1).ask(None, {})


# The breaker, with a clock set by hand.


def fail(breaker, name="light"):
    with pytest.raises(RemoteFailed), breaker.guard(name):
        raise RemoteFailed("down")


def test_three_failures_open_the_breaker_for_sixty_seconds(lab):
    breaker = Breaker(lambda: lab.now)
    for _ in range(3):
        assert not breaker.is_open("light")
        fail(breaker)
    assert breaker.is_open("light")
    with pytest.raises(BreakerOpen), breaker.guard("light"):
        raise AssertionError("never entered")
    with breaker.guard("another"):
        pass
    lab.later(61)
    fail(breaker)  # one call is let through, and opens it again
    assert breaker.is_open("light")
    lab.later(61)
    with breaker.guard("light"):
        pass
    fail(breaker)
    fail(breaker)
    assert not breaker.is_open("light")


# External extractors.


@pytest.fixture
def lab(fresh_lab):
    return fresh_lab


@pytest.fixture
def outside(lab, service):
    """A workflow whose extractor and reducer are the service; returns workflow and subject."""
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="external", key="score", url=service.url + "/extract")
    (subject_id,) = lab.add_subjects(workflow_id, **{"#ml_proposal_id": "run7"})
    return workflow_id, subject_id


def test_an_external_extractor_gets_the_classification(lab, service, outside):
    workflow_id, subject_id = outside
    service.answers = [(200, {"iou": 0.94, "action": "edited"})]
    number = lab.classify(workflow_id, subject_id, ANNOTATIONS, user_id=42, session="abc")
    assert lab.extracts() == {(subject_id, "score"): {"iou": 0.94, "action": "edited"}}
    (request,) = service.requests
    body = request["body"]
    assert request["path"] == "/extract"
    assert set(body) == {
        "id",
        "project_id",
        "workflow_id",
        "workflow_version",
        "subject_id",
        "user_id",
        "annotations",
        "metadata",
        "subject",
        "created_at",
        "updated_at",
    }
    assert (body["id"], body["subject_id"], body["user_id"]) == (number, subject_id, 42)
    assert body["annotations"] == {"T0": [ANNOTATIONS[0]], "T1": [ANNOTATIONS[1]]}
    assert body["metadata"] == {"session": "abc"}
    assert body["subject"]["metadata"] == {"#ml_proposal_id": "run7"}
    assert set(body["subject"]) == {"id", "metadata", "created_at", "updated_at"}
    assert body["created_at"].endswith("Z")


def test_no_data_means_no_extract(lab, service, outside):
    service.answers = [(204, {})]
    lab.classify(*outside, ANNOTATIONS)
    assert (lab.extracts(), lab.dead_jobs()) == ({}, [])


def test_a_failing_extractor_is_tried_five_times(lab, service, outside):
    service.answers = [(500, {})]
    lab.classify(*outside, ANNOTATIONS)
    (dead,) = lab.dead_jobs()
    assert dead.attempts == 5
    assert len(service.requests) == 3  # then the breaker was open, and the clock stood still
    assert lab.extracts() == {}


def test_a_later_try_succeeds(lab, service, outside):
    service.answers = [(500, {}), (503, {}), (200, {"iou": 1.0})]
    lab.classify(*outside, ANNOTATIONS)
    assert lab.extracts() == {(outside[1], "score"): {"iou": 1.0}}
    assert lab.dead_jobs() == []


# External reducers.


def external_reducer(lab, service, workflow_id, **settings):
    lab.make(
        workflow_id,
        "reducer",
        type="external",
        key="machineLearnt",
        url=service.url + "/reduce",
        **settings,
    )


def test_an_external_reducer_gets_the_list_of_extracts(lab, service):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="who", key="who")
    external_reducer(lab, service, workflow_id, filters={"extractor_keys": ["who"]})
    (subject_id,) = lab.add_subjects(workflow_id)
    service.answers = [(200, {"data": [{"x": 1}], "model": "m"})]
    number = lab.classify(workflow_id, subject_id, ANNOTATIONS, user_id=42)
    assert lab.reductions() == {(subject_id, "machineLearnt"): {"data": [{"x": 1}], "model": "m"}}
    ((sent,),) = [request["body"] for request in service.requests]
    expected = {
        "classification_id": number,
        "extractor_key": "who",
        "workflow_id": workflow_id,
        "workflow_version": "1.1",
        "user_id": 42,
        "subject_id": subject_id,
        "data": {"user_id": 42},
        "machine_data": False,
        "relevant_reduction": None,
    }
    assert {key: sent[key] for key in expected} == expected
    times = {"id", "project_id", "classification_at", "created_at", "updated_at"}
    assert set(sent) == set(expected) | times


def test_a_running_external_reducer_gets_extracts_and_store(lab, service):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="who", key="who")
    external_reducer(lab, service, workflow_id, reduction_mode="running_reduction")
    (subject_id,) = lab.add_subjects(workflow_id)
    service.answers = [(200, {"data": {"data": []}, "store": {"n": 1}})]
    first = lab.classify(workflow_id, subject_id, ANNOTATIONS)
    second = lab.classify(workflow_id, subject_id, ANNOTATIONS)
    sent = [request["body"] for request in service.requests]
    assert [set(body) for body in sent] == [{"extracts", "store"}] * 2
    assert [body["store"] for body in sent] == [{}, {"n": 1}]
    counted = [[one["classification_id"] for one in body["extracts"]] for body in sent]
    assert counted == [[first], [second]]
    (row,) = lab.rows(SubjectReduction)
    assert (row.data, row.store) == ({"data": []}, {"n": 1})


def test_a_bare_list_is_what_a_wrong_split_leaves(lab, service):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="who", key="who")
    external_reducer(lab, service, workflow_id)
    (subject_id,) = lab.add_subjects(workflow_id)
    service.answers = [(200, {"data": [{"x": 1}], "store": {}})]
    lab.classify(workflow_id, subject_id, ANNOTATIONS)
    assert lab.reductions() == {(subject_id, "machineLearnt"): [{"x": 1}]}


@pytest.mark.parametrize("answer", [(204, {}), (200, "text"), (200, {})])
def test_an_external_reducer_without_data_writes_nothing(lab, service, answer):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="who", key="who")
    external_reducer(lab, service, workflow_id)
    (subject_id,) = lab.add_subjects(workflow_id)
    service.answers = [answer]
    lab.classify(workflow_id, subject_id, ANNOTATIONS)
    assert (lab.reductions(), lab.dead_jobs()) == ({}, [])


def test_an_external_reducer_without_address_fails(lab):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="who", key="who")
    lab.make(workflow_id, "reducer", type="external", key="machineLearnt")
    (subject_id,) = lab.add_subjects(workflow_id)
    lab.classify(workflow_id, subject_id, ANNOTATIONS)
    (dead,) = lab.dead_jobs()
    assert "RemoteFailed" in dead.error or "BreakerOpen" in dead.error
    assert lab.reductions() == {}


def test_imported_seeds_let_an_external_reducer_propose_lazily(lab, service):
    workflow_id = lab.add_workflow(public_reductions=True)
    external_reducer(lab, service, workflow_id, filters={"extractor_keys": ["seed"]})
    csv = b'extractor_key,subject_id,data\nseed,7,"{""seed"":true}"\nseed,8,"{""seed"":true}"\n'
    service.answers = [(200, csv), (200, {"data": []})]
    lab.post(f"/workflows/{workflow_id}/extracts/import", {"file": service.url + "/seed.csv"})
    lab.drain()
    assert lab.reductions() == {
        (7, "machineLearnt"): {"data": []},
        (8, "machineLearnt"): {"data": []},
    }
    assert [request["path"] for request in service.requests] == ["/seed.csv", "/reduce", "/reduce"]
    (sent,) = service.requests[1]["body"]
    assert (sent["machine_data"], sent["classification_id"]) == (True, None)
    assert sent["workflow_version"] is None


def test_one_failing_subject_does_not_hold_up_the_others(lab, service):
    workflow_id = lab.add_workflow()
    external_reducer(lab, service, workflow_id)
    lab.make(workflow_id, "reducer", type="count", key="n")
    csv = b"extractor_key,subject_id,data\nseed,7,1\nseed,8,1\n"
    service.answers = [(200, csv), (500, {}), (200, {"data": []})]
    lab.post(f"/workflows/{workflow_id}/extracts/import", {"file": service.url})
    lab.drain()
    assert set(lab.reductions()) == {
        (7, "machineLearnt"),
        (8, "machineLearnt"),
        (7, "n"),
        (8, "n"),
    }
