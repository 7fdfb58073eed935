"""A seeded crowd at work: every volunteer classifies every subject the queue hands out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from zooassist_loop.demo.browser import QueuedSubject, VolunteerBrowser
from zooassist_loop.submission import submitted_annotations
from zooassist_loop.volunteers import Action, SubtaskQuestion, Temperament, respond
from zooassist_plugin.dialects.classifier_v2 import mark_from_v2
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark
from zooassist_plugin.shapes import Ellipse
from zooassist_plugin.workflow import Workflow

PASSWORD = "sandbox"
# The web front end's public first-party application, which a browser signs in with.
CLIENT_ID = "f79cf5ea821bb161d8cbb52d061ab9a2321d7cb169007003af66b43f7b79ce2a"
PAGE = 20
HAND_JITTER = 2.0  # pixels, standard deviation of an outline drawn by hand


@dataclass(frozen=True)
class CrewSubject:
    """What the crowd makes of one subject: its opinions, and the outline people would draw."""

    subject_id: int
    questions: tuple[SubtaskQuestion, ...]
    outline: Ellipse
    natural_size: tuple[int, int]


@dataclass(frozen=True)
class CrewReport:
    """What the crowd did."""

    classifications: int
    actions: Mapping[Action, int]


def own_mark(outline: Ellipse, rng: np.random.Generator) -> Mark:
    """Draw the outline by hand: the same ellipse, not quite."""
    dx, dy, da, db = rng.normal(0, HAND_JITTER, 4)
    moved = outline.model_copy(
        update={
            "x_center": outline.x_center + dx,
            "y_center": outline.y_center + dy,
            "rx": max(6.0, outline.rx + da),
            "ry": max(6.0, outline.ry + db),
        }
    )
    return Mark(shape=moved)


def send_crew(
    endpoints: tuple[str, str],
    workflow: Workflow,
    subjects: Mapping[int, CrewSubject],
    logins: Sequence[str],
    temperament: Temperament,
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> CrewReport:
    """Let each volunteer classify until the queue has nothing new for them.

    Parameters
    ----------
    endpoints : (str, str)
        Base URLs of Panoptes and Caesar.
    subjects : mapping of subject id to CrewSubject
    seed : int
        With the volunteer's and the subject's number it decides everything they do, whatever
        order the queue takes.
    progress : callable
        Called once for each classification.
    """
    (task,) = workflow.drawing_tasks()
    actions: Counter[Action] = Counter()
    total = 0
    for number, login in enumerate(logins):
        browser = VolunteerBrowser(*endpoints, login, PASSWORD, CLIENT_ID)
        try:
            while fresh := _unseen(browser.queued(workflow.workflow_id, PAGE)):
                for queued in fresh:
                    subject = _known(subjects, queued)
                    rng = np.random.default_rng([seed, number, subject.subject_id])
                    shown = browser.proposed_marks(workflow.workflow_id, subject.subject_id)
                    response = respond(
                        [mark_from_v2(mark, task.key) for mark in shown],
                        own_mark(subject.outline, rng),
                        subject.questions,
                        temperament,
                        rng,
                    )
                    browser.classify(
                        project_id=workflow.project_id,
                        workflow_id=workflow.workflow_id,
                        workflow_version=workflow.version,
                        subject=queued,
                        annotations=submitted_annotations(
                            task, response.marks, response.action in ("accepted", "corrected")
                        ),
                        natural_size=subject.natural_size,
                        finished_at=datetime.now(UTC),
                        seconds=float(rng.uniform(4, 20)),
                    )
                    actions[response.action] += 1
                    total += 1
                    progress()
        finally:
            browser.close()
    return CrewReport(total, dict(actions))


def _unseen(queued: Sequence[QueuedSubject]) -> list[QueuedSubject]:
    """Drop what the queue repeats when it has nothing new left."""
    return [
        subject
        for subject in queued
        if not subject.selection_state["already_seen"] and not subject.selection_state["retired"]
    ]


def _known(subjects: Mapping[int, CrewSubject], queued: QueuedSubject) -> CrewSubject:
    if queued.subject_id not in subjects:
        raise BadInput(
            f"subject {queued.subject_id} is queued but is not part of the demo; "
            "give the demo an empty --out folder"
        )
    return subjects[queued.subject_id]
