"""What does a report say? Numbers only: no name, id or text of a volunteer is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.vote_records import Integers
from zooassist_plugin.label_schema import LabelSchema

Floats = NDArray[np.float64]
BINS: Final = 20


@dataclass(frozen=True)
class QuestionFacts:
    """One question.

    Attributes
    ----------
    answers : tuple of (label, votes, share)
        Share of those who answered the question.
    subjects, answered : int
        Subjects with an answer, and how often the question was answered in all.
    compared : int
        Subjects that two volunteers or more answered the question about.
    leading : array, shape (BINS,)
        Of these, subjects by the share that the leading answer has, from 0 to 1; for a question
        that takes several answers, the answers that anybody gave about a subject, by the share of
        the larger side of those who chose it and those who did not.
    median : float
        Of the same shares; NaN when there is none.
    """

    name: str
    text: str
    task: str
    multiple: bool
    answers: tuple[tuple[str, int, float], ...]
    subjects: int
    answered: int
    compared: int
    leading: Integers
    median: float


@dataclass(frozen=True)
class VolunteerFacts:
    """Volunteers, most classifications first; only their order tells them apart.

    Attributes
    ----------
    classifications : array, one entry per volunteer
    answers : array
        Answers that at least one other volunteer's answer can be compared with.
    agreement : array
        Share of them that the majority of the others gave too, a tie counting half; NaN for none.
    """

    classifications: Integers
    answers: Integers
    agreement: Floats


@dataclass(frozen=True)
class Facts:
    """What a report is made of; parts that the source does not hold are None.

    Attributes
    ----------
    left_out : mapping
        Rule -> classifications that it left out.
    problems : mapping
        Cause -> rows and answers that could not be used.
    per_subject : array
        Classifications (or, of a training set, answers to the most answered question) of each
        subject.
    days : mapping, optional
        Day -> classifications.
    sources : sequence of (name, sha256)
    """

    title: str
    kind: str
    subjects: int
    votes: int
    classifications: int | None
    left_out: Mapping[str, int]
    problems: Mapping[str, int]
    questions: Sequence[QuestionFacts]
    per_subject: Integers
    days: Mapping[date, int] | None = None
    volunteers: VolunteerFacts | None = None
    sources: Sequence[tuple[str, str]] = ()
    options: Mapping[str, str] = field(default_factory=dict)


def question_facts(
    schema: LabelSchema, counts: Integers, totals: Integers
) -> tuple[QuestionFacts, ...]:
    """Describe each question.

    Parameters
    ----------
    counts : array, shape (subjects, label columns)
    totals : array, shape (subjects, questions)
    """
    facts = []
    for number, question in enumerate(schema.questions):
        asked = totals[:, number] > 0
        total = totals[asked, number].astype(np.float64)
        here = counts[asked, schema.slices[question.name]]
        several = total > 1  # one answer always leads with all votes
        shares = here[several] / total[several, None]
        multiple = question.type == "multiple"
        leading = np.maximum(shares, 1 - shares)[shares > 0] if multiple else shares.max(axis=1)
        votes = here.sum(axis=0)
        whole = max(float(total.sum()), 1.0)
        facts.append(
            QuestionFacts(
                name=question.name,
                text=question.text,
                task=question.task,
                multiple=multiple,
                answers=tuple(
                    (answer.label, int(count), float(count / whole))
                    for answer, count in zip(question.answers, votes, strict=True)
                ),
                subjects=int(asked.sum()),
                answered=int(total.sum()),
                compared=int(several.sum()),
                leading=np.histogram(leading, bins=BINS, range=(0.0, 1.0))[0],
                median=float(np.median(leading)) if leading.size else float("nan"),
            )
        )
    return tuple(facts)
