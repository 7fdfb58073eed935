from __future__ import annotations

import json

import pytest

from zooassist_serving.http.answers import ProposalsBody
from zooassist_serving.http.app import create_app

PROPOSALS = "/v1/models/tiny/proposals"
WORKFLOW = {
    "id": "12",
    "display_name": "Galaxies",
    "version": "3.4",
    "first_task": "T0",
    "configuration": {"enable_caesar_data_fetching": True},
    "links": {"project": "1"},
    "tasks": {
        "T0": {
            "type": "drawing",
            "instruction": "Outline the galaxy",
            "tools": [
                {
                    "type": "ellipse",
                    "label": "Galaxy",
                    "details": [
                        {
                            "type": "single",
                            "question": "Is there a bar?",
                            "answers": [{"label": "No"}, {"label": "Yes"}],
                        },
                        {
                            "type": "single",
                            "question": "What colour?",
                            "answers": [{"label": "Red"}, {"label": "Blue"}],
                        },
                    ],
                }
            ],
        }
    },
}


@pytest.fixture
def client(plane, media):
    return create_app(plane, token=None, media_origins=[media]).test_client()


def asked(media, **changes):
    subjects = [
        {"id": "7", "locations": [{"image/png": f"{media}/a.png"}, {"image/png": f"{media}/b"}]},
        {"id": "8", "locations": [{"image/png": f"{media}/gone.png"}]},
    ]
    return {"workflow": WORKFLOW, "subjects": subjects} | changes


def test_proposals_ready_for_each_presenter(client, media, tiny_folder):
    answer = client.post(PROPOSALS, json=asked(media))
    assert answer.status_code == 200, answer.get_data(as_text=True)
    body = answer.get_json()
    ProposalsBody.model_validate(body)
    assert body["model_version"] == tiny_folder.card.version
    assert any("What colour?" in misfit for misfit in body["misfits"])
    good, bad = body["proposals"]
    assert good["subject_id"] == 7
    assert len(good["proposal"]["answers"]["T0.0.0"]) == 2
    assert set(good["presented"]) == {"marks", "subtasks", "masks"}
    assert "data" in good["presented"]["marks"]["payload"]
    assert bad["subject_id"] == 8
    assert bad["proposal"] is None
    assert "404" in bad["error"]


def test_one_presenter_and_line_by_line(client, media):
    answer = client.post(
        PROPOSALS,
        json=asked(media, presenters=["marks"]),
        headers={"Accept": "application/x-ndjson"},
    )
    rows = [json.loads(line) for line in answer.get_data().splitlines()]
    assert [list(row["presented"]) for row in rows] == [["marks"], []]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"workflow": {}}, "workflow: expected one as Panoptes' API has it"),
        ({"workflow": {"id": "12"}}, "workflow"),
        ({"workflow": WORKFLOW | {"tasks": {"T0": 5}}}, "T0"),
        ({"workflow": WORKFLOW | {"tasks": {"T0": {"type": "drawing", "tools": 5}}}}, "tools"),
        ({"workflow": WORKFLOW | {"steps": [1]}}, "step"),
        ({"workflow": [1]}, "workflow"),
        ({"subjects": []}, "subjects"),
        ({"presenters": ["oracle"]}, "presenters: expected some of marks"),
        ({"map": {"T9": "bar"}}, "T9"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_is_refused(client, media, changes, words, check_problem):
    check_problem(client.post(PROPOSALS, json=asked(media, **changes)), 422, words)


def test_other_content_types(client, check_problem):
    check_problem(client.post(PROPOSALS, data=b"x", content_type="image/png"), 415, "image/png")


def test_subjects_from_elsewhere(client, media, check_problem):
    other = [{"id": "7", "locations": [{"image/png": "http://169.254.169.254/latest"}]}]
    check_problem(client.post(PROPOSALS, json=asked(media, subjects=other)), 403, "--allow-media")


def test_a_model_of_values_makes_no_proposals(client, media, check_problem):
    answer = client.post("/v1/models/numbers/proposals", json=asked(media))
    check_problem(answer, 422, "answers questions")
