"""What do concentrations say under a label schema? Fractions, who is asked what, how unsure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_serving.information import bald
from zooassist_serving.mixture_quantiles import beta_quantiles, mixture_quantiles
from zooassist_serving.posteriors import Floats, checked_concentrations

# Votes an image is imagined to get when information is computed. Few, as near retirement.
EXPECTED_VOTES = 10
# What an interval holds: columns are named for it (`_lower90`, `_upper90`).
LEVEL = 0.90


@dataclass(frozen=True, eq=False)
class VoteSummary:
    """Arrays with one row per image.

    Attributes
    ----------
    fractions, lower90, upper90 : array of shape (images, columns)
        Mean and central 90 % interval of the vote fraction among those who are asked.
    asked : array of shape (images, questions)
        Expected proportion of volunteers that reach the question.
    uncertainty : array of shape (images,)
        How much there is to learn about each image; larger is less sure. With several samples:
        BALD in nats, summed over the questions, each with the votes it can expect out of
        `EXPECTED_VOTES`. With one sample BALD is zero by construction; then it is the entropy of
        the expected fractions, as a share of its maximum, averaged over the questions with the
        proportion asked as weight: 0 to 1. The two scales don't compare.
    """

    fractions: Floats
    lower90: Floats
    upper90: Floats
    asked: Floats
    uncertainty: Floats

    def of(self, image: int) -> dict[str, Any]:
        """Return what only votes have, for one image."""
        return {"fractions": self.fractions[image], "asked": self.asked[image]}


class VoteSummariser:
    """Summarises outputs under one schema; what follows from the schema alone is worked out once.

    One call per quantity for all questions keeps a single image well under a millisecond.
    """

    def __init__(self, schema: LabelSchema) -> None:
        self._schema, self._columns = schema, len(schema.columns)
        self._slices = tuple(schema.slices.values())
        self._starts = np.array([where.start for where in self._slices], dtype=np.intp)
        sizes = np.diff([*self._starts, self._columns])
        self._question_of = np.repeat(np.arange(len(sizes)), sizes)
        # The second of two answers is what the first leaves, and so are its interval's ends.
        second = self._starts[sizes == 2] + 1
        self._wanted = np.setdiff1d(np.arange(self._columns), second)
        self._before_second = np.searchsorted(self._wanted, second - 1)
        # Where a column's ends are when those of the seconds are put behind the others.
        self._place = np.argsort([*self._wanted, *second])
        # A question with one answer has no entropy; its maximum of 0 must not divide.
        self._most_entropy = np.log(np.maximum(sizes, 2))
        self._levels = _levels_of(schema)

    def __call__(self, concentrations: NDArray[np.floating]) -> VoteSummary:
        """Summarise; parameters and errors as of `summarise`."""
        if concentrations.ndim != 3 or concentrations.shape[2] != self._columns:
            raise BadInput(
                f"expected concentrations (images, samples, {self._columns}), "
                f"got {concentrations.shape}; schema and graph are not of the same model"
            )
        values = checked_concentrations(concentrations)
        totals = np.add.reduceat(values, self._starts, axis=2).take(self._question_of, axis=2)
        shares = values / totals
        fractions: Floats = shares[:, 0] if values.shape[1] == 1 else shares.mean(1)
        lower90, upper90 = self._interval(values, totals - values)
        asked = self.asked(fractions)
        return VoteSummary(
            fractions=fractions,
            lower90=lower90,
            upper90=upper90,
            asked=asked,
            uncertainty=self._uncertainty(values, fractions, asked),
        )

    def _interval(self, alphas: Floats, rest: Floats) -> tuple[Floats, Floats]:
        """Return both ends of every column's interval: to 1e-5 for one sample, else to 1e-4."""
        a, b = alphas.take(self._wanted, axis=2), rest.take(self._wanted, axis=2)
        tail = (1.0 - LEVEL) / 2.0
        if alphas.shape[1] == 1:
            found = beta_quantiles(a[:, 0], b[:, 0], (tail, 1.0 - tail))
        else:
            by_column = [part.swapaxes(1, 2).reshape(-1, part.shape[1]) for part in (a, b)]
            ends = mixture_quantiles(by_column[0], by_column[1], (tail, 1.0 - tail))
            found = np.array(ends).reshape(2, len(a), len(self._wanted))
        second = 1.0 - found[::-1].take(self._before_second, axis=2)
        lower, upper = np.concatenate((found, second), axis=2).take(self._place, axis=2)
        return lower, upper

    def asked(self, fractions: Floats) -> Floats:
        """Return the proportion asked, see `proportion_asked`."""
        asked = np.ones((len(fractions), len(self._slices)))
        for level in self._levels:
            paths = asked.take(level.parents, axis=1) * fractions.take(level.columns, axis=1)
            sums = np.add.reduceat(paths, level.starts, axis=1)
            asked[:, level.questions] = np.minimum(sums, 1.0)
        return asked

    def _uncertainty(self, values: Floats, fractions: Floats, asked: Floats) -> Floats:
        """How much is there to learn about each image? See `VoteSummary.uncertainty`."""
        if values.shape[1] > 1:
            total = np.zeros(len(values))
            for i, where in enumerate(self._slices):
                votes = np.rint(EXPECTED_VOTES * asked[:, i]).astype(np.int64)
                total += bald(values[:, :, where], votes)
            return total
        shares = np.add.reduceat(entr(fractions), self._starts, axis=1) / self._most_entropy
        mean: Floats = (asked * shares).sum(1) / np.maximum(asked.sum(1), 1e-12)
        return mean


@dataclass(frozen=True, eq=False)
class _Level:
    """Questions whose parents are all in earlier levels, and the paths that lead to them.

    Attributes
    ----------
    questions : array
        Their positions.
    starts : array, one entry per question
        Where its paths begin in the next two.
    parents, columns : array, one entry per path
        The question that leads here, and with which answer.
    """

    questions: NDArray[np.intp]
    starts: NDArray[np.intp]
    parents: NDArray[np.intp]
    columns: NDArray[np.intp]


def _levels_of(schema: LabelSchema) -> tuple[_Level, ...]:
    """Return the questions that not everybody is asked, those that lead to others first."""
    column = {name: i for i, name in enumerate(schema.columns)}
    parent = {name: i for i, question in enumerate(schema.questions) for name in question.columns}
    depths: dict[int, int] = {}

    def depth(index: int) -> int:
        if index not in depths:
            leading = schema.questions[index].asked_after
            depths[index] = max((1 + depth(parent[name]) for name in leading), default=0)
        return depths[index]

    levels: dict[int, list[int]] = {}
    for index in range(len(schema.questions)):
        levels.setdefault(depth(index), []).append(index)
    made = []
    for number in sorted(levels.keys() - {0}):
        leading = [schema.questions[index].asked_after for index in levels[number]]
        paths = [name for names in leading for name in names]
        made.append(
            _Level(
                questions=np.array(levels[number], dtype=np.intp),
                starts=np.cumsum([0, *map(len, leading[:-1])], dtype=np.intp),
                parents=np.array([parent[name] for name in paths], dtype=np.intp),
                columns=np.array([column[name] for name in paths], dtype=np.intp),
            )
        )
    return tuple(made)


def summarise(concentrations: NDArray[np.floating], schema: LabelSchema) -> VoteSummary:
    """Summarise a model's output; who has many calls keeps a `VoteSummariser`.

    Parameters
    ----------
    concentrations : array of shape (images, samples, columns)
        In the schema's order of columns; positive.

    Raises
    ------
    BadInput
        When the number of columns is not the schema's.
    """
    return VoteSummariser(schema)(concentrations)


def proportion_asked(schema: LabelSchema, fractions: Floats) -> Floats:
    """Return the expected proportion of volunteers that reach each question.

    The same as `LabelSchema.asked`, for many images at once.

    Parameters
    ----------
    fractions : array of shape (images, columns)

    Returns
    -------
    array of shape (images, questions)
        1 for a root; else, summed over the answers that lead here, the parent's proportion times
        that answer's fraction, at most 1.
    """
    return VoteSummariser(schema).asked(fractions)
