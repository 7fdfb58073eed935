"""Who drew what on which subject? Classifications with drawings, grouped by subject.

An export is not ordered by subject and may be larger than memory, so the drawings are laid aside in
one pass over the rows and then come back subject by subject.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from zooassist_exporters.classifications import ExportRow
from zooassist_exporters.drawn_classifications import DrawnClassification, decode, encode
from zooassist_exporters.extracts.mark_tools import WorkflowTools
from zooassist_exporters.extracts.marks import DrawnTask, drawn_tasks
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.row_rules import counted, left_out
from zooassist_exporters.rules import Rules
from zooassist_exporters.subject_spill import SubjectSpill
from zooassist_plugin.errors import BadInput


class DrawnSubjects:
    """What was drawn on every subject; a context manager, since it owns temporary files.

    Parameters
    ----------
    rules : Rules
        Which classifications count.
    tools_of : callable
        Workflow id -> its tools.
    problems : ProblemList
        Gets what could not be read.
    folder : Path, optional
        Where temporary files lie; by default the system's folder for them.

    Attributes
    ----------
    metadata : dict
        Subject id -> its metadata, as first seen.
    drawing_tasks : set of str
        Tasks that somebody drew in, or that the workflow calls drawing tasks.
    dropped : Counter
        Classifications that a rule left out, by rule.
    workflow_ids : Counter
        Classifications per workflow.
    """

    def __init__(
        self,
        rules: Rules,
        tools_of: Callable[[int], WorkflowTools],
        problems: ProblemList,
        folder: Path | None = None,
    ) -> None:
        self.metadata: dict[int, Mapping[str, Any]] = {}
        self.drawing_tasks: set[str] = set()
        self.dropped: Counter[str] = Counter()
        self.workflow_ids: Counter[int] = Counter()
        self._rules, self._tools_of, self._problems = rules, tools_of, problems
        self._rows_dropped: Counter[str] = Counter()
        self._users: dict[str, int] = {}
        self._spill = SubjectSpill(folder)

    def __enter__(self) -> Self:
        self._spill.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._spill.__exit__(*error)

    def read(self, rows: Iterable[ExportRow | Problem]) -> int:
        """Read every row once and lay its drawings aside.

        Returns
        -------
        int
            The workflow that the rows are of.

        Raises
        ------
        BadInput
            When the rows are of several workflows and the rules name none, when none of them
            counts, or when nobody drew anything.
        """
        for row in rows:
            if isinstance(row, Problem):
                self._problems.add(row)
                continue
            cause = left_out(row, self._rules)
            if cause is not None:
                self.dropped[cause] += 1
                continue
            self.workflow_ids[row.workflow_id] += 1
            self._add(row, self._tools_of(row.workflow_id))
        if len(self.workflow_ids) > 1:
            listed = ", ".join(f"{key} ({n} rows)" for key, n in sorted(self.workflow_ids.items()))
            raise BadInput(
                f"the export holds several workflows: {listed}; choose one with --workflow-id"
            )
        if not self.drawing_tasks:
            raise BadInput(
                f"nothing was drawn in {sum(self.workflow_ids.values())} classifications that "
                f"count ({sum(self.dropped.values())} left out); marks need a drawing task"
            )
        self._rows_dropped = Counter(self.dropped)
        [workflow_id] = self.workflow_ids
        return workflow_id

    def subjects(self) -> Iterator[tuple[int, list[DrawnClassification]]]:
        """Yield each subject with the classifications that count, in the order of time.

        Subjects ascend; those whose volunteers answered no drawing task are left out. May be asked
        again: `dropped` counts one pass.
        """
        self.dropped = Counter(self._rows_dropped)
        for subject_id, records in self._spill.groups():
            found = [decode(record) for record in records]
            found = [each.within(self.drawing_tasks) for each in found]
            found = [each for each in found if each.tasks]
            found.sort(key=lambda each: (each.created_at, each.classification_id))
            kept, dropped = counted(found, lambda each: each.volunteer, self._rules)
            self.dropped.update(dropped)
            if kept:
                yield subject_id, kept

    def _add(self, row: ExportRow, tools: WorkflowTools) -> None:
        found = tools.of(row.workflow_version)
        tasks = drawn_tasks(row.annotations, found)
        for task in tasks:
            if task.marks or task.unusable or found.is_drawing(task.task):
                self.drawing_tasks.add(task.task)
            self._list_unusable(row, task)
        if not tasks:
            return
        if row.subject_id not in self.metadata:
            self.metadata[row.subject_id] = row.subject_metadata()
        user = row.user or f"\0{row.row}"  # unknown volunteers are all different
        number = self._users.setdefault(user, len(self._users))
        self._spill.add(row.subject_id, encode(row, number, tasks))

    def _list_unusable(self, row: ExportRow, task: DrawnTask) -> None:
        for mark in task.unusable:
            self._problems.add(
                Problem(
                    f"row {row.row}, {mark.task}, mark {mark.place}",
                    "mark without usable geometry",
                    mark.reason,
                    "the mark was left out; the others of the classification count",
                )
            )
