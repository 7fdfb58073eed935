"""How do several training sets teach one network? One label schema, each image with its own votes.

A question that two sets ask in the same words, with the same answers, at the same place of the
tree, is one question (`match_labels`). All others stand side by side. An image has no votes on the
questions of other surveys, and so their loss is 0 for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from zooassist_exporters.splits import Split
from zooassist_exporters.training_set import TrainingSet, read_training_set
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_match import match_labels
from zooassist_plugin.label_schema import LabelSchema, Question
from zooassist_plugin.model_card import Preprocessing
from zooassist_training.datasets import LabelledImages, read_labelled_images, temporary_array
from zooassist_training.label_checks import check_splits, check_subjects, check_votes


@dataclass(frozen=True)
class Survey:
    """One training set, and where its label columns lie among all."""

    name: str
    data: TrainingSet
    places: tuple[int, ...]


@dataclass(frozen=True)
class Surveys:
    """One or several training sets with the schema of all.

    Attributes
    ----------
    surveys : tuple of Survey
        Their names differ.
    """

    schema: LabelSchema
    surveys: tuple[Survey, ...]

    def __len__(self) -> int:
        return sum(len(survey.data) for survey in self.surveys)

    @cached_property
    def name(self) -> str:
        """Names of all sets."""
        return ", ".join(survey.name for survey in self.surveys)

    @property
    def taught(self) -> LabelSchema:
        """What a network learns from them."""
        return self.schema

    def remarks(self, training: LabelledImages) -> tuple[str, ...]:
        """Say which questions teach nothing, see `label_checks.check_votes`."""
        return check_votes(training.counts, self.schema)

    def read(self, splits: Sequence[Split], spec: Preprocessing) -> LabelledImages:
        """Read the images of some splits of all sets, each with its own set's votes."""
        parts = []
        for number, survey in enumerate(self.surveys):
            part = read_labelled_images(survey.data, splits, spec)
            counts = np.zeros((len(part), len(self.schema.columns)), dtype=np.float32)
            counts[:, list(survey.places)] = part.counts
            numbers = np.full(len(part), number)
            parts.append(replace(part, labels=counts, surveys=numbers))
        return joined(parts)


def read_surveys(paths: Sequence[Path]) -> Surveys:
    """Read training sets and bring their schemas together.

    Raises
    ------
    BadInput
        When a set can't be used, or one label column means two things.
    """
    named = read_sets(paths)
    names, sets = tuple(named), list(named.values())
    schema = sets[0].schema
    columns: list[tuple[str, ...]] = [schema.columns]
    for name, data in zip(names[1:], sets[1:], strict=True):
        schema, found = union(schema, data.schema, name)
        columns.append(found)
    places = [tuple(schema.columns.index(column) for column in each) for each in columns]
    return Surveys(schema, tuple(map(Survey, names, sets, places)))


def read_sets(paths: Sequence[Path]) -> dict[str, TrainingSet]:
    """Read training sets that can be learnt from together, by names that differ.

    Raises
    ------
    BadInput
        When there is none, one can't be used, or they contradict each other.
    """
    if not paths:
        raise BadInput("expected a training set, got none")
    sets = [read_training_set(path) for path in paths]
    for data in sets:
        check_subjects(data)
    check_splits(sets)
    digests = [data.sha256 for data in sets]
    for place, digest in enumerate(digests):
        if digest in digests[:place]:
            raise BadInput(
                f"{paths[place]}: the same training set as {paths[digests.index(digest)]}; "
                "give each once"
            )
    return dict(zip(_names(sets), sets, strict=True))


def union(
    first: LabelSchema, second: LabelSchema, name: str
) -> tuple[LabelSchema, tuple[str, ...]]:
    """Add the questions of a second schema to a first.

    Parameters
    ----------
    name : str
        Of the second set; for messages, and to tell questions of one name apart.

    Returns
    -------
    LabelSchema
        The first schema's questions, unchanged and in front, and those that only the second has.
    tuple of str
        For every label column of the second schema, the column that it is in the union.

    Raises
    ------
    BadInput
        When a column of both belongs to questions that differ; says how.
    """
    known = {column: question for question in first.questions for column in question.columns}
    renamed: dict[str, str] = {}
    added: list[Question] = []
    taken = {question.name for question in first.questions}
    for question in _parents_first(second):
        parents = tuple(renamed[column] for column in question.asked_after)
        moved = replace(question, asked_after=parents)
        shared = [column for column in question.columns if column in known]
        if shared:
            _check_same(known[shared[0]], moved, name)
            renamed |= {column: column for column in question.columns}
            continue
        same = _same_words(first, moved)
        if same is not None:
            renamed |= same
            continue
        renamed |= {column: column for column in question.columns}
        if moved.name in taken:
            moved = replace(moved, name=f"{moved.name}-{name}")
        taken.add(moved.name)
        added.append(moved)
    order = {column: place for place, column in enumerate(second.columns)}
    added.sort(key=lambda question: order[question.columns[0]])
    together = LabelSchema((*first.questions, *added))
    return together, tuple(renamed[column] for column in second.columns)


def _parents_first(schema: LabelSchema) -> list[Question]:
    done: list[Question] = []
    seen: set[str] = set()
    left = list(schema.questions)
    while left:  # a valid schema has no circles
        ready = [question for question in left if set(question.asked_after) <= seen]
        done += ready
        seen |= {column for question in ready for column in question.columns}
        left = [question for question in left if question not in ready]
    return done


def _check_same(known: Question, question: Question, name: str) -> None:
    differences = [
        ("answers", known.columns, question.columns),
        ("type", [known.type], [question.type]),
        ("asked after", known.asked_after, question.asked_after),
        ("labels", [a.label for a in known.answers], [a.label for a in question.answers]),
    ]
    for what, expected, found in differences:
        if list(expected) != list(found):
            raise BadInput(
                f"{name}: question {question.name!r} shares label columns with {known.name!r} of "
                f"the sets before, but its {what} differ: {_words(found)}, there "
                f"{_words(expected)}; give its "
                "columns other names in the export"
            )


def _words(values: Iterable[str]) -> str:
    return ", ".join(values) or "nothing"


def _same_words(first: LabelSchema, question: Question) -> dict[str, str] | None:
    """Return the columns of the same question in the first schema, None when it has none."""
    alone = LabelSchema((replace(question, asked_after=()),))
    pairs = match_labels(first, alone).pairs
    if not pairs:
        return None
    found = first.question(pairs[0].question)
    if set(found.asked_after) != set(question.asked_after):
        return None
    answers = [found.answers[index].column for index in pairs[0].answer_index]
    return dict(zip(question.columns, answers, strict=True))


def _names(sets: Sequence[TrainingSet]) -> list[str]:
    """Name the sets by their folders, with a number behind names that were there before."""
    names: list[str] = []
    for data in sets:
        name = data.path.resolve().name
        number = 2
        while name in names:
            name, number = f"{data.path.resolve().name}-{number}", number + 1
        names.append(name)
    return names


def joined(parts: Sequence[LabelledImages]) -> LabelledImages:
    """Return the images of several training sets, one set's after the other's."""
    if len(parts) == 1:
        return parts[0]
    total = sum(len(part) for part in parts)
    images = temporary_array((total, *parts[0].images.shape[1:]))
    start = 0
    for part in parts:
        images[start : start + len(part)] = part.images
        start += len(part)
    return LabelledImages(
        images=images,
        labels=np.concatenate([part.labels for part in parts]),
        subject_ids=np.concatenate([part.subject_ids for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        surveys=np.concatenate([part.surveys for part in parts]),
        problems=tuple(problem for part in parts for problem in part.problems),
        without_labels=sum(part.without_labels for part in parts),
    )
