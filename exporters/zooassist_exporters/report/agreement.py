"""How often does a volunteer answer as the others do?"""

from __future__ import annotations

import numpy as np

from zooassist_exporters.reductions.votes import SubjectVotes
from zooassist_exporters.reductions.weighting.ballots import Ballots
from zooassist_exporters.reductions.weighting.weighing import QuestionAnswers, answers_of_question
from zooassist_exporters.report.facts import Floats, VolunteerFacts
from zooassist_exporters.vote_records import Integers
from zooassist_plugin.label_schema import LabelSchema


def volunteer_facts(
    ballots: Ballots, votes: SubjectVotes, schema: LabelSchema, users: Integers
) -> VolunteerFacts:
    """Compare each answer with the majority of the other answers to the question.

    A volunteer's own vote does not count towards the majority it is compared with: of two votes
    that differ neither agrees.

    Parameters
    ----------
    users : array, one entry per classification
        Who made it, those without any answer too.
    """
    people, classifications = np.unique(users, return_counts=True)
    compared, agreed = np.zeros(len(people)), np.zeros(len(people))
    for number, question in enumerate(schema.questions):
        here = schema.slices[question.name]
        volunteers, answers = answers_of_question(ballots, number, here, votes.subject_ids)
        agreement = agreement_with_others(
            answers, votes.counts[:, here], votes.totals[:, number], question.type == "multiple"
        )
        known = ~np.isnan(agreement)
        who = np.searchsorted(people, volunteers)[answers.workers]
        compared += np.bincount(who[known], minlength=len(people))
        agreed += np.bincount(who[known], weights=agreement[known], minlength=len(people))
    share = np.full(len(people), np.nan)
    np.divide(agreed, compared, out=share, where=compared > 0)
    order = np.lexsort((people, -classifications))
    return VolunteerFacts(classifications[order], compared[order].astype(np.int64), share[order])


def agreement_with_others(
    answers: QuestionAnswers, counts: Integers, totals: Integers, multiple: bool
) -> Floats:
    """Return how far each answer to one question agrees with the others': 1, 0, or 0.5 for a tie.

    Parameters
    ----------
    counts : array, shape (subjects, answers)
    totals : array, shape (subjects,)
    multiple : bool
        Each answer is a yes or no of its own; the mean of those that anybody said yes to counts.

    Returns
    -------
    array, one entry per classification
        NaN where nobody else answered.
    """
    others = counts[answers.rows] - answers.chosen
    alone = totals[answers.rows] < 2
    if multiple:
        yes = 2 * others - (totals[answers.rows] - 1)[:, None]  # more than half: positive
        same = np.where(yes == 0, 0.5, (yes > 0) == answers.chosen)
        said = answers.chosen | (others > 0)
        agreement: Floats = np.ones(len(same))  # nobody said yes to anything
        np.divide(
            (same * said).sum(axis=1), said.sum(axis=1), out=agreement, where=said.any(axis=1)
        )
    else:
        mine = (others * answers.chosen).sum(axis=1)
        best = np.where(answers.chosen, -1, others).max(axis=1)
        agreement = np.where(mine == best, 0.5, (mine > best).astype(np.float64))
    found: Floats = np.where(alone, np.nan, agreement)
    return found
