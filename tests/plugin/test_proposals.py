import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.proposals import Proposal, proposal_json_schema_text
from zooassist_plugin.shapes import Ellipse

PUBLISHED = Path(__file__).parents[2] / "docs" / "schemas" / "proposal.schema.json"
FIELDS = {
    "proposal_id": "run7-5678",
    "workflow_id": 102,
    "subject_id": 5678,
    "model": "galaxy-zoo",
    "model_version": "3f2a",
    "created_at": datetime(2026, 6, 1, tzinfo=UTC),
    "confidence": 0.9,
    "uncertainty": 0.1,
}


def test_a_proposal_survives_json():
    proposal = Proposal(
        **FIELDS,
        answers={"T0.0.0": (0.1, 0.9)},
        asked={"T0.0.0": 1.0},
        marks=(
            Mark(
                shape=Ellipse(x_center=1, y_center=2, rx=9, ry=8),
                answers=(SubtaskAnswer(task="T0.0.1", task_type="multiple", value=(0, 2)),),
            ),
        ),
    )
    again = Proposal.model_validate_json(proposal.model_dump_json())
    assert again == proposal
    assert again.marks[0].answers[0].value == (0, 2)


@pytest.mark.parametrize(
    "change",
    [
        {"confidence": 1.1},
        {"uncertainty": -1},
        {"uncertainty": float("nan")},
        {"answers": {"T0": (0.5, float("inf"))}},
        {"answers": {"T0": ()}},
        {"created_at": datetime(2026, 6, 1)},
        {"arm": "both"},
        {"subject_id": 0},
        {"model": ""},
        {"probability": 1},
    ],
    ids=str,
)
def test_a_proposal_is_validated_on_construction(change):
    with pytest.raises(ValidationError):
        Proposal(**{**FIELDS, **change})


@pytest.mark.parametrize(
    ("task", "kind", "value"),
    [
        ("T0", "single", 1),
        ("T0.0.0", "single", "yes"),
        ("T0.0.0", "multiple", 1),
        ("T0.0.0", "text", 1),
        ("T0.0.0", "survey", 1),
    ],
)
def test_a_subtask_answer_is_of_the_type_it_says(task, kind, value):
    with pytest.raises(ValidationError):
        SubtaskAnswer(task=task, task_type=kind, value=value)


def test_the_published_json_schema_is_current():
    assert PUBLISHED.read_text(encoding="utf-8") == proposal_json_schema_text(), (
        "run: python -m zooassist_plugin.proposals > docs/schemas/proposal.schema.json"
    )


def test_the_published_json_schema_names_every_field():
    schema = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert set(schema["properties"]) == set(Proposal.model_fields)
    assert schema["additionalProperties"] is False
    assert set(FIELDS) <= set(schema["required"])
