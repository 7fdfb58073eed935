"""How do a workflow's votes become columns of a model that answers the same questions?"""

from __future__ import annotations

import numpy as np

from zooassist_exporters.answer_columns import NONE, AnswerColumns
from zooassist_exporters.rules import Rules
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_match import match_labels
from zooassist_plugin.label_schema import LabelSchema


def columns_of_model(
    columns: AnswerColumns, model: LabelSchema, rules: Rules
) -> tuple[AnswerColumns, tuple[str, ...]]:
    """Move each answer to the model's column for it, so that the model can be trained further.

    Returns
    -------
    AnswerColumns
        With the model's label schema; answers to questions that the model lacks count nowhere.
    tuple of str
        Why questions of the workflow did not fit, in words.

    Raises
    ------
    BadInput
        When no question fits.
    """
    workflow = columns.schema
    overrides = {key: name for key, name in rules.names.items() if ".answers." not in key}
    match = match_labels(model, workflow, overrides)
    if not match.pairs:
        raise BadInput(
            "--like: none of the workflow's questions is the model's: " + "; ".join(match.misfits)
        )
    names = [question.name for question in model.questions]
    question_of = np.full(len(workflow.questions) + 1, NONE, dtype=np.int64)
    column_of = np.full(len(workflow.columns) + 1, NONE, dtype=np.int64)
    for position, question in enumerate(workflow.questions):
        pair = match.pair(question.task)
        if pair is None:
            continue
        question_of[position] = names.index(pair.question)
        start = workflow.slices[question.name].start
        target = model.slices[pair.question].start
        for answer, place in enumerate(pair.answer_index):
            column_of[start + answer] = target + place
    # Position -1 (no question, no column) reads the last entry, which is -1 again.
    return (
        AnswerColumns(
            model, question_of[columns.questions], column_of[columns.columns], columns.misfits
        ),
        match.misfits,
    )
