"""How do the answers of a part lie in columns? Arrow arrays made of whole arrays, not row by row.

Every part has the columns `name`, `place`, `subject_id`, `id_str`, `frame` and `error`; beside
them either the summary of a predictions file or the concentrations themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.targets import Targets
from zooassist_serving.catalogue.rows import Row
from zooassist_serving.posteriors import Floats
from zooassist_serving.predictions import VALUE_PARTS, VOTE_PARTS
from zooassist_serving.value_summary import ValueSummary
from zooassist_serving.vote_summary import VoteSummary

CONCENTRATIONS: Final = "concentrations"
# Columns that a summary has under another name.
SUMMARY_FIELDS: Final = {"fraction": "fractions", "mean": "means", "std": "deviations"}
PART_COLUMNS: Final = ("name", "subject_id", "id_str", "frame", "error")


def row_columns(rows: Sequence[Row], errors: Sequence[str | None]) -> dict[str, pa.Array]:
    """Return the columns that say which row is which, and what is wrong with it."""
    return {
        "name": pa.array([row.name for row in rows], pa.string()),
        "subject_id": pa.array([row.subject_id for row in rows], pa.int64()),
        "id_str": pa.array([row.id_str for row in rows], pa.string()),
        "frame": pa.array([row.frame for row in rows], pa.int32()),
        "error": pa.array(errors, pa.string()),
    }


def summary_columns(
    summary: VoteSummary | ValueSummary | None,
    said: LabelSchema | Targets,
    failed: NDArray[np.bool_],
) -> dict[str, pa.Array]:
    """Return the value columns of a predictions file.

    Parameters
    ----------
    summary : VoteSummary, ValueSummary, or None
        Of the rows that did not fail; None when all failed.
    failed : array of shape (rows,)
    """
    good = ~failed
    n = len(failed)
    columns: dict[str, pa.Array] = {}

    def spread(names: Sequence[str], values: Floats | None) -> None:
        whole = np.zeros((len(names), n), dtype=np.float32)
        if values is not None:
            whole[:, good] = values.T
        for name, column in zip(names, whole, strict=True):
            columns[name] = pa.array(column, mask=failed if failed.any() else None)

    for part in VALUE_PARTS if isinstance(said, Targets) else VOTE_PARTS:
        values = None if summary is None else getattr(summary, SUMMARY_FIELDS.get(part, part))
        spread([f"{column}_{part}" for column in said.columns], values)
    if isinstance(said, LabelSchema):
        asked = summary.asked if isinstance(summary, VoteSummary) else None
        spread([f"{question.name}_asked" for question in said.questions], asked)
    spread(["uncertainty"], None if summary is None else summary.uncertainty[:, None])
    return columns


def list_column(
    values: NDArray[np.float32] | None, width: int, failed: NDArray[np.bool_]
) -> pa.Array:
    """Return one list of `width` numbers per row, null for the rows that failed.

    Parameters
    ----------
    values : array of shape (good rows, …)
        As many numbers per row as `width` says.
    """
    whole = np.zeros((len(failed), width), dtype=np.float32)
    if values is not None and len(values):
        whole[~failed] = values.reshape(len(values), width)
    return pa.FixedSizeListArray.from_arrays(
        pa.array(whole.reshape(-1)), width, mask=pa.array(failed)
    )
