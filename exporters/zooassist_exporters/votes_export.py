"""How does a classification export become a training set of votes?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zooassist_exporters.answer_columns import AnswerColumns
from zooassist_exporters.cell_values import subject_metadata
from zooassist_exporters.digests import Source
from zooassist_exporters.images import ImageSource, Wanted, stage_images
from zooassist_exporters.long_table.reading import LongTable, read_long_table
from zooassist_exporters.long_table.subject_texts import first_texts
from zooassist_exporters.long_table.workers import cores
from zooassist_exporters.model_columns import columns_of_model
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.reductions.weighting.ballots import BallotBox
from zooassist_exporters.reductions.weighting.methods import require
from zooassist_exporters.reductions.weighting.weighing import weigh
from zooassist_exporters.row_chunks import CHUNK
from zooassist_exporters.rules import Rules
from zooassist_exporters.seen_answers import columns_as_seen
from zooassist_exporters.training_set_rows import SubjectRow, checked_rows
from zooassist_exporters.training_set_writer import TrainingSetDraft, check_free
from zooassist_exporters.vote_records import Integers
from zooassist_exporters.votes_counting import Totals, count_parts
from zooassist_exporters.weighted_votes import write_weighted_votes
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
    weight : str, optional
        Weigh volunteers by this method too: ``agreement``, ``dawid-skene`` or ``mace``.
    workers : int, optional
        Threads that read the classifications; by default as many as there are cores.
    progress : callable
        How reading and fetching show that they move; see `zooassist_plugin.progress`.
    """

    classifications: str | Path
    workflows: str | Path | None = None
    like: LabelSchema | None = None
    images: ImageSource | None = None
    image_source: Source | None = None
    weight: str | None = None
    workers: int | None = None
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
    if given.weight is not None:
        require(given.weight)
    problems = ProblemList() if problems is None else problems
    workflows = None if given.workflows is None else WorkflowExport(given.workflows)
    one_more = given.progress(f"pieces of {CHUNK >> 20} MiB", None)
    table, source = read_long_table(
        given.classifications,
        rules,
        workflows,
        problems,
        workers=given.workers,
        chunk_size=CHUNK,
        one_more=one_more,
    )
    with table:
        columns, notes = _columns(given, rules, table, workflows, problems, source.name)
        with TrainingSetDraft(out, columns.schema, overwrite=overwrite) as draft:
            totals, images, weighted = _fill(draft, given, rules, table, columns, problems)
            table.rejects.publish(draft.folder)
            sources = [source]
            sources += [workflows.source] if workflows is not None else []
            sources += [given.image_source] if given.image_source is not None else []
            dropped = table.dropped + totals.dropped
            [workflow_id] = table.workflow_ids
            draft.publish(
                sources=sources,
                options={
                    "command": "export votes",
                    **rules.to_json(),
                    "workflow_id": workflow_id,
                    "questions_from": (
                        "the answers seen" if workflows is None else "workflow export"
                    ),
                    "left_out": dict(sorted(dropped.items())),
                    "problems": dict(sorted(problems.counts.items())),
                    **weighted,
                },
            )
    return VotesReport(
        out=out,
        subjects=totals.subjects,
        images=images,
        classifications=table.classifications - totals.dropped.total(),
        votes=totals.votes,
        dropped=dropped,
        problems=problems,
        notes=notes,
    )


def _fill(
    draft: TrainingSetDraft,
    given: VotesInput,
    rules: Rules,
    table: LongTable,
    columns: AnswerColumns,
    problems: ProblemList,
) -> tuple[Totals, int, dict[str, Any]]:
    """Write all subjects, and return what they come to, images, and what is told of weights."""
    totals, images = Totals(), 0
    box = BallotBox() if given.weight is not None else None
    subject_ids: list[Integers] = []
    expected = table.subjects() if given.images is not None else 0
    done = given.progress("images", expected) if given.images is not None else None
    for part in count_parts(table, columns, rules, given.workers or cores()):
        totals.add(part)
        votes = part.votes
        if box is not None:
            box.add(part.counted)
            subject_ids.append(votes.subject_ids)
        metadata = {
            subject: subject_metadata(text, subject)
            for subject, text in first_texts(part.texts, votes.subject_ids).items()
        }
        paths: Mapping[int, Path] = {}
        if given.images is not None and done is not None:
            wanted = (Wanted(*each) for each in metadata.items())
            paths = stage_images(wanted, given.images, draft.folder, problems, done).paths
        images += len(paths)
        rows = [SubjectRow(key, paths.get(key), metadata=told) for key, told in metadata.items()]
        draft.add(checked_rows(rows, votes.counts, columns.schema, votes.totals))
    for _ in range(expected - totals.subjects):  # subjects that do not count in the end
        if done is not None:
            done()
    totals.list_problems(columns, table, problems)
    if box is None or given.weight is None:
        return totals, images, {}
    subjects = np.concatenate([np.zeros(0, dtype=np.int64), *subject_ids])
    found = weigh(box.ballots(), subjects, columns.schema, given.weight)
    told = write_weighted_votes(draft.folder, found, subjects, columns.schema, given.weight)
    return totals, images, {"weight": told}


def _columns(
    given: VotesInput,
    rules: Rules,
    table: LongTable,
    workflows: WorkflowExport | None,
    problems: ProblemList,
    name: str,
) -> tuple[AnswerColumns, tuple[str, ...]]:
    """Find the column of every answer, and say which questions a model does not have."""
    if not table.keys:
        raise _nothing(table, problems, name)
    if workflows is None:
        columns = columns_as_seen(table.keys, rules)
    else:
        [workflow_id] = table.workflow_ids
        columns = columns_of_workflow(table.keys, workflows.versions(workflow_id), rules)
    if not columns.schema.questions:
        raise _nothing(table, problems, name)
    return (columns, ()) if given.like is None else columns_of_model(columns, given.like, rules)


def _nothing(table: LongTable, problems: ProblemList, name: str) -> BadInput:
    causes = "".join(f"; left out: {count} x {cause}" for cause, count in problems.counts.items())
    return BadInput(
        f"{name}: no question was answered in {table.classifications} classifications; "
        f"votes need question tasks or subtasks{causes}"
    )
