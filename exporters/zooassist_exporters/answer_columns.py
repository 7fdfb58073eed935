"""Where is each distinct answer of an export counted?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.problems import Problem
from zooassist_exporters.vote_records import AnswerKey
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.task_text import plain_text

NONE: Final = -1
# What Panoptes exports when an answer's index does not exist in the version it looked up.
UNKNOWN_LABEL: Final = "unknown answer label"


def same_text(text: str) -> str:
    """Return what two spellings of one label have in common: words, without markup and case."""
    return plain_text(text).casefold()


@dataclass(frozen=True)
class AnswerColumns:
    """Where each distinct answer is counted.

    Attributes
    ----------
    schema : LabelSchema
        The label columns.
    questions, columns : arrays, one entry per distinct answer
        Position of its question and of its label column, -1 for none; an answer with a question
        and no column is "none of these".
    misfits : dict
        Position of an answer that cannot be counted -> why; how often it was given is known to
        the vote records only.
    """

    schema: LabelSchema
    questions: NDArray[np.int64]
    columns: NDArray[np.int64]
    misfits: dict[int, Problem] = field(default_factory=dict)

    @property
    def single(self) -> NDArray[np.bool_]:
        """Whether each question takes one answer only."""
        return np.array([each.type == "single" for each in self.schema.questions], dtype=bool)


def unknown_label(key: AnswerKey) -> Problem:
    """Say that Panoptes itself could not name an answer."""
    return Problem(
        key.task,
        UNKNOWN_LABEL,
        f"Panoptes did not find the label of an answer of version {key.version}",
        "its votes cannot be recovered from this export; ask Panoptes for a new one",
    )
