"""What do the vote fractions come to when votes are weighted? Question by question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.reductions.weighting.ballots import Ballots
from zooassist_exporters.reductions.weighting.methods import Floats, judge
from zooassist_exporters.vote_records import Integers
from zooassist_plugin.label_schema import LabelSchema


@dataclass(frozen=True)
class WeightedVotes:
    """Weighted votes, one row per subject.

    Attributes
    ----------
    fractions : array, shape (subjects, label columns)
        Weight of the volunteers who chose the answer over that of all who answered the question;
        NaN where nobody did, or nobody of any weight.
    probabilities : array, shape (subjects, label columns)
        The method's own consensus; NaN where nobody answered.
    users, questions, weights, votes : arrays, one entry per volunteer and question
        `votes` is the number of classifications in which the volunteer answered the question.
    iterations : mapping
        Question name -> rounds of estimation.
    """

    fractions: Floats
    probabilities: Floats
    users: Integers
    questions: Integers
    weights: Floats
    votes: Integers
    iterations: Mapping[str, int]


@dataclass(frozen=True)
class QuestionAnswers:
    """The answers to one question; `rows` are rows of the table of subjects.

    Attributes
    ----------
    rows, workers : array, one entry per classification that answered the question
        `workers` numbers the volunteers of this question from 0.
    chosen : array of bool, shape (classifications, answers)
    """

    rows: Integers
    workers: Integers
    chosen: NDArray[np.bool_]


def weigh(
    ballots: Ballots, subject_ids: Integers, schema: LabelSchema, method: str
) -> WeightedVotes:
    """Weigh each volunteer's votes, for each question apart.

    A question that takes several answers is judged as one yes-or-no question per answer.

    Parameters
    ----------
    subject_ids : array, ascending
        The subjects of the result, those of `ballots` among them.
    method : str
        ``agreement``, ``dawid-skene`` or ``mace``.
    """
    shape = (len(subject_ids), len(schema.columns))
    fractions, probabilities = np.full(shape, np.nan), np.full(shape, np.nan)
    people: list[tuple[Integers, Integers, Floats, Integers]] = []
    iterations = {}
    for number, question in enumerate(schema.questions):
        here = schema.slices[question.name]
        volunteers, found = answers_of_question(ballots, number, here, subject_ids)
        if not len(found.rows):
            continue
        size = here.stop - here.start
        if question.type == "single":
            answered, tasks = np.unique(found.rows, return_inverse=True)
            labels = np.argmax(found.chosen, axis=1)
            judged = judge(method, tasks, found.workers, labels, size)
            consensus = judged.probabilities
        else:
            tasks = (found.rows[:, None] * size + np.arange(size)).ravel()
            _, tasks = np.unique(tasks, return_inverse=True)
            workers = np.repeat(found.workers, size)
            judged = judge(method, tasks, workers, found.chosen.ravel().astype(np.int64), 2)
            answered = np.unique(found.rows)
            consensus = judged.probabilities[:, 1].reshape(-1, size)
        probabilities[answered, here] = consensus
        fractions[:, here] = _fractions(found, judged.weights, len(subject_ids))
        times = np.bincount(found.workers, minlength=len(volunteers))
        asked = np.full(len(volunteers), number)
        people.append((volunteers, asked, judged.weights, times))
        iterations[question.name] = judged.iterations
    empty = np.zeros(0, dtype=np.int64)
    columns = zip((empty, empty, np.zeros(0), empty), *people, strict=True)
    users, questions, weights, votes = (np.concatenate(each) for each in columns)
    return WeightedVotes(
        fractions=fractions,
        probabilities=probabilities,
        users=users,
        questions=questions,
        weights=weights,
        votes=votes,
        iterations=iterations,
    )


def answers_of_question(
    ballots: Ballots, number: int, here: slice, subject_ids: Integers
) -> tuple[Integers, QuestionAnswers]:
    """Return the volunteers who answered a question, and their answers.

    Parameters
    ----------
    number : int
        Position of the question in the schema.
    here : slice
        Its label columns.
    subject_ids : array, ascending
        The subjects whose rows the answers name.
    """
    mine = ballots.questions == number
    _, first, place = np.unique(
        ballots.classifications[mine], return_index=True, return_inverse=True
    )
    users, workers = np.unique(ballots.users[mine][first], return_inverse=True)
    rows = np.searchsorted(subject_ids, ballots.subject_ids[mine][first])
    chosen = np.zeros((len(first), here.stop - here.start), dtype=bool)
    columns = ballots.columns[mine]
    named = columns >= 0
    chosen[place[named], columns[named] - here.start] = True
    return users, QuestionAnswers(rows, workers, chosen)


def _fractions(question: QuestionAnswers, weights: Floats, height: int) -> Floats:
    weight = weights[question.workers]
    total = np.bincount(question.rows, weights=weight, minlength=height)
    chosen = [
        np.bincount(question.rows, weights=weight * answer, minlength=height)
        for answer in question.chosen.T
    ]
    sums = np.stack(chosen, axis=1)
    fractions: Floats = np.full(sums.shape, np.nan)
    np.divide(sums, total[:, None], out=fractions, where=total[:, None] > 0)
    return fractions
