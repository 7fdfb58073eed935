"""How do weighted votes travel with a training set? Two Parquet files beside the counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zooassist_exporters.reductions.weighting.weighing import WeightedVotes
from zooassist_exporters.vote_records import Integers
from zooassist_plugin.label_schema import LabelSchema

WEIGHTED: Final = "weighted_votes.parquet"
WEIGHTS: Final = "volunteer_weights.parquet"
PROBABILITY: Final = "_probability"


def write_weighted_votes(
    folder: Path, found: WeightedVotes, subject_ids: Integers, schema: LabelSchema, method: str
) -> dict[str, Any]:
    """Write both files into a folder, and return what the manifest says about them.

    Volunteers are numbered by how often they voted, most often first: neither names nor ids are
    written.
    """
    told = {"method": method, "iterations": dict(found.iterations)}
    votes = {"subject_id": pa.array(subject_ids, pa.int64())}
    for place, column in enumerate(schema.columns):
        votes[column] = _shares(found.fractions[:, place])
    for place, column in enumerate(schema.columns):
        votes[column + PROBABILITY] = _shares(found.probabilities[:, place])
    _write(folder / WEIGHTED, pa.table(votes), told)
    names = pa.array([question.name for question in schema.questions], pa.string())
    weights = {
        "volunteer": pa.array(_ordinals(found.users, found.votes), pa.int32()),
        "question": names.take(pa.array(found.questions, pa.int64())),
        "weight": pa.array(found.weights, pa.float64()),
        "votes": pa.array(found.votes, pa.int32()),
    }
    order = [("volunteer", "ascending"), ("question", "ascending")]
    _write(folder / WEIGHTS, pa.table(weights).sort_by(order), told)
    return told


def _shares(values: np.ndarray[Any, np.dtype[np.float64]]) -> pa.Array:
    return pa.array(values, pa.float64(), from_pandas=True)  # NaN becomes null


def _ordinals(users: Integers, votes: Integers) -> Integers:
    """Give volunteers numbers from 1, by votes; equals by the digest that tells them apart."""
    distinct, place = np.unique(users, return_inverse=True)
    times = np.bincount(place, weights=votes, minlength=len(distinct))
    numbers = np.empty(len(distinct), dtype=np.int64)
    numbers[np.lexsort((distinct, -times))] = np.arange(1, len(distinct) + 1)
    ordinals: Integers = numbers[place]
    return ordinals


def _write(path: Path, table: pa.Table, told: Mapping[str, Any]) -> None:
    pq.write_table(table.replace_schema_metadata({"zooassist": json.dumps(told)}), path)
