"""What does the demo's workflow ask? An outline per galaxy, with four questions on it."""

from __future__ import annotations

from typing import Any

from zooassist_loop.demo.project import Plan
from zooassist_plugin.label_schema import LabelSchema, Question

# A decision tree does not fit into subtasks (they have no branches), so the demo asks the few
# questions that make sense for every galaxy or can be left alone.
QUESTIONS = ("smooth-or-featured", "disk-edge-on", "has-spiral-arms", "something-odd")
DRAWING_TASK = "T0"


def subtask_key(place: int) -> str:
    """Return the task key of the question at `place`."""
    return f"{DRAWING_TASK}.0.{place}"


def galaxy_plan(schema: LabelSchema) -> Plan:
    """Return what the project on galaxies is called and asks."""
    return Plan(
        description="Galaxies with proposals to correct",
        what="galaxies",
        asks="Outline and describe",
        tasks=workflow_tasks(schema),
        first_task=DRAWING_TASK,
    )


def workflow_tasks(schema: LabelSchema) -> dict[str, Any]:
    """Build the tasks JSON from a model's own questions and answers, word for word."""
    return {
        DRAWING_TASK: {
            "type": "drawing",
            "instruction": "Outline the galaxy in the middle and describe it",
            "help": "Correct the outline and the answers where they are wrong.",
            "required": False,
            "next": None,
            "tools": [
                {
                    "type": "ellipse",
                    "label": "Galaxy",
                    "color": "#5edcff",
                    "min": 0,
                    "max": 1,
                    "size": "large",
                    "details": [_detail(schema.question(name)) for name in QUESTIONS],
                }
            ],
        }
    }


def _detail(question: Question) -> dict[str, Any]:
    return {
        "type": question.type,
        "question": question.text or question.name,
        "required": False,
        "answers": [{"label": answer.label} for answer in question.answers],
    }
