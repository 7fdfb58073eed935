"""A seeded crowd at work: every volunteer classifies every subject the queue hands out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from zooassist_loop.demo.browser import QueuedSubject, VolunteerBrowser
from zooassist_loop.submission import submitted_annotations
from zooassist_plugin.dialects.classifier_v2 import mark_from_v2
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark
from zooassist_plugin.workflow import Workflow

PASSWORD = "sandbox"
# The web front end's public first-party application, which a browser signs in with.
CLIENT_ID = "f79cf5ea821bb161d8cbb52d061ab9a2321d7cb169007003af66b43f7b79ce2a"
PAGE = 20


@dataclass(frozen=True)
class Look:
    """One volunteer before one subject.

    Attributes
    ----------
    volunteer : int
        Counts the crew.
    shown : tuple of Mark
        What the classifier pre-filled.
    rng : numpy.random.Generator
        Decides what this volunteer does here.
    """

    volunteer: int
    subject_id: int
    shown: tuple[Mark, ...]
    rng: np.random.Generator


@dataclass(frozen=True)
class Answered:
    """What is on screen when Done is pressed.

    Attributes
    ----------
    prefilled : bool or tuple of bool
        Whether the marks (or each of them) came from a proposal.
    actions : mapping
        What was done with proposals, counted.
    seconds : float
        How long a person would have taken.
    """

    marks: tuple[Mark, ...]
    prefilled: bool | tuple[bool, ...]
    actions: Mapping[str, int]
    seconds: float


@dataclass(frozen=True)
class CrewReport:
    """What the crowd did."""

    classifications: int
    actions: Mapping[str, int]


def send_crew(
    endpoints: tuple[str, str],
    workflow: Workflow,
    sizes: Mapping[int, tuple[int, int]],
    answer: Callable[[Look], Answered],
    logins: Sequence[str],
    seed: int,
    progress: Callable[[], None] = lambda: None,
) -> CrewReport:
    """Let each volunteer classify until the queue has nothing new for them.

    Parameters
    ----------
    endpoints : (str, str)
        Base URLs of Panoptes and Caesar.
    sizes : mapping
        Subject id -> natural width and height, of every subject that may be queued.
    answer : callable
        What a volunteer makes of a subject.
    seed : int
        With the volunteer's and the subject's number it decides everything they do, whatever
        order the queue takes.
    progress : callable
        Called once for each classification.
    """
    (task,) = workflow.drawing_tasks()
    actions: Counter[str] = Counter()
    total = 0
    for number, login in enumerate(logins):
        browser = VolunteerBrowser(*endpoints, login, PASSWORD, CLIENT_ID)
        try:
            while fresh := _unseen(browser.queued(workflow.workflow_id, PAGE)):
                for queued in fresh:
                    size = _known(sizes, queued)
                    rng = np.random.default_rng([seed, number, queued.subject_id])
                    shown = browser.proposed_marks(workflow.workflow_id, queued.subject_id)
                    began = datetime.now(UTC)
                    marks = tuple(mark_from_v2(mark, task.key) for mark in shown)
                    done = answer(Look(number, queued.subject_id, marks, rng))
                    browser.classify(
                        project_id=workflow.project_id,
                        workflow_id=workflow.workflow_id,
                        workflow_version=workflow.version,
                        subject=queued,
                        annotations=submitted_annotations(task, done.marks, done.prefilled),
                        natural_size=size,
                        # The crew does not wait as long as people take. What was on the screen is
                        # told by when they started, and that is the real moment.
                        finished_at=began + timedelta(seconds=done.seconds),
                        seconds=done.seconds,
                    )
                    actions.update(done.actions)
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


def _known(sizes: Mapping[int, tuple[int, int]], queued: QueuedSubject) -> tuple[int, int]:
    if queued.subject_id not in sizes:
        raise BadInput(
            f"subject {queued.subject_id} is queued but is not part of the demo; "
            "give the demo an empty --out folder"
        )
    return sizes[queued.subject_id]
