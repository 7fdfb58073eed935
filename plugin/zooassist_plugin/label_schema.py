"""Which label columns does a set of questions make, and who is asked what?

The only place where column names are made. A label column is ``<question>_<answer>``; the order of
columns is the order of questions and of their answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from zooassist_plugin.errors import BadInput
from zooassist_plugin.task_flow import questions_of
from zooassist_plugin.task_text import resolve_strings as resolve_strings
from zooassist_plugin.workflow import Step, Workflow

QuestionType = Literal["single", "multiple"]


@dataclass(frozen=True)
class Answer:
    """One answer: what volunteers read, its index in the task, its label column."""

    label: str
    index: int
    column: str


@dataclass(frozen=True)
class Question:
    """One question with its answers.

    Attributes
    ----------
    task : str
        Task key in the workflow: ``T0``, or ``T0.0.0`` for a subtask; empty for a bare tree.
    asked_after : tuple of str
        Label columns: the question is asked of those who gave any one of these answers;
        empty when everyone is asked.
    text : str
        What volunteers read, without markup.
    """

    name: str
    task: str
    type: QuestionType
    asked_after: tuple[str, ...]
    answers: tuple[Answer, ...]
    text: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise BadInput(f"task {self.task}: expected a question name, got none")
        if self.type not in ("single", "multiple"):
            raise BadInput(
                f"question {self.name!r}: expected type single or multiple, got {self.type!r}"
            )
        indices = [answer.index for answer in self.answers]
        if not indices or indices != list(range(len(indices))):
            raise BadInput(
                f"question {self.name!r}: expected answers with the indices 0, 1, 2…, got {indices}"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """Label columns in the order of the answers."""
        return tuple(answer.column for answer in self.answers)


@dataclass(frozen=True)
class LabelSchema:
    """Questions and the label columns they make, in order; validated on construction.

    Raises
    ------
    BadInput
        Two questions of one name, two answers of one column, a question asked after a column that
        no question makes, or questions that wait for each other.
    """

    questions: tuple[Question, ...]

    def __post_init__(self) -> None:
        makers: dict[str, str] = {}
        names: set[str] = set()
        for question in self.questions:
            if question.name in names:
                raise BadInput(
                    f"question {question.name!r} appears twice (second at task "
                    f"{question.task or '?'}); give one of them another name"
                )
            names.add(question.name)
            for answer in question.answers:
                where = f"question {question.name!r}, answer {answer.index} ({answer.label!r})"
                if not answer.column:
                    raise BadInput(f"{where}: expected a label column, got none")
                if answer.column in makers:
                    raise BadInput(
                        f"label column {answer.column!r} is made twice: by {makers[answer.column]} "
                        f"and by {where}; give one of them another name"
                    )
                makers[answer.column] = where
        self._check_parents()

    def _check_parents(self) -> None:
        graph = {}
        for question in self.questions:
            unknown = [column for column in question.asked_after if column not in self._maker]
            if unknown:
                raise BadInput(
                    f"question {question.name!r} is asked after {unknown[0]!r}, "
                    f"which is no label column; expected one of {', '.join(self.columns)}"
                )
            if len(set(question.asked_after)) < len(question.asked_after):
                raise BadInput(f"question {question.name!r} names one parent column twice")
            graph[question.name] = {self._maker[column].name for column in question.asked_after}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            loop = " -> ".join(error.args[1])
            raise BadInput(f"these questions wait for each other: {loop}; cut one link") from error

    @cached_property
    def _maker(self) -> dict[str, Question]:
        return {column: each for each in self.questions for column in each.columns}

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All label columns in order."""
        return tuple(column for question in self.questions for column in question.columns)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Question name -> where its answers lie in `columns`."""
        slices, start = {}, 0
        for question in self.questions:
            slices[question.name] = slice(start, start + len(question.answers))
            start += len(question.answers)
        return slices

    def question(self, name: str) -> Question:
        """Return the question of that name.

        Raises
        ------
        BadInput
            When there is none; the message lists the names.
        """
        for question in self.questions:
            if question.name == name:
                return question
        known = ", ".join(question.name for question in self.questions) or "none"
        raise BadInput(f"no question is named {name!r}; expected one of {known}")

    def asked(self, fractions: Mapping[str, Sequence[float]]) -> dict[str, float]:
        """Return for each question the expected proportion of volunteers that reach it.

        Parameters
        ----------
        fractions : mapping
            Question name -> expected fraction per answer, among those asked.

        Notes
        -----
        A root question has 1; any other the sum, over the answers it is asked after, of the
        parent's proportion times that answer's fraction (a volunteer gives one answer to a
        `single` question, so these paths exclude each other), at most 1.
        """
        asked: dict[str, float] = {}

        def proportion(question: Question) -> float:
            if question.name not in asked:
                paths = [
                    proportion(parent) * fractions[parent.name][parent.columns.index(column)]
                    for column in question.asked_after
                    for parent in (self._maker[column],)
                ]
                asked[question.name] = min(1.0, math.fsum(paths)) if paths else 1.0
            return asked[question.name]

        return {question.name: proportion(question) for question in self.questions}

    def to_json(self) -> dict[str, Any]:
        """Return the form that training sets and model folders store."""
        return {
            "questions": [
                {
                    "name": question.name,
                    "task": question.task,
                    "type": question.type,
                    "text": question.text,
                    "asked_after": list(question.asked_after),
                    "answers": [
                        {"label": each.label, "index": each.index, "column": each.column}
                        for each in question.answers
                    ],
                }
                for question in self.questions
            ]
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> LabelSchema:
        """Read what `to_json` wrote.

        Raises
        ------
        BadInput
            When a part is missing or the schema is not valid.
        """
        try:
            return cls(
                tuple(
                    Question(
                        name=str(question["name"]),
                        task=str(question["task"]),
                        type=question["type"],
                        asked_after=tuple(question["asked_after"]),
                        answers=tuple(
                            Answer(str(a["label"]), int(a["index"]), str(a["column"]))
                            for a in question["answers"]
                        ),
                        text=str(question.get("text") or ""),
                    )
                    for question in content["questions"]
                )
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadInput(
                'label schema: expected {"questions": [{"name", "task", "type", "asked_after", '
                f'"answers": [{{"label", "index", "column"}}]}}]}}; problem at {error}'
            ) from error


def schema_from_tasks(
    tasks: Mapping[str, Any],
    first_task: str,
    names: Mapping[str, str] | None = None,
    steps: Sequence[Step] = (),
) -> LabelSchema:
    """Derive the label schema of a workflow from its tasks JSON.

    Single and multiple questions make columns, so do the members of combo tasks and the subtasks
    of drawing tools; text, dropdown, survey and others do not. Tasks that no volunteer can reach
    are left out. See `zooassist_plugin.task_flow` for what "asked after" means.

    Parameters
    ----------
    names : mapping, optional
        Task key -> question name (``{"T0": "smooth-or-featured"}``), and
        ``T0.answers.1`` -> the answer's part of the column. Default: slugs of the text.
    steps : sequence of Step, optional
        The workflow's stored steps, from the page editor.

    Raises
    ------
    BadInput
        Two questions or answers with one slug, a `next` that leads nowhere or in a circle, a task
        that is not what Panoptes documents, or a name for a task that does not exist.
    """
    found = questions_of(tasks, first_task, names or {}, steps)
    columns = {
        (each.task, index): f"{each.name}_{part}"
        for each in found
        for index, part in enumerate(each.answer_names)
    }
    order = {column: place for place, column in enumerate(columns.values())}
    return LabelSchema(
        tuple(
            Question(
                name=each.name,
                task=each.task,
                type=each.type,
                asked_after=tuple(sorted((columns[a] for a in each.after), key=order.__getitem__)),
                answers=tuple(
                    Answer(label, index, columns[each.task, index])
                    for index, label in enumerate(each.labels)
                ),
                text=each.text,
            )
            for each in found
        )
    )


def schema_of(workflow: Workflow, names: Mapping[str, str] | None = None) -> LabelSchema:
    """Derive the label schema of a workflow as read from Panoptes."""
    return schema_from_tasks(workflow.tasks, workflow.first_task, names, workflow.steps)
