"""What do concentrations say under a label schema? Fractions, who is asked what, how unsure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        self._sizes = np.diff([*self._starts, self._columns])
        self._question_of = np.repeat(np.arange(len(self._sizes)), self._sizes)
        # The second of two answers is what the first leaves, and so are its interval's ends.
        self._second = self._starts[self._sizes == 2] + 1
        self._wanted = np.setdiff1d(np.arange(self._columns), self._second)
        # A question with one answer has no entropy; its maximum of 0 must not divide.
        self._most_entropy = np.log(np.maximum(self._sizes, 2))
        self._paths = _paths(schema)

    def __call__(self, concentrations: NDArray[np.floating]) -> VoteSummary:
        """Summarise; parameters and errors as of `summarise`."""
        if concentrations.ndim != 3 or concentrations.shape[2] != self._columns:
            raise BadInput(
                f"expected concentrations (images, samples, {self._columns}), "
                f"got {concentrations.shape}; schema and graph are not of the same model"
            )
        values = checked_concentrations(concentrations)
        totals = np.add.reduceat(values, self._starts, axis=2)[..., self._question_of]
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
        wanted, second = self._wanted, self._second
        ends = np.empty((2, len(alphas), self._columns))
        a, b = alphas[..., wanted], rest[..., wanted]
        tail = (1.0 - LEVEL) / 2.0
        if alphas.shape[1] == 1:
            ends[..., wanted] = beta_quantiles(a[:, 0], b[:, 0], (tail, 1.0 - tail))
        else:
            by_column = [part.swapaxes(1, 2).reshape(-1, part.shape[1]) for part in (a, b)]
            found = mixture_quantiles(by_column[0], by_column[1], (tail, 1.0 - tail))
            ends[..., wanted] = [end.reshape(len(a), -1) for end in found]
        ends[..., second] = 1.0 - ends[::-1, :, second - 1]
        return ends[0], ends[1]

    def asked(self, fractions: Floats) -> Floats:
        """Return the proportion asked, see `proportion_asked`."""
        asked = np.ones((len(fractions), len(self._sizes)))
        for index, leading in self._paths:
            paths = sum(asked[:, parent] * fractions[:, column] for parent, column in leading)
            asked[:, index] = np.minimum(paths, 1.0)
        return asked

    def _uncertainty(self, values: Floats, fractions: Floats, asked: Floats) -> Floats:
        """How much is there to learn about each image? See `VoteSummary.uncertainty`."""
        if values.shape[1] > 1:
            total = np.zeros(len(values))
            for i, where in enumerate(self._slices):
                votes = np.rint(EXPECTED_VOTES * asked[:, i]).astype(np.int64)
                total += bald(values[:, :, where], votes)
            return total
        surprise = -fractions * np.log(np.where(fractions > 0, fractions, 1.0))
        shares = np.add.reduceat(surprise, self._starts, axis=1) / self._most_entropy
        mean: Floats = (asked * shares).sum(1) / np.maximum(asked.sum(1), 1e-12)
        return mean


def _paths(schema: LabelSchema) -> tuple[tuple[int, tuple[tuple[int, int], ...]], ...]:
    """Return the questions that not everybody is asked, those that lead to others first.

    Each with the pairs of (question, column) whose answer leads to it.
    """
    column = {name: i for i, name in enumerate(schema.columns)}
    parent = {name: i for i, question in enumerate(schema.questions) for name in question.columns}
    order: list[int] = []

    def visit(index: int) -> None:
        if index not in order:
            for name in schema.questions[index].asked_after:
                visit(parent[name])
            order.append(index)

    for index in range(len(schema.questions)):
        visit(index)
    return tuple(
        (index, tuple((parent[name], column[name]) for name in schema.questions[index].asked_after))
        for index in order
        if schema.questions[index].asked_after
    )


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
