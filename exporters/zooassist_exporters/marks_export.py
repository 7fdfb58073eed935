"""How does a classification export become a training set of marks?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from zooassist_exporters.classifications import ClassificationFile, ExportRow
from zooassist_exporters.digests import sha256_of
from zooassist_exporters.drawn_classifications import DrawnClassification
from zooassist_exporters.drawn_subjects import DrawnSubjects
from zooassist_exporters.extracts.mark_tools import WorkflowTools
from zooassist_exporters.marks_table import (
    OUTCOMES,
    OUTCOMES_SCHEMA,
    VOLUNTEER_MARKS,
    VOLUNTEER_MARKS_SCHEMA,
    TableWriter,
)
from zooassist_exporters.matching.assignment import Nearness
from zooassist_exporters.matching.labelling import TOO_SHORT, Outcome, trace_marks
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.reductions.drawings import TracedMark, reduce_drawings
from zooassist_exporters.reductions.shapes.consensus import ConsensusRules
from zooassist_exporters.rules import Rules
from zooassist_exporters.training_set import SubjectRow, write_training_set
from zooassist_exporters.training_set_layout import MARKS_SCHEMA
from zooassist_exporters.training_set_writer import check_free, staging_folder
from zooassist_exporters.workflows import WorkflowExport
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.progress import Start, silent
from zooassist_plugin.proposal_history import ProposalHistory, SeenProposal
from zooassist_plugin.shapes import TOOL_TYPES


@dataclass(frozen=True)
class MarksInput:
    """What `export_marks` reads.

    Attributes
    ----------
    classifications : str or Path
        A classification export, or ``-``.
    workflows : str or Path, optional
        The workflow export: tool types, labels and subtask answers by version.
    tools : mapping
        ``T0.6`` -> tool type, for marks that neither name their tool nor look like one.
    history : ProposalHistory, optional
        What volunteers saw; with it every mark is labelled kept, edited or added.
    """

    classifications: str | Path
    workflows: str | Path | None = None
    tools: Mapping[str, str] = field(default_factory=dict)
    history: ProposalHistory | None = None
    progress: Start = silent


@dataclass(frozen=True)
class MarksRules:
    """How marks are counted.

    Attributes
    ----------
    consensus : ConsensusRules, optional
        None makes a set of every volunteer's own marks.
    near : Nearness
        How near a mark must be to a proposed one to be that one, edited.
    too_short : float
        Seconds below which an empty answer means that the proposal had not loaded.
    classes : frozenset of str
        Subtasks whose answer is a mark's class; by default the tool is.
    """

    consensus: ConsensusRules | None = field(default_factory=ConsensusRules)
    near: Nearness = field(default_factory=Nearness)
    too_short: float = TOO_SHORT
    classes: frozenset[str] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """Return the rules as they are written into ``training-set.json``."""
        return {
            "consensus": None if self.consensus is None else self.consensus.to_json(),
            "edited_iou": self.near.iou,
            "edited_pixels": self.near.pixels,
            "not_loaded_below_seconds": self.too_short,
            "classes": sorted(self.classes),
        }


@dataclass(frozen=True)
class MarksReport:
    """What an export of marks came to.

    Attributes
    ----------
    classifications : int
        Those that count.
    volunteer_marks, marks : int
        As drawn, and in the training set.
    noted : Counter
        Marks by what was noted: ``outside the image``, ``kept``, ``ambiguous tool``, ...
    dropped : Counter
        Classifications left out by a rule, by rule.
    """

    out: Path
    subjects: int
    classifications: int
    volunteer_marks: int
    marks: int
    noted: Counter[str]
    dropped: Counter[str]
    problems: ProblemList


def export_marks(
    given: MarksInput,
    out: Path,
    rules: Rules,
    how: MarksRules,
    *,
    overwrite: bool = False,
    problems: ProblemList | None = None,
) -> MarksReport:
    """Read the marks of an export, cluster them across volunteers, and write a training set.

    Beside ``marks.parquet`` the set holds ``volunteer_marks.parquet`` and, with a history,
    ``proposals.parquet``; see docs/marks.md.

    Raises
    ------
    BadInput
        When a file is not what it should be, the file holds several workflows and the rules name
        none, nothing was drawn, or `out` exists.
    """
    check_free(out, overwrite)
    problems = ProblemList() if problems is None else problems
    workflows = None if given.workflows is None else WorkflowExport(given.workflows)
    tools = _Tools(workflows, given.tools)
    with DrawnSubjects(rules, tools, problems) as drawn:
        with ClassificationFile(given.classifications) as file:
            rows = _watched(file.rows(), given.progress("classifications", None))
            try:
                workflow_id = drawn.read(rows)
            except BadInput as error:
                raise BadInput(f"{file.file.name}: {error}") from error
            sources = [file.file.source()]
        sources += [workflows.source] if workflows is not None else []
        work = _Work(given, how, tools(workflow_id), workflow_id, problems)
        staging = staging_folder(out)
        tables = work.reduce(drawn, staging, given.progress("subjects", len(drawn.metadata)))
    marks = pa.Table.from_pylist(work.rows, schema=MARKS_SCHEMA)
    write_training_set(
        out,
        [SubjectRow(subject, metadata=drawn.metadata[subject]) for subject in work.subjects],
        np.zeros((len(work.subjects), 0), dtype=np.int64),
        LabelSchema(()),
        marks=marks,
        sources=sources,
        options={
            "command": "export marks",
            **rules.to_json(),
            **how.to_json(),
            "workflow_id": workflow_id,
            "tools": dict(given.tools),
            "matched": given.history is not None,
            "tables": {name: {"sha256": sha256_of(staging / name)} for name in tables},
            "noted": dict(sorted(work.noted.items())),
            "left_out": dict(sorted(drawn.dropped.items())),
            "problems": dict(sorted(problems.counts.items())),
        },
        overwrite=overwrite,
    )
    return MarksReport(
        out=out,
        subjects=len(work.subjects),
        classifications=work.classifications,
        volunteer_marks=work.volunteer_marks,
        marks=marks.num_rows,
        noted=work.noted,
        dropped=drawn.dropped,
        problems=problems,
    )


class _Tools:
    """The tools of each workflow, found when they are asked for."""

    def __init__(self, workflows: WorkflowExport | None, given: Mapping[str, str]) -> None:
        self._workflows, self._given = workflows, given
        self._known: dict[int, WorkflowTools] = {}

    def __call__(self, workflow_id: int) -> WorkflowTools:
        if workflow_id not in self._known:
            versions = None if self._workflows is None else self._workflows.versions(workflow_id)
            self._known[workflow_id] = WorkflowTools(versions, self._given)
        return self._known[workflow_id]


class _Work:
    """Reduces subject by subject; what is small stays here, what is large goes to tables."""

    def __init__(
        self,
        given: MarksInput,
        how: MarksRules,
        tools: WorkflowTools,
        workflow_id: int,
        problems: ProblemList,
    ) -> None:
        self.subjects: list[int] = []
        self.rows: list[dict[str, Any]] = []
        self.noted: Counter[str] = Counter()
        self.classifications = self.volunteer_marks = 0
        self._history, self._how, self._tools = given.history, how, tools
        self._workflow_id, self._problems = workflow_id, problems

    def reduce(
        self, drawn: DrawnSubjects, staging: Path, one_more: Callable[[], None]
    ) -> list[str]:
        """Go through all subjects; returns the names of the tables written into `staging`."""
        marks = TableWriter(staging / VOLUNTEER_MARKS, VOLUNTEER_MARKS_SCHEMA)
        outcomes = TableWriter(staging / OUTCOMES, OUTCOMES_SCHEMA)
        with marks, outcomes:
            for subject_id, visits in drawn.subjects():
                self.subjects.append(subject_id)
                self.classifications += len(visits)
                traced = [each for visit in visits for each in self._trace(visit, outcomes)]
                found = reduce_drawings(
                    subject_id, visits, traced, self._how.consensus, self._how.classes
                )
                self._note(found.volunteers)
                marks.add(found.volunteers)
                own = [row for row in found.volunteers if row["tool_type"] in TOOL_TYPES]
                self.rows += found.consensus if self._how.consensus else _only_marks(own)
                one_more()
        self.volunteer_marks = marks.count
        if self._history is None:
            (staging / OUTCOMES).unlink()
            return [VOLUNTEER_MARKS]
        return [VOLUNTEER_MARKS, OUTCOMES]

    def _trace(self, visit: DrawnClassification, outcomes: TableWriter) -> Iterator[TracedMark]:
        tools = self._tools.of(visit.workflow_version)
        seen = self._seen(visit)
        try:
            origins, outcome = trace_marks(
                visit.tasks,
                seen,
                tools,
                self._how.near,
                seconds=visit.seconds,
                too_short=self._how.too_short,
            )
        except BadInput as error:
            self._problems.add(
                Problem(
                    f"classification {visit.classification_id}",
                    "proposal that cannot be read",
                    str(error),
                    "its marks are not labelled; check that the ledger is of this project",
                )
            )
            seen = None
            origins, outcome = trace_marks(visit.tasks, None, tools, self._how.near)
        if outcome is not None:
            outcomes.add([_outcome_row(visit, outcome)])
            self.noted["deleted"] += outcome.deleted
            self.noted["proposals not loaded"] += not outcome.loaded
        marks = (mark for task in visit.tasks for mark in task.marks)
        proposal_id = None if seen is None else seen.proposal_id
        for mark, origin in zip(marks, origins, strict=True):
            yield TracedMark(visit, mark, origin, tools, proposal_id)

    def _seen(self, visit: DrawnClassification) -> SeenProposal | None:
        if self._history is None:
            return None
        when = visit.started_at or visit.created_at
        return self._history.visible_at(self._workflow_id, visit.subject_id, when)

    def _note(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self.noted["outside the image"] += row["outside"] is True
            self.noted["ambiguous tool"] += row["tool_from"] == "ambiguous"
            self.noted["tool without canonical shape"] += row["tool_type"] not in TOOL_TYPES
            if row["action"] is not None:
                self.noted[row["action"]] += 1


def _only_marks(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: row.get(name) for name in MARKS_SCHEMA.names} for row in rows]


def _outcome_row(visit: DrawnClassification, outcome: Outcome) -> dict[str, Any]:
    return {
        "subject_id": visit.subject_id,
        "classification_id": visit.classification_id,
        **vars(outcome),
        "seconds": visit.seconds,
    }


def _watched(rows: Iterator[Any], one_more: Callable[[], None]) -> Iterator[ExportRow | Problem]:
    for row in rows:
        one_more()
        yield row
