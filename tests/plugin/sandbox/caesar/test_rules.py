"""Rules and effects: how they are set up, when they match, and what they do."""

from __future__ import annotations

import base64
import json

import pytest

from zooassist_plugin.sandbox.caesar.tables import RuleAction, UserReduction
from zooassist_plugin.sandbox.jobs import Job
from zooassist_plugin.sandbox.panoptes.tables import (
    ProjectPreference,
    SetMemberSubject,
    SubjectSet,
    SubjectWorkflowStatus,
)

AT_LEAST_TWO = ["gte", ["lookup", "n.classifications", 0], ["const", 2]]


def counting_workflow(lab):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="who", key="who")
    lab.make(workflow_id, "reducer", type="count", key="n")
    (subject_id,) = lab.add_subjects(workflow_id, **{"#label": "spiral"})
    return workflow_id, subject_id


@pytest.fixture
def counting(lab):
    return counting_workflow(lab)


def add_rule(lab, workflow_id, condition, *effects, kind="subject"):
    rule = lab.make(workflow_id, f"{kind}_rule", condition_string=json.dumps(condition))
    for action, config in effects:
        answer = add_effect(lab, workflow_id, rule["id"], action, config, kind)
        assert answer.status_code == 201, answer.data
    return rule["id"]


def add_effect(lab, workflow_id, rule_id, action, config, kind="subject"):
    path = f"/workflows/{workflow_id}/{kind}_rules/{rule_id}/{kind}_rule_effects"
    return lab.post(path, {f"{kind}_rule_effect": {"action": action, "config": config}})


def status_of(lab, subject_id):
    (row,) = lab.rows(SubjectWorkflowStatus, SubjectWorkflowStatus.subject_id == subject_id)
    return row


def test_rules_and_effects_can_be_listed_changed_and_removed(lab):
    workflow_id = lab.add_workflow()
    rule_id = add_rule(lab, workflow_id, AT_LEAST_TWO, ("retire_subject", {"reason": "blank"}))
    path = f"/workflows/{workflow_id}/subject_rules/{rule_id}"
    assert lab.get(path).get_json()["condition"] == AT_LEAST_TWO
    (effect,) = lab.get(f"{path}/subject_rule_effects").get_json()
    assert (effect["action"], effect["subject_rule_id"]) == ("retire_subject", rule_id)
    effect_path = f"{path}/subject_rule_effects/{effect['id']}"
    part = {"subject_rule_effect": {"config": {"reason": "consensus"}}}
    assert lab.put(effect_path, part).status_code == 204
    assert lab.get(effect_path).get_json()["config"] == {"reason": "consensus"}
    answer = lab.put(path, {"subject_rule": {"condition_string": '["const", true]'}})
    assert answer.get_json()["condition"] == ["const", True]
    assert lab.get(f"/workflows/{workflow_id}/user_rules/{rule_id}").status_code == 404
    assert lab.delete(effect_path).status_code == 204
    assert lab.delete(path).status_code == 204
    assert lab.get(f"/workflows/{workflow_id}/subject_rules").get_json() == []


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("{", "not JSON"),
        ('{"a": 1}', "must hold a JSON list"),
        ('["frobnicate"]', "starts with one of"),
        ('["lookup", "a.b"]', "lookup takes a key and a default"),
    ],
)
def test_wrong_conditions_are_422(lab, told, message):
    workflow_id = lab.add_workflow()
    part = {"subject_rule": {"condition_string": told}}
    answer = lab.post(f"/workflows/{workflow_id}/subject_rules", part)
    assert answer.status_code == 422
    assert message in answer.get_json()["errors"][0]["message"]


@pytest.mark.parametrize(
    ("action", "config", "status", "message"),
    [
        ("explode", {}, 422, "not a valid action"),
        ("add_to_collection", {"collection_id": "8"}, 422, "not a valid action"),
        ("promote_user", {"workflow_id": "1"}, 422, "not a valid action"),
        ("retire_subject", {}, 422, "config.reason"),
        ("retire_subject", {"reason": "boredom"}, 422, "expected one of"),
        ("add_subject_to_set", {}, 422, "config.subject_set_id must be an id"),
        ("add_subject_to_set", {"subject_set_id": "999"}, 403, None),
        ("add_subject_to_collection", {"collection_id": "8"}, 422, "no collections"),
        ("external", {"url": "http://example.org/"}, 422, "URL must be one of"),
        ("external", {"url": "https://example.org/"}, 422, "config.reducer_key"),
        (
            "external_with_basic_auth",
            {"url": "https://example.org/", "reducer_key": "n", "username": "u"},
            422,
            "config.password is missing",
        ),
    ],
)
def test_wrong_effects_are_refused(lab, action, config, status, message):
    workflow_id = lab.add_workflow()
    rule_id = add_rule(lab, workflow_id, AT_LEAST_TWO)
    answer = add_effect(lab, workflow_id, rule_id, action, config)
    assert answer.status_code == status
    if message:
        assert message in answer.get_json()["errors"][0]["message"]


def test_a_foreign_subject_set_is_403(lab):
    workflow_id = lab.add_workflow()
    rule_id = add_rule(lab, workflow_id, AT_LEAST_TWO)
    foreign = lab.add(SubjectSet(project_id=12345, display_name="theirs", metadata_={}))
    config = {"subject_set_id": str(foreign)}
    assert add_effect(lab, workflow_id, rule_id, "add_subject_to_set", config).status_code == 403


@pytest.mark.parametrize(
    ("reason", "stored"), [("consensus", "consensus"), ("blank", "nothing_here")]
)
def test_retire_subject(lab, counting, reason, stored):
    workflow_id, subject_id = counting
    add_rule(lab, workflow_id, AT_LEAST_TWO, ("retire_subject", {"reason": reason}))
    lab.classify(workflow_id, subject_id, [])
    assert lab.rows(RuleAction) == []
    lab.classify(workflow_id, subject_id, [])
    status = status_of(lab, subject_id)
    assert (status.retirement_reason, status.retired_at) == (stored, lab.now)
    (action,) = lab.rows(RuleAction)
    assert (action.status, action.target_id) == ("completed", subject_id)


def test_add_subject_to_set(lab, counting):
    workflow_id, subject_id = counting
    project_id = lab.get(f"/workflows/{workflow_id}").get_json()["project_id"]
    other = lab.add(SubjectSet(project_id=project_id, display_name="gold", metadata_={}))
    add_rule(lab, workflow_id, AT_LEAST_TWO, ("add_subject_to_set", {"subject_set_id": str(other)}))
    for _ in range(3):
        lab.classify(workflow_id, subject_id, [])
    members = lab.rows(SetMemberSubject, SetMemberSubject.subject_set_id == other)
    assert [member.subject_id for member in members] == [subject_id]
    assert [action.status for action in lab.rows(RuleAction)] == ["completed", "completed"]


def test_external_posts_the_one_reduction(lab, counting, service):
    workflow_id, subject_id = counting
    config = {"url": service.url + "/reductions", "reducer_key": "n"}
    add_rule(lab, workflow_id, AT_LEAST_TWO, ("external", config))
    for _ in range(2):
        lab.classify(workflow_id, subject_id, [])
    (request,) = service.requests
    body = request["body"]
    assert request["path"] == "/reductions"
    assert body["reducible"] == {"id": workflow_id, "type": "Workflow"}
    assert body["data"] == {"classifications": 2, "extracts": 2}
    assert (body["subject"]["id"], body["subject"]["metadata"]) == (
        subject_id,
        {"#label": "spiral"},
    )
    assert body["reducer_key"] == "n"
    assert set(body) == {
        "id",
        "reducible",
        "data",
        "subject",
        "reducer_key",
        "created_at",
        "updated_at",
    }


@pytest.mark.parametrize(
    ("status", "end"), [(200, "completed"), (204, "completed"), (202, "failed")]
)
def test_external_with_basic_auth(lab, counting, service, status, end):
    workflow_id, subject_id = counting
    service.answers = [(status, {})]
    config = {"url": service.url, "reducer_key": "n", "username": "kade", "password": "secret"}
    add_rule(lab, workflow_id, ["const", True], ("external_with_basic_auth", config))
    lab.classify(workflow_id, subject_id, [])
    expected = "Basic " + base64.b64encode(b"kade:secret").decode()
    assert {request["headers"]["Authorization"] for request in service.requests} == {expected}
    assert lab.rows(RuleAction)[0].status == end


def test_effects_are_tried_25_times_behind_an_open_breaker(fresh_lab, service):
    lab = fresh_lab
    workflow_id, subject_id = counting_workflow(lab)
    service.answers = [(500, {})]
    config = {"url": service.url, "reducer_key": "n"}
    add_rule(lab, workflow_id, ["const", True], ("external", config))
    lab.classify(workflow_id, subject_id, [])
    (dead,) = lab.dead_jobs()
    assert dead.attempts == 25
    assert len(service.requests) == 3  # then the breaker was open, and the clock stood still


def test_external_needs_exactly_one_reduction(lab, counting, service):
    workflow_id, subject_id = counting
    config = {"url": service.url, "reducer_key": "absent"}
    add_rule(lab, workflow_id, ["const", True], ("external", config))
    lab.classify(workflow_id, subject_id, [])
    (action,) = lab.rows(RuleAction)
    assert action.status == "failed"
    assert "Incorrect number of reductions found: 0" in action.message
    assert service.requests == []


def test_promote_user(lab, counting):
    workflow_id, subject_id = counting
    lab.make(workflow_id, "reducer", type="count", key="done", topic="reduce_by_user")
    next_workflow = lab.add_workflow()
    condition = ["gte", ["lookup", "done.classifications", 0], ["const", 1]]
    effect = ("promote_user", {"workflow_id": str(next_workflow)})
    add_rule(lab, workflow_id, condition, effect, kind="user")
    lab.token_of("volunteer")
    user_id = lab.user_id("volunteer")
    lab.classify(workflow_id, subject_id, [], user_id=user_id)
    assert [row.user_id for row in lab.rows(UserReduction)] == [user_id]
    (preference,) = lab.rows(ProjectPreference)
    assert preference.settings == {"workflow_id": str(next_workflow)}


@pytest.mark.parametrize(
    ("applied", "count"), [("all_matching_rules", 2), ("first_matching_rule", 1), ("no_rules", 0)]
)
def test_rules_applied(lab, counting, applied, count):
    workflow_id, subject_id = counting
    for reason in ("consensus", "human"):
        add_rule(lab, workflow_id, ["const", True], ("retire_subject", {"reason": reason}))
    lab.put(f"/workflows/{workflow_id}", {"workflow": {"rules_applied": applied}})
    lab.classify(workflow_id, subject_id, [])
    assert len(lab.rows(RuleAction)) == count


def test_conditions_see_the_subjects_metadata(lab, counting):
    workflow_id, subject_id = counting
    condition = [
        "and",
        ["eq", ["lookup", "subject.#label", ""], ["const", "spiral"]],
        ["eq", ["lookup", "subject.zooniverse_subject_id", 0], ["const", subject_id]],
    ]
    add_rule(lab, workflow_id, condition, ("retire_subject", {"reason": "other"}))
    lab.classify(workflow_id, subject_id, [])
    assert status_of(lab, subject_id).retirement_reason == "other"


def test_an_empty_condition_never_matches(lab, counting):
    workflow_id, subject_id = counting
    add_rule(lab, workflow_id, [], ("retire_subject", {"reason": "other"}))
    lab.classify(workflow_id, subject_id, [])
    assert (lab.rows(RuleAction), lab.dead_jobs()) == ([], [])


def test_a_condition_that_does_not_fit_fails_alone(lab, counting):
    workflow_id, first = counting
    (second,) = lab.add_subjects(workflow_id, **{"#label": 5})
    for subject_id in (first, second):
        lab.classify(workflow_id, subject_id, [])
    condition = ["gt", ["lookup", "subject.#label", 0], ["const", 3]]
    add_rule(lab, workflow_id, condition, ("retire_subject", {"reason": "other"}))
    lab.put(f"/workflows/{workflow_id}", {"workflow": {"rerun": "reducers"}})
    lab.drain()
    assert [action.target_id for action in lab.rows(RuleAction)] == [second]
    (dead,) = lab.dead_jobs()
    assert (dead.payload["target_ids"], "ConditionFailed" in dead.error) == ([first], True)


def test_a_direct_write_checks_the_rules(lab, counting):
    workflow_id, subject_id = counting
    lab.classify(workflow_id, subject_id, [])
    lab.make(workflow_id, "reducer", type="placeholder", key="machineLearnt")
    condition = ["gte", ["lookup", "machineLearnt.max_conf", 0], ["const", 0.95]]
    add_rule(lab, workflow_id, condition, ("retire_subject", {"reason": "consensus"}))
    path = f"/workflows/{workflow_id}/subject_reductions/machineLearnt"
    for confidence in (0.5, 0.97):
        assert lab.rows(RuleAction) == []
        data = {"data": [], "max_conf": confidence}
        lab.put(path, {"reduction": {"subject_id": subject_id, "data": data}})
        lab.drain()
    assert status_of(lab, subject_id).retirement_reason == "consensus"


def test_without_rules_no_check_is_ordered(lab, counting):
    workflow_id, subject_id = counting
    lab.classify(workflow_id, subject_id, [])
    assert lab.rows(Job, Job.name == "caesar.check_rules") == []
