"""How is a training set laid out? The names and columns that its writer and reader share."""

from __future__ import annotations

from typing import Final, Literal, get_args

import pyarrow as pa

from zooassist_plugin.label_schema import LabelSchema

ENCODING_TYPE: Final = "zooassist-training-set"
ENCODING_VERSION: Final = "0.1.1"
MANIFEST: Final = "training-set.json"
SUBJECTS: Final = "subjects.parquet"
VOTES: Final = "votes.parquet"
IMAGES: Final = "images"
MARKS: Final = "marks.parquet"
MASKS_INDEX: Final = "masks.parquet"
MASKS: Final = "masks"
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

# One mark per row: a consensus of volunteers (no classification_id), or one volunteer's own mark.
MARKS_SCHEMA: Final = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("tool_index", pa.int32(), nullable=False),
        pa.field("tool_type", pa.string(), nullable=False),
        pa.field("tool_label", pa.string()),
        pa.field("label", pa.string(), nullable=False),
        pa.field("geometry", pa.string(), nullable=False),
        pa.field("count", pa.int32()),
        pa.field("agreement", pa.float64()),
        pa.field("action", pa.string()),
        pa.field("classification_id", pa.int64()),
    ]
)

# The index of masks/: each frame's label map, and the digests of it and of the maps beside it.
MASKS_SCHEMA: Final = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("agreement_sha256", pa.string()),
        pa.field("instances_sha256", pa.string()),
    ]
)

MaskKind = Literal["", "agreement", "instances"]
MASK_KINDS: Final[tuple[MaskKind, ...]] = get_args(MaskKind)


def mask_name(subject_id: int, frame: int, kind: MaskKind = "") -> str:
    """Return the place of a map within the set: ``masks/5_0.png``, ``masks/5_0.agreement.png``."""
    return f"{MASKS}/{subject_id}_{frame}.{kind and kind + '.'}png"


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
