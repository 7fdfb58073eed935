"""How does a classification export become a training set of marks?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from zooassist_exporters.classifications import ClassificationFile, ExportRow
from zooassist_exporters.digests import sha256_of
from zooassist_exporters.drawn_subjects import DrawnSubjects
from zooassist_exporters.extracts.mark_tools import WorkflowTools
from zooassist_exporters.images import Wanted, stage_images
from zooassist_exporters.marks_options import MarksInput, MarksRules
from zooassist_exporters.marks_reducing import MarksReducer
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.rules import Rules
from zooassist_exporters.training_set import SubjectRow, write_training_set
from zooassist_exporters.training_set_writer import check_free, staging_folder
from zooassist_exporters.workflows import WorkflowExport
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema

__all__ = ["MarksInput", "MarksReport", "MarksRules", "export_marks"]


@dataclass(frozen=True)
class MarksReport:
    """What an export of marks came to.

    Attributes
    ----------
    images, classifications : int
        Images in the set, and classifications that count.
    volunteer_marks, marks : int
        As drawn, and in the training set.
    noted : Counter
        Marks by what was noted: ``outside the image``, ``kept``, ``ambiguous tool``, ...
    dropped : Counter
        Classifications left out by a rule, by rule.
    """

    out: Path
    subjects: int
    images: int
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

    @cache
    def tools_of(workflow_id: int) -> WorkflowTools:
        versions = None if workflows is None else workflows.versions(workflow_id)
        return WorkflowTools(versions, given.tools)

    with DrawnSubjects(rules, tools_of, problems) as drawn:
        with ClassificationFile(given.classifications) as file:
            rows = _watched(file.rows(), given.progress("classifications", None))
            try:
                workflow_id = drawn.read(rows)
            except BadInput as error:
                raise BadInput(f"{file.file.name}: {error}") from error
            sources = [file.file.source()]
        sources += [workflows.source] if workflows is not None else []
        work = MarksReducer(given, how, tools_of(workflow_id), workflow_id, problems)
        staging = staging_folder(out)
        tables = work.reduce(drawn, staging, given.progress("subjects", len(drawn.metadata)))
    metadata = {subject: drawn.metadata[subject] for subject in work.subjects}
    images = _stage(given, metadata, staging, problems)
    sources += [given.image_source] if given.image_source is not None else []
    marks = work.marks()
    write_training_set(
        out,
        [SubjectRow(key, images.get(key), metadata=value) for key, value in metadata.items()],
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
            "noted": dict(sorted((+work.noted).items())),
            "left_out": dict(sorted((+drawn.dropped).items())),
            "problems": dict(sorted(problems.counts.items())),
        },
        overwrite=overwrite,
    )
    return MarksReport(
        out=out,
        subjects=len(work.subjects),
        images=len(images),
        classifications=work.classifications,
        volunteer_marks=work.volunteer_marks,
        marks=marks.num_rows,
        noted=work.noted,
        dropped=drawn.dropped,
        problems=problems,
    )


def _watched(rows: Iterator[Any], one_more: Callable[[], None]) -> Iterator[ExportRow | Problem]:
    for row in rows:
        one_more()
        yield row


def _stage(
    given: MarksInput,
    metadata: Mapping[int, Mapping[str, Any]],
    staging: Path,
    problems: ProblemList,
) -> Mapping[int, Path]:
    if given.images is None:
        return {}
    wanted = (Wanted(subject_id, values) for subject_id, values in metadata.items())
    done = given.progress("images", len(metadata))
    return stage_images(wanted, given.images, staging, problems, done).paths
