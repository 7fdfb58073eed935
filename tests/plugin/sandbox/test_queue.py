from __future__ import annotations

import pytest


@pytest.fixture
def pool(builder, project, workflow):
    subject_set = builder.subject_set(project)
    numbers = builder.subjects(project, 6, subject_set, lambda n: {"#priority": 6 - n})
    links = {"subject_sets": [subject_set["id"]]}
    builder.post(f"/workflows/{workflow['id']}/links/subject_sets", links)
    return {"set": subject_set["id"], "subjects": numbers}


def queued(api, workflow, **params):
    answer = api.get("/subjects/queued", workflow_id=workflow["id"], http_cache="true", **params)
    assert answer.status_code == 200, answer.text
    return answer.json()["subjects"]


def retire(builder, server, workflow, subjects):
    path = f"/workflows/{workflow['id']}/retired_subjects"
    assert builder.post(path, {"subject_ids": subjects}).status_code == 204
    server.sandbox.jobs.drain()


def test_a_queued_subject_has_everything_the_classifier_reads(anonymous, workflow, pool):
    subjects = queued(anonymous, workflow)
    assert {subject["id"] for subject in subjects} == set(pool["subjects"])
    subject = subjects[0]
    assert subject["selected_at"] == "2026-06-01T10:00:00.000Z"
    assert subject["selection_state"] == "normal"
    flags = (
        "already_seen", "retired", "finished_workflow", "user_has_finished_workflow", "favorite",
    )  # fmt: skip
    assert {name: subject[name] for name in flags} == dict.fromkeys(flags, False)
    assert next(iter(subject["locations"][0])) == "image/png"


def test_page_size_and_default(builder, anonymous, project, workflow, pool):
    assert len(queued(anonymous, workflow, page_size=2)) == 2
    builder.subjects(project, 20, {"id": pool["set"]})
    assert len(queued(anonymous, workflow)) == 10


def test_the_queue_is_shuffled(anonymous, workflow, pool):
    orders = {tuple(row["id"] for row in queued(anonymous, workflow)) for _ in range(8)}
    assert len(orders) > 1


def test_prioritized_workflows_go_by_ascending_priority(builder, anonymous, workflow, pool):
    builder.put(f"/workflows/{workflow['id']}", {"workflows": {"prioritized": True}})
    assert [row["id"] for row in queued(anonymous, workflow)] == pool["subjects"][::-1]


def test_seen_and_retired_subjects_are_left_out(builder, volunteer, server, workflow, pool):
    seen, retired, *rest = pool["subjects"]
    volunteer.classify(workflow, seen)
    retire(builder, server, workflow, [retired])
    assert {row["id"] for row in queued(volunteer, workflow)} == set(rest)
    assert {row["id"] for row in queued(builder, workflow)} == {seen, *rest}


def test_a_volunteer_who_has_seen_everything_gets_flagged_subjects(volunteer, workflow, pool):
    for subject in pool["subjects"]:
        assert volunteer.classify(workflow, subject).status_code == 201
    for subject in queued(volunteer, workflow):
        assert subject["selection_state"] == "internal_fallback"
        assert subject["already_seen"] is subject["user_has_finished_workflow"] is True
        assert subject["retired"] is subject["finished_workflow"] is False


def test_a_finished_workflow_says_so(builder, anonymous, server, project, workflow, pool):
    retire(builder, server, workflow, pool["subjects"])
    for subject in queued(anonymous, workflow):
        assert subject["selection_state"] == "internal_fallback"
        assert subject["retired"] is subject["finished_workflow"] is True
    assert builder.one(f"/workflows/{workflow['id']}")["completeness"] == 1.0
    (fresh,) = builder.subjects(project, 1, {"id": pool["set"]})
    assert [row["id"] for row in queued(anonymous, workflow)] == [fresh]
    assert builder.one(f"/workflows/{workflow['id']}")["finished_at"] is None


def test_by_subject_set(builder, anonymous, project, workflow, pool):
    second = builder.subject_set(project, "second")
    (other,) = builder.subjects(project, 1, second)
    links = {"subject_sets": [second["id"]]}
    builder.post(f"/workflows/{workflow['id']}/links/subject_sets", links)
    shown = queued(anonymous, workflow, subject_set_id=second["id"])
    assert [row["id"] for row in shown] == [other]
    builder.put(f"/workflows/{workflow['id']}", {"workflows": {"grouped": True}})
    ask = {"workflow_id": workflow["id"]}
    assert anonymous.get("/subjects/queued", **ask).status_code == 422
    assert len(queued(anonymous, workflow, subject_set_id=second["id"])) == 1


@pytest.mark.parametrize(
    ("params", "status"), [({}, 422), ({"workflow_id": "999"}, 404), ({"workflow_id": "x"}, 422)]
)
def test_queues_need_a_workflow(anonymous, project, params, status):
    assert anonymous.get("/subjects/queued", **params).status_code == status


def test_workflows_with_nothing_to_show_are_404(builder, anonymous, project, workflow):
    ask = {"workflow_id": workflow["id"]}
    answer = anonymous.get("/subjects/queued", **ask)
    assert answer.status_code == 404
    assert "no subject set" in answer.json()["errors"][0]["message"]
    empty = builder.subject_set(project)
    links = {"subject_sets": [empty["id"]]}
    builder.post(f"/workflows/{workflow['id']}/links/subject_sets", links)
    answer = anonymous.get("/subjects/queued", **ask)
    assert "No data available" in answer.json()["errors"][0]["message"]
    foreign = builder.subject_set(project, "not linked")
    assert anonymous.get("/subjects/queued", subject_set_id=foreign["id"], **ask).status_code == 404


def test_chosen_subjects_keep_their_order(anonymous, volunteer, workflow, pool):
    wanted = [pool["subjects"][4], pool["subjects"][0]]
    volunteer.classify(workflow, wanted[0])
    params = {"workflow_id": workflow["id"], "ids": ",".join(wanted)}
    shown = volunteer.get("/subjects/selection", **params).json()["subjects"]
    assert [row["id"] for row in shown] == wanted
    assert [row["already_seen"] for row in shown] == [True, False]
    for ids, status in (("", 422), (",".join(map(str, range(1, 12))), 422), ("999", 404)):
        params["ids"] = ids
        assert anonymous.get("/subjects/selection", **params).status_code == status


def test_grids_are_one_subject_of_many(anonymous, workflow, pool):
    params = {"workflow_id": workflow["id"], "num_rows": 2, "num_columns": 2}
    (grid,) = anonymous.get("/subjects/grouped", **params).json()["subjects"]
    assert len(grid["locations"]) == 4
    members = grid["metadata"]["#group_subject_ids"].split("-")
    assert set(members) < set(pool["subjects"])
    assert anonymous.classify(workflow, grid["id"]).status_code == 201
    params["num_rows"] = 51
    assert anonymous.get("/subjects/grouped", **params).status_code == 422
    params["num_rows"] = 4
    assert anonymous.get("/subjects/grouped", **params).status_code == 404


def test_there_is_one_page_for_whoever_reads_to_the_end(anonymous, workflow, pool):
    path, seen = f"/subjects/queued?workflow_id={workflow['id']}&page_size=2", []
    while path:
        answer = anonymous.get(path)
        assert answer.status_code == 200
        seen.append(len(answer.json()["subjects"]))
        path = answer.json()["meta"]["subjects"]["next_href"]
    assert seen == [2, 0]
