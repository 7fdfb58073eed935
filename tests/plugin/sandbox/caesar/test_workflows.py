"""Workflows in Caesar, and who may touch them."""

from __future__ import annotations

import pytest

from zooassist_plugin.sandbox.panoptes.tables import ProjectRole


def test_a_new_workflow_is_active_and_private(lab):
    workflow_id = lab.add_workflow()
    row = lab.get(f"/workflows/{workflow_id}").get_json()
    assert row["id"] == workflow_id
    assert (row["status"], row["rules_applied"]) == ("active", "all_matching_rules")
    assert (row["public_extracts"], row["public_reductions"]) == (False, False)


def test_put_answers_204_and_takes_only_permitted_keys(lab):
    workflow_id = lab.add_workflow()
    part = {
        "public_reductions": True,
        "status": "paused",
        "rules_applied": "first_matching_rule",
        "project_id": 999,
        "name": "other",
    }
    answer = lab.put(f"/workflows/{workflow_id}", {"workflow": part})
    assert (answer.status_code, answer.data) == (204, b"")
    row = lab.get(f"/workflows/{workflow_id}").get_json()
    assert (row["public_reductions"], row["status"]) == (True, "paused")
    assert row["rules_applied"] == "first_matching_rule"
    assert (row["name"], row["project_id"] == 999) == ("Shapes", False)


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ({"status": "asleep"}, "active, paused, halted"),
        ({"rules_applied": "some"}, "all_matching_rules"),
        ({"rerun": "everything"}, "extractors, reducers"),
        ({"public_reductions": "yes"}, "true or false"),
    ],
)
def test_wrong_words_are_refused_with_the_allowed_ones(lab, part, word):
    workflow_id = lab.add_workflow()
    answer = lab.put(f"/workflows/{workflow_id}", {"workflow": part})
    assert answer.status_code == 422
    assert word in answer.get_json()["errors"][0]["message"]


def test_posting_a_known_workflow_redirects(lab):
    workflow_id = lab.add_workflow(public_reductions=True)
    answer = lab.post("/workflows", {"workflow": {"id": workflow_id, "public_reductions": False}})
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/workflows/{workflow_id}"
    assert lab.get(f"/workflows/{workflow_id}").get_json()["public_reductions"] is True


def test_a_foreign_workflow_is_403_to_add_and_404_to_see(lab):
    inside = lab.add_workflow()
    outside = lab.add_workflow(in_caesar=False)
    stranger = lab.token_of("stranger")
    added = lab.post("/workflows", {"workflow": {"id": outside}}, token=stranger)
    assert (added.status_code, added.data) == (403, b"")
    seen = lab.get(f"/workflows/{inside}", token=stranger)
    assert seen.status_code == 404
    assert seen.get_json() == {"error": f"Couldn't find Workflow with 'id'={inside}"}


def test_a_workflow_that_panoptes_does_not_have_cannot_be_added(lab):
    assert lab.post("/workflows", {"workflow": {"id": 4711}}).status_code == 404


def test_anonymous_senders_get_an_empty_401(lab):
    workflow_id = lab.add_workflow()
    for answer in (
        lab.get(f"/workflows/{workflow_id}", token=None),
        lab.post("/workflows", {"workflow": {"id": workflow_id}}, token=None),
        lab.put(f"/workflows/{workflow_id}", {"workflow": {"status": "paused"}}, token=None),
        lab.get(f"/workflows/{workflow_id}/reducers", token=None),
        lab.get(f"/workflows/{workflow_id}", token="not.a.token"),
    ):
        assert (answer.status_code, answer.data) == (401, b"")


def test_an_expired_token_is_401(lab):
    workflow_id = lab.add_workflow()
    lab.later(7201)
    assert lab.get(f"/workflows/{workflow_id}").status_code == 401


def test_a_token_knows_the_projects_of_its_first_use_only(lab):
    old = lab.token_of("builder")
    # A refused first use counts, too.
    assert lab.get("/workflows/999", token=old).status_code == 404
    workflow_id = lab.add_workflow()
    fresh = lab.token_of("builder")
    assert lab.get(f"/workflows/{workflow_id}", token=old).status_code == 404
    assert lab.post("/workflows", {"workflow": {"id": workflow_id}}, token=old).status_code == 403
    assert lab.get(f"/workflows/{workflow_id}", token=fresh).status_code == 200


def test_collaborators_may_edit_and_testers_may_not(lab):
    workflow_id = lab.add_workflow()
    project_id = lab.get(f"/workflows/{workflow_id}").get_json()["project_id"]
    for login, role, status in (("colleague", "collaborator", 200), ("tester", "tester", 404)):
        lab.token_of(login)
        lab.add(ProjectRole(project_id=project_id, user_id=lab.user_id(login), roles=[role]))
        answer = lab.get(f"/workflows/{workflow_id}", token=lab.token_of(login))
        assert answer.status_code == status, login


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"a": ' + b"[" * 101 + b"]" * 101 + b"}", b"[1]", b'{"workflow": {"id": NaN}}', b"{}"],
)
def test_an_unreadable_body_is_400(lab, body):
    headers = {"Authorization": f"Bearer {lab.token}"}
    assert lab.client.post("/workflows", data=body, headers=headers).status_code == 400


@pytest.mark.parametrize("number", ["99999999999999999999", "2147483648", "0"])
def test_ids_that_no_column_holds_are_404(lab, number):
    assert lab.get(f"/workflows/{number}").status_code == 404


def test_index_lists_own_workflows_only(lab):
    own = lab.add_workflow()
    lab.token_of("stranger")
    lab.add_workflow(owner="stranger")
    rows = lab.get("/workflows", token=lab.token_of("builder")).get_json()
    assert [row["id"] for row in rows] == [own]
