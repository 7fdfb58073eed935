"""How is a training set laid out? The names and columns that its writer and reader share."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from zooassist_plugin.label_schema import LabelSchema

ENCODING_TYPE: Final = "zooassist-training-set"
ENCODING_VERSION: Final = "0.1.0"
MANIFEST: Final = "training-set.json"
SUBJECTS: Final = "subjects.parquet"
VOTES: Final = "votes.parquet"
IMAGES: Final = "images"
TOTAL_SUFFIX: Final = "_total-votes"

SUBJECTS_SCHEMA: Final = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("image", pa.string()),
        pa.field("image_sha256", pa.string()),
        pa.field("inclusion_probability", pa.float64(), nullable=False),
        pa.field("metadata", pa.string(), nullable=False),
    ]
)


def total_columns(schema: LabelSchema) -> list[str]:
    """Return the ``<question>_total-votes`` column of each question, in order."""
    return [f"{question.name}{TOTAL_SUFFIX}" for question in schema.questions]


def votes_schema(schema: LabelSchema) -> pa.Schema:
    """Return the columns of ``votes.parquet``: ids, label columns in order, then the totals."""
    integers = [
        pa.field(name, pa.int32(), nullable=False)
        for name in (*schema.columns, *total_columns(schema))
    ]
    return pa.schema([pa.field("subject_id", pa.int64(), nullable=False), *integers])
