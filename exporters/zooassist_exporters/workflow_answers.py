"""Which label column of a workflow does each answer belong to?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zooassist_exporters.answer_columns import (
    NONE,
    UNKNOWN_LABEL,
    AnswerColumns,
    same_text,
    unknown_label,
)
from zooassist_exporters.choice_questions import choice_questions
from zooassist_exporters.extracts.survey import is_about_choice
from zooassist_exporters.problems import Problem
from zooassist_exporters.rules import Rules
from zooassist_exporters.vote_records import AnswerKey
from zooassist_exporters.workflows import Version, WorkflowVersion, WorkflowVersions
from zooassist_plugin.label_schema import LabelSchema, Question, schema_from_tasks
from zooassist_plugin.task_text import plain_text


def columns_of_workflow(
    keys: Sequence[AnswerKey], versions: WorkflowVersions, rules: Rules
) -> AnswerColumns:
    """Match answers to the questions of a workflow by their text.

    The label schema is that of the newest version with classifications in the file. An index is
    read as a label in the version that its classification names.
    """
    target = _newest_used(keys, versions)
    chosen = list(choice_questions(target.tasks, rules))
    names = rules.names.keys() - {each.question.task for each in chosen}
    tree = schema_from_tasks(
        target.tasks, target.first_task, {task: rules.names[task] for task in names}
    )
    schema = LabelSchema((*tree.questions, *(each.question for each in chosen)))
    labels = {question.task: target.labels(question.task) for question in tree.questions}
    labels |= {each.question.task: list(each.keys) for each in chosen}
    matcher = _WorkflowMatcher(schema, labels, versions, target, rules)
    questions = np.full(len(keys), NONE, dtype=np.int64)
    columns = np.full(len(keys), NONE, dtype=np.int64)
    misfits = {}
    for position, key in enumerate(keys):
        found = matcher.place(key)
        if isinstance(found, Problem):
            misfits[position] = found
        elif found is not None:
            questions[position], columns[position] = found
    return AnswerColumns(schema, questions, columns, misfits)


def _newest_used(keys: Sequence[AnswerKey], versions: WorkflowVersions) -> WorkflowVersion:
    parsed = [Version.parse(text) for text in {key.version for key in keys}]
    used = [version for version in parsed if version is not None]
    return versions.nearest(str(max(used))) if used else versions.newest


class _WorkflowMatcher:
    """Finds the column of one answer in a workflow's schema."""

    def __init__(
        self,
        schema: LabelSchema,
        labels: Mapping[str, Sequence[str]],
        versions: WorkflowVersions,
        target: WorkflowVersion,
        rules: Rules,
    ) -> None:
        self._versions, self._target, self._rules = versions, target, rules
        self._questions = {
            question.task: (position, question)
            for position, question in enumerate(schema.questions)
        }
        self._starts = [schema.slices[question.name].start for question in schema.questions]
        self._answers = {
            question.task: _by_text(question, labels[question.task])
            for question in schema.questions
        }

    def place(self, key: AnswerKey) -> tuple[int, int] | Problem | None:
        """Return (question, column), why there is none, or None for an empty single answer."""
        if is_about_choice(key.task) and not self._rules.survey_answers:
            return None
        if key.task not in self._questions:
            if key.value is None and not key.text:
                return None  # nothing was drawn, as far as can be seen
            return Problem(
                key.task,
                "task is not asked any more",
                f"version {key.version} asked it, version {self._target.version} of the label "
                "columns does not",
                "its votes were left out; export the two versions apart if you need them",
            )
        position, question = self._questions[key.task]
        text = key.text or self._versions.nearest(key.version).text(key.task)
        if key.task not in self._rules.reworded and same_text(text) != same_text(question.text):
            return Problem(
                key.task,
                "question differs between versions",
                f"version {key.version} asked {plain_text(text)!r}, "
                f"version {self._target.version} asks {question.text!r}",
                f"if it was only reworded, give --reworded {key.task}",
            )
        if key.value is None:
            return (position, NONE) if question.type == "multiple" else None
        label = self._label(key)
        if isinstance(label, Problem):
            return label
        answer = self._answers[key.task].get(same_text(label))
        if answer is None:
            listed = ", ".join(repr(each.label) for each in question.answers)
            return Problem(
                key.task,
                "answer is not in the workflow",
                f"expected one of {listed}, got {plain_text(label)!r} (version {key.version})",
                f"version {self._target.version} has no such answer; its votes were left out",
            )
        return position, self._starts[position] + answer

    def _label(self, key: AnswerKey) -> str | Problem:
        if isinstance(key.value, str):
            return key.value if key.value != UNKNOWN_LABEL else unknown_label(key)
        labels = self._versions.nearest(key.version).labels(key.task)
        index = int(key.value or 0)
        if 0 <= index < len(labels):
            return labels[index]
        return Problem(
            key.task,
            "answer index out of range",
            f"expected 0 to {len(labels) - 1} in version {key.version}, got {index}",
            "check that --workflows holds this version",
        )


def _by_text(question: Question, labels: Sequence[str]) -> dict[str, int]:
    """Return the answers' positions by label and by key; the first of two that read the same."""
    found: dict[str, int] = {}
    for answer in question.answers:
        found.setdefault(same_text(answer.label), answer.index)
        if answer.index < len(labels):
            found.setdefault(same_text(labels[answer.index]), answer.index)
    return found
