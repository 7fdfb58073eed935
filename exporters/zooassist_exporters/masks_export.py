"""How does a classification export become a training set of masks?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
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
from zooassist_exporters.mask_files import CONSENSUS, CONTOURS
from zooassist_exporters.mask_maker import SubjectMasks, drawn_in, survey
from zooassist_exporters.mask_options import MaskOptions, MasksInput
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.rules import Rules
from zooassist_exporters.training_set import SubjectRow, write_training_set
from zooassist_exporters.training_set_writer import check_free, staging_folder
from zooassist_exporters.workflows import WorkflowExport
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema


@dataclass(frozen=True)
class MasksReport:
    """What an export of masks came to.

    Attributes
    ----------
    masks, classifications, images : int
        Frames with a mask, classifications that they rest on, and images in the set.
    classes : mapping
        Number in the label maps -> name.
    dropped : Counter
        Classifications left out by a rule, by rule.
    left_out : Counter
        Marks that say nothing about a mask, by reason.
    """

    out: Path
    subjects: int
    masks: int
    images: int
    classifications: int
    classes: Mapping[int, str]
    dropped: Counter[str]
    left_out: Counter[str]
    problems: ProblemList


def export_masks(
    given: MasksInput,
    out: Path,
    rules: Rules,
    options: MaskOptions | None = None,
    *,
    overwrite: bool = False,
    problems: ProblemList | None = None,
) -> MasksReport:
    """Find the consensus mask of every frame that volunteers saw, and write a training set.

    Memory is bounded by the classifications of one subject and by one frame's maps.

    Parameters
    ----------
    overwrite : bool
        Replace a training set that is already there.
    problems : ProblemList, optional
        Goes on with this list.

    Raises
    ------
    BadInput
        When a file is not what it should be, the file holds several workflows or drawing tasks and
        none is chosen, nothing was drawn, or `out` exists.
    """
    check_free(out, overwrite)
    options = MaskOptions() if options is None else options
    problems = ProblemList() if problems is None else problems
    workflows = None if given.workflows is None else WorkflowExport(given.workflows)

    def tools_of(workflow_id: int) -> WorkflowTools:
        if workflows is None:
            return WorkflowTools(None, given.tools)
        return WorkflowTools(workflows.versions(workflow_id), given.tools)

    staging = staging_folder(out)
    for name in (CONSENSUS, CONTOURS):
        (staging / name).unlink(missing_ok=True)  # of an earlier, interrupted run
    known_tools = cache(tools_of)
    with DrawnSubjects(rules, known_tools, problems) as drawn:
        with ClassificationFile(given.classifications) as file:
            workflow_id = drawn.read(_watched(file.rows(), given.progress("classifications", None)))
            sources = [file.file.source()]
        tools = known_tools(workflow_id)
        surveyed = survey(drawn_in(drawn, tools), options, file.file.name)
        # The second pass over the subjects counts what the rules leave out once more.
        dropped = Counter(drawn.dropped)
        with ExitStack() as tables:
            masks = SubjectMasks(surveyed, options, staging, problems, tables)
            one_more = given.progress("subjects", surveyed.subjects)
            for subject_id, classifications in drawn_in(drawn, tools):
                masks.reduce(subject_id, classifications)
                one_more()
    if not masks.paths:
        raise BadInput(
            f"{file.file.name}: none of {surveyed.subjects} subjects got a mask; "
            + next(problems.lines(), "check the options")
        )
    metadata = {subject_id: drawn.metadata[subject_id] for subject_id in masks.subjects}
    images = _stage(given, metadata, staging, problems)
    sources += [workflows.source] if workflows is not None else []
    sources += [given.image_source] if given.image_source is not None else []
    write_training_set(
        out,
        [SubjectRow(key, images.get(key), metadata=value) for key, value in metadata.items()],
        np.zeros((len(metadata), 0), dtype=np.int64),
        LabelSchema(()),
        sources=sources,
        options={
            "command": "export masks",
            **rules.to_json(),
            **options.to_json(),
            "task": surveyed.task,
            "workflow_id": workflow_id,
            "tables": {
                name: {"sha256": sha256_of(staging / name)}
                for name in (CONSENSUS, CONTOURS)
                if (staging / name).is_file()
            },
            "left_out": dict(sorted((+dropped).items())),
            "marks_left_out": dict(sorted((+masks.left_out).items())),
            "problems": dict(sorted(problems.counts.items())),
        },
        masks=masks.paths,
        mask_classes=surveyed.classes.names(),
        overwrite=overwrite,
    )
    return MasksReport(
        out=out,
        subjects=len(metadata),
        masks=len(masks.paths),
        images=len(images),
        classifications=masks.classifications,
        classes=surveyed.classes.names(),
        dropped=dropped,
        left_out=masks.left_out,
        problems=problems,
    )


def _watched(
    rows: Iterable[ExportRow | Problem], one_more: Callable[[], None]
) -> Iterator[ExportRow | Problem]:
    for row in rows:
        one_more()
        yield row


def _stage(
    given: MasksInput,
    metadata: Mapping[int, Mapping[str, Any]],
    staging: Path,
    problems: ProblemList,
) -> Mapping[int, Path]:
    if given.images is None:
        return {}
    wanted = (Wanted(subject_id, values) for subject_id, values in metadata.items())
    done = given.progress("images", len(metadata))
    return stage_images(wanted, given.images, staging, problems, done).paths
