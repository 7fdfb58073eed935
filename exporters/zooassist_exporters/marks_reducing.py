"""How are the drawings of all subjects traced, clustered and written, one subject at a time?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from zooassist_exporters.drawn_classifications import DrawnClassification
from zooassist_exporters.drawn_subjects import DrawnSubjects
from zooassist_exporters.extracts.mark_tools import WorkflowTools
from zooassist_exporters.marks_options import MarksInput, MarksRules
from zooassist_exporters.marks_table import (
    BATCH,
    OUTCOMES,
    OUTCOMES_SCHEMA,
    VOLUNTEER_MARKS,
    VOLUNTEER_MARKS_SCHEMA,
    TableWriter,
)
from zooassist_exporters.matching.labelling import Outcome, trace_marks
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.reductions.drawings import TracedMark, reduce_drawings
from zooassist_exporters.training_set_layout import MARKS_SCHEMA
from zooassist_plugin.errors import BadInput
from zooassist_plugin.proposal_history import SeenProposal
from zooassist_plugin.shapes import TOOL_TYPES


class MarksReducer:
    """Reduces subject by subject; what is small stays here, what is large goes to tables.

    Attributes
    ----------
    subjects : list of int
        Those that count, ascending.
    noted : Counter
        Marks by what was noted: ``outside the image``, ``kept``, ``ambiguous tool``, ...
    """

    def __init__(
        self,
        given: MarksInput,
        how: MarksRules,
        tools: WorkflowTools,
        workflow_id: int,
        problems: ProblemList,
    ) -> None:
        self.subjects: list[int] = []
        self._rows: list[dict[str, Any]] = []
        self._marks = [MARKS_SCHEMA.empty_table()]
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
                self._keep(found.consensus if self._how.consensus else own)
                one_more()
        self.volunteer_marks = marks.count
        if self._history is None:
            (staging / OUTCOMES).unlink()
            return [VOLUNTEER_MARKS]
        return [VOLUNTEER_MARKS, OUTCOMES]

    def marks(self) -> pa.Table:
        """Return the rows of ``marks.parquet``."""
        self._keep([], final=True)
        return pa.concat_tables(self._marks)

    def _keep(self, rows: list[dict[str, Any]], *, final: bool = False) -> None:
        """Keep rows as Arrow tables, which take a tenth of the memory of objects."""
        self._rows += rows
        if final or len(self._rows) >= BATCH:
            self._marks.append(pa.Table.from_pylist(self._rows, schema=MARKS_SCHEMA))
            self._rows = []

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


def _outcome_row(visit: DrawnClassification, outcome: Outcome) -> dict[str, Any]:
    return {
        "subject_id": visit.subject_id,
        "classification_id": visit.classification_id,
        **vars(outcome),
        "seconds": visit.seconds,
    }
