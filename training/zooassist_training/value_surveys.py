"""How do training sets teach values? Their targets, what these are like, and each image's numbers.

A target that two sets have under one name is one target. A subject without a value for it costs
nothing there, and one without any value is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zooassist_exporters.splits import Split
from zooassist_exporters.training_set import TrainingSet
from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import Preprocessing
from zooassist_plugin.targets import Targets
from zooassist_training.datasets import LabelledImages, read_labelled_images
from zooassist_training.surveys import joined, read_sets
from zooassist_training.target_values import (
    Floats,
    Wish,
    absent,
    describe_target,
    no_numbers,
    read_columns,
    remark,
)


@dataclass(frozen=True, eq=False)
class ValueSurvey:
    """One training set and its subjects' values, an array of shape (subjects, targets)."""

    name: str
    data: TrainingSet
    values: Floats


@dataclass(frozen=True, eq=False)
class ValueSurveys:
    """One or several training sets with the targets of all; to values what `Surveys` is to votes.

    Attributes
    ----------
    taught : Targets
        With mean, scale and range of the values to learn from.
    broken : tuple of str
        One line per target and set with values that are no numbers.
    """

    taught: Targets
    surveys: tuple[ValueSurvey, ...]
    broken: tuple[str, ...] = ()

    def __len__(self) -> int:
        return sum(len(survey.data) for survey in self.surveys)

    @property
    def name(self) -> str:
        """Names of all sets."""
        return ", ".join(survey.name for survey in self.surveys)

    def remarks(self, training: LabelledImages) -> tuple[str, ...]:
        """Say which values are taken as missing, and how many are."""
        known = np.isfinite(training.labels).sum(0)
        counted = [
            f"target {name!r}: known of {number} of {len(training)} images to train on"
            for name, number in zip(self.taught.columns, known, strict=True)
            if number < len(training)
        ]
        return (*self.broken, *counted)

    def read(self, splits: Sequence[Split], spec: Preprocessing) -> LabelledImages:
        """Read the images of some splits of all sets, each with its own set's values."""
        parts = []
        for number, survey in enumerate(self.surveys):
            part = read_labelled_images(survey.data, splits, spec, survey.values)
            parts.append(replace(part, surveys=np.full(len(part), number)))
        return joined(parts)


def read_value_surveys(
    paths: Sequence[Path], wishes: Sequence[Wish], train_on: Sequence[Split] = ("train",)
) -> ValueSurveys:
    """Read training sets and the values of their subjects.

    Parameters
    ----------
    train_on : sequence of str
        Splits whose values say what a target is like.

    Raises
    ------
    BadInput
        When a set can't be used, a target is not there, or its values are no numbers, too few, or
        all the same.
    """
    named = read_sets(paths)
    names = [wish.name for wish in wishes]
    columns = {name: read_columns(data, names) for name, data in named.items()}
    missing = [name for name in names if not any(each[name].present for each in columns.values())]
    if missing:
        raise absent(missing, list(named.values()))
    broken = []
    for survey, each in columns.items():
        if not any(column.present for column in each.values()):
            raise BadInput(
                f"{survey}: no subject has any of the targets {', '.join(names)}; leave the set out"
            )
        of = f"{survey}: " if len(named) > 1 else ""
        lines = (remark(name, each[name]) for name in names)
        broken += [of + line for line in lines if line is not None]
    surveys = tuple(
        ValueSurvey(name, data, np.stack([columns[name][each].values for each in names], axis=1))
        for name, data in named.items()
    )
    learnt = np.concatenate(
        [survey.values[survey.data.rows_of(split)] for survey in surveys for split in train_on]
    )
    targets = []
    for place, wish in enumerate(wishes):
        every = [each[wish.name] for each in columns.values()]
        if not any(np.isfinite(column.values).any() for column in every):
            raise no_numbers(wish.name, every)
        targets.append(describe_target(wish, learnt[:, place]))
    return ValueSurveys(Targets(tuple(targets)), surveys, tuple(broken))
