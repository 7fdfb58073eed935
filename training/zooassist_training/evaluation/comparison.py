"""Which questions of a model can be held against a training set's votes, and where do they lie?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_match import match_labels
from zooassist_plugin.label_schema import LabelSchema, Question


@dataclass(frozen=True, eq=False)
class Comparison:
    """The questions that both sides have.

    Attributes
    ----------
    schema : LabelSchema
        Named as the model names them, in the model's order of answers, asked after what the
        training set asks them after: the tree that these volunteers went through.
    model_columns, set_columns : array of int, shape (columns of `schema`,)
        Where each column lies in the model's output, and in the training set's votes.
    left_out : tuple of str
        Questions of the training set that the model can't be asked, with the reason.
    not_asked : tuple of str
        Questions of the model that the training set doesn't have.
    """

    schema: LabelSchema
    model_columns: NDArray[np.int64]
    set_columns: NDArray[np.int64]
    left_out: tuple[str, ...] = ()
    not_asked: tuple[str, ...] = ()


_NO_OVERRIDES: Mapping[str, str] = MappingProxyType({})


def compare_schemas(
    model: LabelSchema, asked: LabelSchema, overrides: Mapping[str, str] = _NO_OVERRIDES
) -> Comparison:
    """Match the questions of a training set with a model's, by their words.

    Parameters
    ----------
    overrides : mapping
        Task of the training set (or name, where it has no tasks) -> the model's question.

    Raises
    ------
    BadInput
        When no question fits; the text says why for each.
    """
    if _same(model, asked) and not overrides:
        every = np.arange(len(model.columns))
        return Comparison(asked, every, every)
    named = _with_task_names(asked)
    match = match_labels(model, named, overrides)
    pairs = {pair.task: pair for pair in match.pairs}
    columns: dict[str, str] = {}  # of the training set -> of the model
    left_out = [each.replace("the workflow", "the training set") for each in match.misfits]
    chosen: list[tuple[Question, Question]] = []
    taken: set[str] = set()
    for question in named.questions:
        pair = pairs.get(question.task)
        if pair is None:
            continue
        if pair.question in taken:
            left_out.append(f"{question.name!r}: {pair.question!r} answers another question too")
            continue
        taken.add(pair.question)
        own = model.question(pair.question)
        chosen.append((question, own))
        for answer, place in zip(question.answers, pair.answer_index, strict=True):
            columns[answer.column] = own.columns[place]
    chosen = _with_parents(chosen, columns, left_out)
    if not chosen:
        reasons = "; ".join(left_out) or "it has no question"
        raise BadInput(
            "expected a training set that asks a question of the model in the same words, found "
            f"none: {reasons}. Or evaluate a model of these questions"
        )
    schema = LabelSchema(
        tuple(
            replace(own, asked_after=tuple(columns[each] for each in question.asked_after))
            for question, own in chosen
        )
    )
    back = {theirs: ours for ours, theirs in columns.items()}
    return Comparison(
        schema=schema,
        model_columns=_places(schema.columns, model.columns),
        set_columns=_places(tuple(back[each] for each in schema.columns), asked.columns),
        left_out=tuple(left_out),
        not_asked=tuple(each.name for each in model.questions if each.name not in taken),
    )


def _same(model: LabelSchema, asked: LabelSchema) -> bool:
    return [(each.name, each.columns) for each in model.questions] == [
        (each.name, each.columns) for each in asked.questions
    ]


def _with_task_names(schema: LabelSchema) -> LabelSchema:
    """Give every question a task of its own: bare trees have none, and pairs go by task."""
    tasks = Counter(question.task for question in schema.questions)
    return LabelSchema(
        tuple(
            question if question.task and tasks[question.task] == 1
            else replace(question, task=question.name)
            for question in schema.questions
        )
    )  # fmt: skip


def _with_parents(
    chosen: list[tuple[Question, Question]], columns: dict[str, str], left_out: list[str]
) -> list[tuple[Question, Question]]:
    """Leave out what is asked after an answer that is itself not compared, until none is."""
    while True:
        known = {column for question, _ in chosen for column in question.columns}
        orphans = [pair for pair in chosen if not known.issuperset(pair[0].asked_after)]
        if not orphans:
            return chosen
        for question, _ in orphans:
            missing = next(each for each in question.asked_after if each not in known)
            left_out.append(f"{question.name!r}: asked after {missing!r}, which is not compared")
            for column in question.columns:
                del columns[column]
        chosen = [pair for pair in chosen if pair not in orphans]


def _places(wanted: tuple[str, ...], among: tuple[str, ...]) -> NDArray[np.int64]:
    return np.array([among.index(column) for column in wanted], dtype=np.int64)
