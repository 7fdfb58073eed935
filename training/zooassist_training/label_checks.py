"""Can anything be learnt from these votes? Asked before training starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.training_set import TrainingSet
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema

NAMED = 3


def check_votes(counts: NDArray[np.floating], schema: LabelSchema) -> tuple[str, ...]:
    """Look for questions that teach nothing; return one line for each.

    Parameters
    ----------
    counts : array of shape (galaxies, label columns)
        Of the images to train on.

    Raises
    ------
    BadInput
        When no question does: every one that was answered at all has only one answer given.
    """
    votes = np.asarray(counts, dtype=np.float64).sum(0)
    found = []
    for question in schema.questions:
        given = votes[schema.slices[question.name]] > 0
        if not given.any():
            found.append(f"question {question.name!r}: nobody answered it; it is not learnt")
        elif given.sum() == 1:
            only = question.answers[int(given.argmax())].label
            found.append(f"question {question.name!r}: everybody answered {only!r}")
    if len(found) == len(schema.questions):
        raise BadInput(
            f"expected at least one question with votes on two answers or more among "
            f"{len(counts)} images, got none; first: {found[0]}; export more classifications"
        )
    return tuple(found)


def check_subjects(data: TrainingSet) -> None:
    """Refuse a set that lists a subject twice: it could be learnt from and tested on.

    Raises
    ------
    BadInput
        Names the first few and counts them.
    """
    twice = [subject for subject, n in Counter(data.subject_ids.tolist()).items() if n > 1]
    if twice:
        raise BadInput(
            f"{data.path}: expected each subject once, {len(twice)} are listed more often: "
            f"{_some(twice)}; merge their votes and write the set again"
        )


def check_splits(sets: Iterable[TrainingSet]) -> None:
    """Refuse sets of which one would train on what another tests on.

    Raises
    ------
    BadInput
        Names the first few subjects and counts them.
    """
    tested: set[int] = set()
    trained: set[int] = set()
    for data in sets:
        test = data.subject_ids[data.rows_of("test")].tolist()
        tested.update(test)
        trained.update(set(data.subject_ids.tolist()) - set(test))
    both = sorted(tested & trained)
    if both:
        raise BadInput(
            f"{len(both)} subjects are in the test split of one training set and not in that of "
            f"another: {_some(both)}; write the sets again with the splits that ids have by hash"
        )


def _some(subjects: list[int]) -> str:
    named = ", ".join(str(subject) for subject in subjects[:NAMED])
    return f"{named}, …" if len(subjects) > NAMED else named
