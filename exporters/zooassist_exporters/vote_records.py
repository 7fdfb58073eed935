"""Who answered what about which subject? One long table of integers, filled in one pass."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.classifications import ExportRow
from zooassist_exporters.extracts import Answered, UnexpectedValue, answers_of
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.rules import Rules
from zooassist_exporters.workflows import WorkflowExport
from zooassist_plugin.errors import BadInput


class AnswerKey(NamedTuple):
    """One distinct answer of a file; there are few, however many votes there are.

    `value` is a label, an index, or None for a question answered with none of several.
    """

    version: str
    task: str
    text: str
    multiple: bool
    value: str | int | None


@dataclass
class VoteRecords:
    """All votes of a file as columns of integers (about 30 bytes a classification, 12 a vote).

    Attributes
    ----------
    classification_ids, subject_ids, users, created : arrays, one entry per classification
        `users` numbers the volunteers of this file, negative when unknown; `created` is in
        microseconds since 1970 UTC.
    classifications, answers : arrays, one entry per vote
        Position of the classification, and of the answer in `keys`.
    keys : list of AnswerKey
        The distinct answers.
    metadata : dict
        Subject id -> its metadata, as first seen.
    dropped : Counter
        Classifications that a rule left out, by rule.
    workflow_ids : Counter
        Classifications per workflow.
    """

    classification_ids: array[int] = field(default_factory=lambda: array("q"))
    subject_ids: array[int] = field(default_factory=lambda: array("q"))
    users: array[int] = field(default_factory=lambda: array("q"))
    created: array[int] = field(default_factory=lambda: array("q"))
    classifications: array[int] = field(default_factory=lambda: array("l"))
    answers: array[int] = field(default_factory=lambda: array("l"))
    keys: list[AnswerKey] = field(default_factory=list)
    metadata: dict[int, Mapping[str, object]] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    workflow_ids: Counter[int] = field(default_factory=Counter)

    def column(self, name: str) -> NDArray[np.int64]:
        """Return one of the arrays as int64."""
        return np.asarray(getattr(self, name), dtype=np.int64)


class _Collector:
    """Adds rows to the records; holds the numbering of users and answers."""

    def __init__(
        self, rules: Rules, workflows: WorkflowExport | None, problems: ProblemList
    ) -> None:
        self.records = VoteRecords()
        self._rules, self._workflows, self._problems = rules, workflows, problems
        self._users: dict[str, int] = {}
        self._key_codes: dict[AnswerKey, int] = {}
        self._types: dict[tuple[int, str], Mapping[str, str]] = {}

    def add(self, row: ExportRow) -> None:
        """Count one classification, unless a rule leaves it out."""
        rules, records = self._rules, self.records
        if rules.workflow_id is not None and row.workflow_id != rules.workflow_id:
            records.dropped["other workflow"] += 1
            return
        records.workflow_ids[row.workflow_id] += 1
        if row.gold_standard and not rules.gold_standard:
            records.dropped["gold standard"] += 1
            return
        if rules.live_only and row.metadata().get("live_project") is False:
            records.dropped["made before launch"] += 1
            return
        position = len(records.classification_ids)
        records.classification_ids.append(row.classification_id)
        records.subject_ids.append(row.subject_id)
        records.users.append(self._user(row.user, position))
        records.created.append(int(row.created_at.timestamp() * 1_000_000))
        if row.subject_id not in records.metadata:
            records.metadata[row.subject_id] = row.subject_metadata()
        for answered in self._answers(row):
            self._vote(position, row.workflow_version, answered)

    def _user(self, user: str, position: int) -> int:
        if not user:
            return -1 - position  # unknown: never the same as another
        return self._users.setdefault(user, len(self._users))

    def _types_of(self, workflow_id: int, version: str) -> Mapping[str, str]:
        if self._workflows is None:
            return {}
        place = (workflow_id, version)
        if place not in self._types:
            exact = self._workflows.versions(workflow_id).exact(version)
            # A version the export lacks may have had other tasks: judge by the annotations then.
            self._types[place] = {} if exact is None else exact.types()
        return self._types[place]

    def _answers(self, row: ExportRow) -> Iterable[Answered]:
        """Return one answer per question: the first given, for subtasks that of the first mark."""
        types = self._types_of(row.workflow_id, row.workflow_version)
        chosen: dict[tuple[str, str], Answered] = {}
        for item in answers_of(row.annotations, types):
            if isinstance(item, UnexpectedValue):
                self._problems.add(
                    Problem(
                        f"row {row.row}, {item.task}",
                        "value does not fit the task",
                        str(item),
                        "this answer was left out; check that --workflows is of this workflow",
                    )
                )
                continue
            question = (item.task, item.text)
            present = chosen.get(question)
            if present is None or (item.mark_index or 0) < (present.mark_index or 0):
                chosen[question] = item
        return chosen.values()

    def _vote(self, position: int, version: str, answered: Answered) -> None:
        for value in answered.values or (None,):
            key = AnswerKey(version, answered.task, answered.text, answered.multiple, value)
            code = self._key_codes.get(key)
            if code is None:
                code = self._key_codes[key] = len(self.records.keys)
                self.records.keys.append(key)
            self.records.classifications.append(position)
            self.records.answers.append(code)


def collect_votes(
    rows: Iterable[ExportRow | Problem],
    rules: Rules,
    workflows: WorkflowExport | None,
    problems: ProblemList,
) -> VoteRecords:
    """Read every row once and keep its votes.

    Parameters
    ----------
    rows : iterable
        Of a `ClassificationFile`.
    workflows : WorkflowExport, optional
        Says which tasks are questions; without it the annotations' look decides.
    problems : ProblemList
        Gets what could not be read.

    Raises
    ------
    BadInput
        When the rows are of several workflows and the rules name none, none is of theirs, or the
        workflow export lacks their workflow.
    """
    collector = _Collector(rules, workflows, problems)
    for row in rows:
        if isinstance(row, Problem):
            problems.add(row)
        else:
            collector.add(row)
    _check_workflows(collector.records, rules)
    return collector.records


def _check_workflows(records: VoteRecords, rules: Rules) -> None:
    found = records.workflow_ids
    if len(found) > 1:
        listed = ", ".join(f"{key} ({count} rows)" for key, count in sorted(found.items()))
        raise BadInput(
            f"the export holds several workflows: {listed}; choose one with --workflow-id"
        )
    if rules.workflow_id is not None and not found and records.dropped["other workflow"]:
        raise BadInput(
            f"workflow {rules.workflow_id} has no classification in the export; "
            "check --workflow-id, or give the export of that workflow"
        )
