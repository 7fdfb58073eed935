"""Which columns do the tables have that the reading of an export makes?"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

# One row per answer. A classification without any has one row, with the answer NO_ANSWER; the rows
# of one classification follow each other. `user` tells volunteers apart within one file: 62 bits
# of a digest, or a negative number for somebody of whom nothing is known. `answer` numbers the
# distinct answers (`zooassist_exporters.vote_records.AnswerKey`).
LONG: Final = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("classification_id", pa.int64(), nullable=False),
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("user", pa.int64(), nullable=False),
        pa.field("created_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("answer", pa.int32(), nullable=False),
    ]
)
NO_ANSWER: Final = -1

# What was left out as broken: a row, or one answer of it when there is a task.
REJECTS: Final = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("classification_id", pa.int64()),
        pa.field("task", pa.string()),
        pa.field("cause", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)

# One row per subject: `subject_data` of its first classification, not decoded.
SUBJECTS: Final = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("subject_data", pa.string(), nullable=False),
    ]
)
