"""Which questions and answers does an export show by itself, without a workflow export?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count

import numpy as np

from zooassist_exporters.answer_columns import (
    NONE,
    UNKNOWN_LABEL,
    AnswerColumns,
    same_text,
    unknown_label,
)
from zooassist_exporters.extracts.survey import is_about_choice
from zooassist_exporters.problems import Problem
from zooassist_exporters.rules import Rules
from zooassist_exporters.vote_records import AnswerKey
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.task_text import plain_text, slug


def columns_as_seen(keys: Sequence[AnswerKey], rules: Rules) -> AnswerColumns:
    """Take the questions and answers that the file itself shows, for want of a workflow export.

    A task whose question text changed makes one question per text. Answers are in alphabetical
    order, indices in numerical order, so that another export of the same votes gives the same
    columns.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    misfits: dict[int, Problem] = {}
    for position, key in enumerate(keys):
        if key.value == UNKNOWN_LABEL:
            misfits[position] = unknown_label(key)
            continue
        if is_about_choice(key.task) and not rules.survey_answers:
            continue
        text = "" if key.task in rules.reworded else same_text(key.text)
        groups.setdefault((key.task, text), []).append(position)
    # A task with nothing but empty lists may be a drawing in which nothing was drawn.
    groups = {
        group: members
        for group, members in groups.items()
        if any(keys[member].value is not None for member in members)
    }
    ordered = sorted(groups, key=lambda group: (_natural(group[0]), group[1]))
    names = _names([(task, keys[groups[task, text][0]].text) for task, text in ordered], rules)
    questions = np.full(len(keys), NONE, dtype=np.int64)
    columns = np.full(len(keys), NONE, dtype=np.int64)
    made: list[Question] = []
    start = 0
    for name, group in zip(names, ordered, strict=True):
        question, places = _question(name, group[0], [keys[each] for each in groups[group]])
        for member, place in zip(groups[group], places, strict=True):
            if place is not None or question.type == "multiple":
                questions[member] = len(made)
                columns[member] = NONE if place is None else start + place
        made.append(question)
        start += len(question.answers)
    return AnswerColumns(LabelSchema(tuple(made)), questions, columns, misfits)


def _natural(task: str) -> tuple[int | str, ...]:
    """Sort ``T2`` before ``T10``."""
    parts = task.removeprefix("T").split(".")
    if all(part.isdecimal() for part in parts):
        return (0, *map(int, parts))
    return (1, task)


def _names(questions: Sequence[tuple[str, str]], rules: Rules) -> list[str]:
    """Name each question after its text, or its task; what would be the same gets the task."""
    plain = [rules.names.get(task) or slug(text) or slug(task) for task, text in questions]
    times = Counter(plain)
    return _distinct(
        name if times[name] == 1 else f"{name}-{slug(task)}"
        for (task, _), name in zip(questions, plain, strict=True)
    )


def _question(
    name: str, task: str, members: Sequence[AnswerKey]
) -> tuple[Question, list[int | None]]:
    """Make a question of the answers seen, and say which of them each member is."""
    values: dict[str | int, str] = {}
    for key in members:
        if isinstance(key.value, int):
            values[key.value] = str(key.value)
        elif key.value is not None:
            values.setdefault(same_text(key.value), plain_text(key.value))
    order = sorted(values, key=lambda value: (isinstance(value, str), value))
    place = {value: position for position, value in enumerate(order)}
    parts = _distinct(slug(values[value]) or "answer" for value in order)
    answers = tuple(
        Answer(values[value], position, f"{name}_{part}")
        for position, (value, part) in enumerate(zip(order, parts, strict=True))
    )
    kind = "multiple" if any(key.multiple for key in members) else "single"
    text = plain_text(members[0].text)
    question = Question(name, task, kind, (), answers, text)  # type: ignore[arg-type]
    return question, [
        None
        if key.value is None
        else place[key.value if isinstance(key.value, int) else same_text(key.value)]
        for key in members
    ]


def _distinct(names: Iterable[str]) -> list[str]:
    """Add a number to names that were there before: 'C' and 'C++' both read ``c``."""
    taken: set[str] = set()
    distinct = []
    for name in names:
        candidates = (f"{name}-{number}" if number > 1 else name for number in count(1))
        chosen = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(chosen)
        distinct.append(chosen)
    return distinct
