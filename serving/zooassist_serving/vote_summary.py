"""What do concentrations say under a label schema? Fractions, who is asked what, how unsure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_serving.information import bald
from zooassist_serving.mixture_quantiles import mixture_quantiles
from zooassist_serving.posteriors import Floats, checked_concentrations, marginal_interval

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
        See `uncertainty`.
    """

    fractions: Floats
    lower90: Floats
    upper90: Floats
    asked: Floats
    uncertainty: Floats

    def of(self, image: int) -> dict[str, Any]:
        """Return what only votes have, for one image."""
        return {"fractions": self.fractions[image], "asked": self.asked[image]}


def summarise(concentrations: NDArray[np.floating], schema: LabelSchema) -> VoteSummary:
    """Summarise a model's output.

    Parameters
    ----------
    concentrations : array of shape (images, samples, columns)
        In the schema's order of columns; positive.

    Raises
    ------
    BadInput
        When the number of columns is not the schema's.
    """
    if concentrations.ndim != 3 or concentrations.shape[2] != len(schema.columns):
        raise BadInput(
            f"expected concentrations (images, samples, {len(schema.columns)}), "
            f"got {concentrations.shape}; schema and graph are not of the same model"
        )
    # All questions at once: one call per quantity keeps a single image well under a millisecond.
    values = checked_concentrations(concentrations)
    starts, sizes = _layout(schema)
    totals = np.repeat(np.add.reduceat(values, starts, axis=2), sizes, axis=2)
    fractions: Floats = (values / totals).mean(1)
    lower90, upper90 = _interval(values, totals - values, starts, sizes)
    asked = proportion_asked(schema, fractions)
    return VoteSummary(
        fractions=fractions,
        lower90=lower90,
        upper90=upper90,
        asked=asked,
        uncertainty=uncertainty(values, schema, fractions, asked),
    )


def _interval(
    alphas: Floats, rest: Floats, starts: NDArray[np.intp], sizes: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """Return both ends of every column's interval: exact for one sample, else to 1e-4.

    The second of two answers is what the first leaves, and so are its ends.
    """
    second = starts[sizes == 2] + 1
    wanted = np.setdiff1d(np.arange(alphas.shape[2]), second)
    lower, upper = np.empty((2, len(alphas), alphas.shape[2]))
    a, b = alphas[..., wanted], rest[..., wanted]
    if alphas.shape[1] == 1:
        lower[:, wanted], upper[:, wanted] = marginal_interval(a, b, LEVEL)
    else:
        tail = (1.0 - LEVEL) / 2.0
        by_column = [part.swapaxes(1, 2).reshape(-1, part.shape[1]) for part in (a, b)]
        ends = mixture_quantiles(by_column[0], by_column[1], (tail, 1.0 - tail))
        lower[:, wanted], upper[:, wanted] = (end.reshape(len(a), -1) for end in ends)
    lower[:, second], upper[:, second] = 1.0 - upper[:, second - 1], 1.0 - lower[:, second - 1]
    return lower, upper


def _layout(schema: LabelSchema) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where each question's columns begin, and how many they are."""
    starts = np.array([where.start for where in schema.slices.values()], dtype=np.intp)
    return starts, np.diff([*starts, len(schema.columns)])


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
    column = {name: i for i, name in enumerate(schema.columns)}
    parent = {name: i for i, q in enumerate(schema.questions) for name in q.columns}
    asked = np.ones((len(fractions), len(schema.questions)))
    done: set[int] = set()

    def visit(index: int) -> None:
        if index in done:
            return
        done.add(index)
        leading = schema.questions[index].asked_after
        for name in leading:
            visit(parent[name])
        if leading:
            paths = sum(asked[:, parent[name]] * fractions[:, column[name]] for name in leading)
            asked[:, index] = np.minimum(paths, 1.0)

    for index in range(len(schema.questions)):
        visit(index)
    return asked


def uncertainty(
    concentrations: Floats, schema: LabelSchema, fractions: Floats, asked: Floats
) -> Floats:
    """How much is there to learn about each image? One number per image, larger is less sure.

    With several samples: BALD in nats, summed over the questions, each with the votes it can
    expect out of `EXPECTED_VOTES`. With one sample BALD is zero by construction; then it is the
    entropy of the expected fractions, as a share of its maximum, averaged over the questions with
    the proportion asked as weight: 0 to 1. The two scales don't compare.

    Returns
    -------
    array of shape (images,)
    """
    if concentrations.shape[1] > 1:
        total = np.zeros(len(concentrations))
        for i, where in enumerate(schema.slices.values()):
            votes = np.rint(EXPECTED_VOTES * asked[:, i]).astype(np.int64)
            total += bald(concentrations[:, :, where], votes)
        return total
    starts, sizes = _layout(schema)
    surprise = -fractions * np.log(np.where(fractions > 0, fractions, 1.0))
    entropies = np.add.reduceat(surprise, starts, axis=1)
    # A question with one answer has no entropy; its maximum of 0 must not divide.
    shares = entropies / np.log(np.maximum(sizes, 2))
    mean: Floats = (asked * shares).sum(1) / np.maximum(asked.sum(1), 1e-12)
    return mean
