"""How does a classification export become a training set of votes?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zooassist_exporters.answer_columns import AnswerColumns
from zooassist_exporters.classifications import ClassificationFile, ExportRow
from zooassist_exporters.digests import Source
from zooassist_exporters.images import ImageSource, Wanted, stage_images
from zooassist_exporters.model_columns import columns_of_model
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.reductions.votes import SubjectVotes, count_votes
from zooassist_exporters.rules import Rules
from zooassist_exporters.seen_answers import columns_as_seen
from zooassist_exporters.training_set import SubjectRow, write_training_set
from zooassist_exporters.training_set_writer import check_free, staging_folder
from zooassist_exporters.vote_records import VoteRecords, collect_votes
from zooassist_exporters.workflow_answers import columns_of_workflow
from zooassist_exporters.workflows import WorkflowExport
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.progress import Start, silent


@dataclass(frozen=True)
class VotesReport:
    """What an export of votes came to.

    Attributes
    ----------
    out : Path
        The training set.
    classifications, votes : int
        Classifications counted, and answers in all.
    dropped : Counter
        Classifications left out by a rule, by rule.
    notes : tuple of str
        Questions that were not matched with the model's.
    """

    out: Path
    subjects: int
    images: int
    classifications: int
    votes: int
    dropped: Counter[str]
    problems: ProblemList
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class VotesInput:
    """What `export_votes` reads.

    Attributes
    ----------
    classifications : str or Path
        A classification export, or ``-``.
    workflows : Path, optional
        The workflow export; without it questions and answers are those seen in the file.
    like : LabelSchema, optional
        A model's label schema, whose columns the votes are to have; needs `workflows`.
    images : ImageSource, optional
        Where subject images come from; without it the set has none.
    image_source : Source, optional
        The subject export behind `images`.
    progress : callable
        How reading and fetching show that they move; see `zooassist_exporters.progress`.
    """

    classifications: str | Path
    workflows: str | Path | None = None
    like: LabelSchema | None = None
    images: ImageSource | None = None
    image_source: Source | None = None
    progress: Start = silent

    def with_media(self, images: ImageSource, source: Source) -> VotesInput:
        """Return the same with images that the subject export `source` tells of."""
        return replace(self, images=images, image_source=source)


def export_votes(
    given: VotesInput,
    out: Path,
    rules: Rules,
    *,
    overwrite: bool = False,
    problems: ProblemList | None = None,
) -> VotesReport:
    """Count the votes of an export and write them as a training set.

    Parameters
    ----------
    overwrite : bool
        Replace a training set that is already there.
    problems : ProblemList, optional
        Goes on with this list.

    Raises
    ------
    BadInput
        When a file is not what it should be, the file holds several workflows and the rules name
        none, nothing can be counted, or `out` exists.
    """
    check_free(out, overwrite)
    if given.like is not None and given.workflows is None:
        raise BadInput("--like needs --workflows, to know which answers the volunteers could give")
    problems = ProblemList() if problems is None else problems
    workflows = None if given.workflows is None else WorkflowExport(given.workflows)
    with ClassificationFile(given.classifications) as file:
        rows = _watched(file.rows(), given.progress("classifications", None))
        records = collect_votes(rows, rules, workflows, problems)
        sources = [file.file.source()]
    nothing = BadInput(
        f"{file.file.name}: no question was answered in {len(records.classification_ids)} "
        "classifications; votes need question tasks or subtasks"
    )
    if not records.keys:
        raise nothing
    [workflow_id] = records.workflow_ids
    columns, notes = _columns(given, rules, records, workflows, problems)
    if not columns.schema.questions:
        raise nothing
    sources += [workflows.source] if workflows is not None else []
    votes = count_votes(
        records,
        columns.questions,
        columns.columns,
        columns.single,
        len(columns.schema.columns),
        rules.repeats,
    )
    _list_conflicts(votes, records, problems)
    images = _stage(given, votes, records, out, problems)
    sources += [given.image_source] if given.image_source is not None else []
    dropped = records.dropped + Counter({"repeated by the same volunteer": votes.repeated})
    write_training_set(
        out,
        [
            SubjectRow(int(each), images.get(int(each)), metadata=records.metadata[int(each)])
            for each in votes.subject_ids
        ],
        votes.counts,
        columns.schema,
        totals=votes.totals,
        sources=sources,
        options={
            "command": "export votes",
            **rules.to_json(),
            "workflow_id": workflow_id,
            "questions_from": "the answers seen" if workflows is None else "workflow export",
            "left_out": dict(sorted(dropped.items())),
            "problems": dict(sorted(problems.counts.items())),
        },
        overwrite=overwrite,
    )
    return VotesReport(
        out=out,
        subjects=len(votes.subject_ids),
        images=len(images),
        classifications=len(records.classification_ids) - votes.repeated,
        votes=int(votes.counts.sum()),
        dropped=dropped,
        problems=problems,
        notes=notes,
    )


def _watched(
    rows: Iterator[ExportRow | Problem], one_more: Callable[[], None]
) -> Iterator[ExportRow | Problem]:
    for row in rows:
        one_more()
        yield row


def _columns(
    given: VotesInput,
    rules: Rules,
    records: VoteRecords,
    workflows: WorkflowExport | None,
    problems: ProblemList,
) -> tuple[AnswerColumns, tuple[str, ...]]:
    """Find the column of every answer, and say which questions a model does not have."""
    if workflows is None:
        columns = columns_as_seen(records.keys, rules)
    else:
        [workflow_id] = records.workflow_ids
        columns = columns_of_workflow(records.keys, workflows.versions(workflow_id), rules)
    _list_misfits(columns, records, problems)
    return (columns, ()) if given.like is None else columns_of_model(columns, given.like, rules)


def _list_misfits(columns: AnswerColumns, records: VoteRecords, problems: ProblemList) -> None:
    times = np.bincount(records.column("answers"), minlength=len(records.keys))
    for position, problem in columns.misfits.items():
        count = int(times[position])
        problems.add(
            Problem(
                problem.where, problem.cause, f"{problem.detail}, {count} votes", problem.remedy
            ),
            count,
        )


def _list_conflicts(votes: SubjectVotes, records: VoteRecords, problems: ProblemList) -> None:
    for position in votes.conflicts:
        problems.add(
            Problem(
                f"classification {records.classification_ids[position]}",
                "several answers to a question that takes one",
                "expected one answer per question",
                "those answers were left out; the question allowed several in that version",
            )
        )


def _stage(
    given: VotesInput, votes: SubjectVotes, records: VoteRecords, out: Path, problems: ProblemList
) -> Mapping[int, Path]:
    if given.images is None:
        return {}

    def wanted() -> Iterator[Wanted]:
        for each in votes.subject_ids:
            yield Wanted(int(each), records.metadata[int(each)])

    done = given.progress("images", len(votes.subject_ids))
    return stage_images(wanted(), given.images, staging_folder(out), problems, done).paths
