"""What would a volunteer do with a proposal? Seeded: accept it, correct it, or ignore it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark, SubtaskAnswer

Action = Literal["accepted", "corrected", "ignored", "drew"]

# An answer index, or the indices that were ticked.
Choice = int | tuple[int, ...]


@dataclass(frozen=True)
class Temperament:
    """How a crowd treats machines.

    Attributes
    ----------
    ignoring : float
        Probability of deleting the proposals and starting anew, whatever they say.
    anchoring : float
        Probability of leaving an answer as proposed although one would have said otherwise.
    """

    ignoring: float = 0.1
    anchoring: float = 0.15

    def __post_init__(self) -> None:
        for name in ("ignoring", "anchoring"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadInput(f"volunteers: expected 0 <= {name} <= 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class SubtaskQuestion:
    """One subtask as the volunteer meets it.

    Attributes
    ----------
    task : str
        ``T0.0.0``.
    task_type : str
        ``single`` or ``multiple``.
    fractions : tuple of float
        Vote fractions of the crowd this volunteer is drawn from, in the workflow's answer order.
    asked_after : tuple of (task, answer index)
        Earlier answers after which the question makes sense; empty: always. A volunteer whose own
        answers don't lead here leaves it alone.
    """

    task: str
    task_type: Literal["single", "multiple"]
    fractions: tuple[float, ...]
    asked_after: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Response:
    """The marks a volunteer submits, and what they did to the proposals."""

    action: Action
    marks: tuple[Mark, ...]
    answers: Mapping[str, Choice]


def own_answers(
    questions: Sequence[SubtaskQuestion], rng: np.random.Generator
) -> dict[str, Choice]:
    """Draw one volunteer's own answers, parents before children.

    A single question draws one answer by the fractions (normalised); a multiple question ticks each
    answer with its fraction as probability.
    """
    answers: dict[str, Choice] = {}
    for question in questions:
        if question.asked_after and not any(
            _gave(answers.get(task), index) for task, index in question.asked_after
        ):
            continue
        weights = np.asarray(question.fractions, dtype=np.float64)
        if question.task_type == "single":
            if weights.sum() <= 0:
                continue
            answers[question.task] = int(rng.choice(len(weights), p=weights / weights.sum()))
        else:
            ticked = np.flatnonzero(rng.random(len(weights)) < weights)
            answers[question.task] = tuple(int(index) for index in ticked)
    return answers


def _gave(answer: Choice | None, index: int) -> bool:
    return index in answer if isinstance(answer, tuple) else answer == index


def respond(
    proposed: Sequence[Mark],
    own_mark: Mark,
    questions: Sequence[SubtaskQuestion],
    temperament: Temperament,
    rng: np.random.Generator,
) -> Response:
    """Let one volunteer look at one subject.

    Parameters
    ----------
    proposed : sequence of Mark
        What the classifier pre-filled; the first is the object that the questions are about.
    own_mark : Mark
        What this volunteer would draw unaided, without answers.
    questions : sequence of SubtaskQuestion
        Parents before children.

    Returns
    -------
    Response
        ``accepted``: every mark as proposed. ``corrected``: the first mark has the
        volunteer's own answers. ``ignored``: proposals deleted, own mark drawn. ``drew``: there
        was nothing to accept.
    """
    answers = own_answers(questions, rng)
    drawn = own_mark.model_copy(update={"answers": _as_subtasks(questions, answers)})
    if not proposed:
        return Response("drew", (drawn,), answers)
    if rng.random() < temperament.ignoring:
        return Response("ignored", (drawn,), answers)
    first, *others = proposed
    kept: dict[str, Choice] = {}
    suggested = {
        answer.task: answer.value for answer in first.answers if not isinstance(answer.value, str)
    }
    changed = False
    for question in questions:
        mine, machine = answers.get(question.task), suggested.get(question.task)
        if mine != machine and rng.random() < temperament.anchoring:
            mine = machine
        elif mine != machine:
            changed = True
        if mine is not None:
            kept[question.task] = mine
    if not changed:
        return Response("accepted", tuple(proposed), kept)
    corrected = first.model_copy(update={"answers": _as_subtasks(questions, kept)})
    return Response("corrected", (corrected, *others), kept)


def _as_subtasks(
    questions: Sequence[SubtaskQuestion], answers: Mapping[str, Choice]
) -> tuple[SubtaskAnswer, ...]:
    return tuple(
        SubtaskAnswer(
            task=question.task,
            task_type=question.task_type,
            value=answers[question.task],
        )
        for question in questions
        if question.task in answers
    )
