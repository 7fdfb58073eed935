"""How much does each answer count? By hand, or so that rare answers are not drowned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema

BALANCED = "balanced"
# An answer that is hardly ever given would else decide everything.
MOST = 100.0


def parse_class_weights(text: str) -> str | dict[str, float]:
    """Read what a user gives: ``balanced``, or ``COLUMN=W,COLUMN=W``.

    Raises
    ------
    BadInput
        When it is neither.
    """
    if text == BALANCED:
        return BALANCED
    weights: dict[str, float] = {}
    for part in text.split(","):
        column, equals, number = part.strip().rpartition("=")
        try:
            weights[column] = float(number)
        except ValueError:
            equals = ""
        if not column or not equals:
            raise BadInput(
                f"class weights: expected {BALANCED} or COLUMN=WEIGHT,…, got {part.strip()!r}"
            )
    return weights


def answer_weights(
    wanted: str | Mapping[str, float], counts: NDArray[np.floating], schema: LabelSchema
) -> NDArray[np.float32]:
    """Return one weight per label column.

    Parameters
    ----------
    wanted : str or mapping
        ``balanced``: every answer of a question has the same sum of weighted votes, and the mean
        weight of a vote is 1. Or weights by label column; others weigh 1.
    counts : array of shape (galaxies, label columns)
        Of the training images.

    Raises
    ------
    BadInput
        When a column is not in the schema or a weight is not a positive number.
    """
    if wanted == BALANCED:
        return _balanced(counts, schema)
    if isinstance(wanted, str):
        raise BadInput(f"class weights: expected {BALANCED} or weights, got {wanted!r}")
    weights = np.ones(len(schema.columns), dtype=np.float32)
    for column, weight in wanted.items():
        if column not in schema.columns:
            raise BadInput(
                f"class weights: {column!r} is no label column; expected of "
                f"{', '.join(schema.columns)}"
            )
        if not 0 < weight < np.inf:
            raise BadInput(f"class weights: {column}: expected a positive number, got {weight}")
        weights[schema.columns.index(column)] = weight
    return weights


def _balanced(counts: NDArray[np.floating], schema: LabelSchema) -> NDArray[np.float32]:
    weights = np.ones(len(schema.columns), dtype=np.float32)
    votes = np.asarray(counts, dtype=np.float64).sum(0)
    for where in schema.slices.values():
        given = votes[where] > 0
        share = votes[where].sum() / max(1, given.sum())
        weights[where] = np.where(given, share / np.maximum(votes[where], 1e-9), 1.0).clip(max=MOST)
    return weights
