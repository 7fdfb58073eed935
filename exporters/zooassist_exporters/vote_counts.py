"""How do published vote fractions become whole vote counts again?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.label_schema import LabelSchema, Question

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]


def apportion(fractions: Floats, totals: Integers) -> Integers:
    """Share whole votes among answers in proportion to fractions, by largest remainders.

    Parameters
    ----------
    fractions : array, shape (subjects, answers)
        Any non-negative scale; a row need not sum to 1.
    totals : array of int, shape (subjects,)
        Votes to share.

    Returns
    -------
    array of int, shape (subjects, answers)
        Rows sum to `totals`, and each count is less than one vote away from its exact share. Of
        equal remainders the first answer gets the vote. A row of zeros shares nothing.
    """
    sums = fractions.sum(axis=1, keepdims=True)
    exact = np.divide(
        fractions * totals[:, None], sums, out=np.zeros_like(fractions), where=sums > 0
    )
    counts = np.floor(exact).astype(np.int64)
    left = np.where(sums[:, 0] > 0, totals, 0) - counts.sum(axis=1)
    # A vote that floating point kept a hair below a whole number still has the largest remainder.
    order = np.argsort(-(exact - counts), axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(order.shape[1])[None, :], axis=1)
    shared: Integers = counts + (rank < left[:, None])
    return shared


def counts_of_tree(fractions: Floats, schema: LabelSchema, root_total: int) -> Integers:
    """Turn fractions into counts, walking down a decision tree.

    Everybody (`root_total` volunteers) answers the root questions; a further question is answered
    by those who gave an answer it is asked after. So counts agree with each other down the tree.

    Parameters
    ----------
    fractions : array, shape (subjects, label columns)
        Fractions of each question's answers on any scale (cumulative ones will do: only the
        proportions within a question matter). NaN and negative values count as 0.
    root_total : int
        Votes assumed at the root; published fractions do not tell.

    Returns
    -------
    array of int, shape (subjects, label columns)
    """
    clean = np.where(np.isfinite(fractions) & (fractions > 0), fractions, 0.0)
    counts = np.zeros(clean.shape, dtype=np.int64)
    place = {column: position for position, column in enumerate(schema.columns)}
    done: set[str] = set()

    def fill(question: Question) -> None:
        if question.name in done:
            return
        done.add(question.name)
        parents = [place[column] for column in question.asked_after]
        for parent in {owners[column].name: owners[column] for column in question.asked_after}:
            fill(by_name[parent])
        totals = (
            counts[:, parents].sum(axis=1)
            if parents
            else np.full(len(clean), root_total, dtype=np.int64)
        )
        here = schema.slices[question.name]
        counts[:, here] = apportion(clean[:, here], totals)

    by_name: Mapping[str, Question] = {question.name: question for question in schema.questions}
    owners: Mapping[str, Question] = {
        column: question for question in schema.questions for column in question.columns
    }
    for question in schema.questions:
        fill(question)
    return counts
