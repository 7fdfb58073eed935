"""How much work do the classifications of an export tell of? Proposals from the ledger, marks back.

What was on the screen is known from the ledger alone; what came back is rasterised as proposals
are, so that an outline that nobody touched costs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.classifications import ClassificationFile, ExportRow
from zooassist_exporters.drawn_classifications import DrawnClassification
from zooassist_exporters.drawn_subjects import DrawnSubjects
from zooassist_exporters.extracts.mark_tools import VersionTools, WorkflowTools
from zooassist_exporters.extracts.marks import DrawnMark
from zooassist_exporters.mask_patch import Size
from zooassist_exporters.matching.assignment import Nearness
from zooassist_exporters.matching.labelling import TOO_SHORT, proposed_marks, trace_marks
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.rasterise import AREA_TOOLS
from zooassist_exporters.reductions.masks.volunteer import HOLE, Outline, covered
from zooassist_exporters.rules import Rules
from zooassist_exporters.workflows import WorkflowExport
from zooassist_loop.effort import TOLERANCE, ContourEffort, MarkEffort, Timed, contour_effort
from zooassist_plugin.marks import Mark
from zooassist_plugin.proposal_history import ProposalHistory, SeenProposal

Bools = NDArray[np.bool_]


@dataclass
class ExportEffort:
    """What an export says.

    Attributes
    ----------
    contour : ContourEffort
        Of classifications with a proposal.
    marks : MarkEffort
        Of the same, matched by geometry.
    timed : list of Timed
        All classifications.
    looked_at : set of (int, int)
        Subject and frame of every image that was on somebody's screen.
    left_out : Counter
        Classifications that say nothing of contours, by reason.
    """

    contour: ContourEffort = field(default_factory=ContourEffort)
    marks: MarkEffort = field(default_factory=MarkEffort)
    timed: list[Timed] = field(default_factory=list)
    looked_at: set[tuple[int, int]] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)


def effort_of_export(
    classifications: Path | str,
    history: ProposalHistory,
    *,
    workflows: Path | str | None = None,
    rules: Rules | None = None,
    hole_types: frozenset[str] = frozenset(),
    tolerance: float = TOLERANCE,
    problems: ProblemList | None = None,
    one_more: Callable[[], None] = lambda: None,
) -> ExportEffort:
    """Read an export once and compare what came back with what was proposed.

    Parameters
    ----------
    history : ProposalHistory
        The ledger that `zooassist propose` wrote.
    hole_types : frozenset of str
        Tool types whose marks cut holes: pre-filled marks come back without their tool.
    tolerance : float
        Pixels; see `effort.contour_effort`.

    Raises
    ------
    BadInput
        When the export is none, or nobody drew in it.
    """
    problems = ProblemList() if problems is None else problems
    known = None if workflows is None else WorkflowExport(workflows)

    @cache
    def tools_of(workflow_id: int) -> WorkflowTools:
        versions = None if known is None else known.versions(workflow_id)
        return WorkflowTools(versions, {})

    found = ExportEffort()
    with DrawnSubjects(rules or Rules(), tools_of, problems) as drawn:
        with ClassificationFile(classifications) as file:
            workflow_id = drawn.read(_counted(file, one_more))
        tools = tools_of(workflow_id)
        for subject_id, made in drawn.subjects():
            for each in made:
                when = each.started_at or each.created_at
                seen = history.visible_at(workflow_id, subject_id, when)
                _add(found, each, seen, tools.of(each.workflow_version), hole_types, tolerance)
    return found


def _counted(
    file: ClassificationFile, one_more: Callable[[], None]
) -> Iterator[ExportRow | Problem]:
    for row in file.rows():
        one_more()
        yield row


def _add(
    found: ExportEffort,
    made: DrawnClassification,
    seen: SeenProposal | None,
    tools: VersionTools,
    hole_types: frozenset[str],
    tolerance: float,
) -> None:
    marks = [mark for task in made.tasks for mark in task.marks]
    proposed = () if seen is None else proposed_marks(seen)
    found.timed.append(Timed(made.volunteer, bool(proposed), made.seconds))
    frames = {f for f, size in enumerate(made.sizes) if size is not None}
    found.looked_at |= {(made.subject_id, f) for f in frames or {mark.frame for mark in marks}}
    if not proposed:
        found.left_out["nothing was proposed"] += 1
        return
    if not marks and made.seconds is not None and made.seconds < TOO_SHORT:
        found.left_out["submitted before the proposal can have appeared"] += 1
        return
    _, outcome = trace_marks(made.tasks, seen, tools, Nearness(), seconds=made.seconds)
    if outcome is not None:
        found.marks += MarkEffort(outcome.kept, outcome.edited, outcome.added, outcome.deleted)
    for frame in sorted({m.frame for m in proposed} | {m.frame for m in marks}):
        size = made.size_of(frame)
        if size is None:
            found.left_out["the size of the frame is not known"] += 1
            continue
        before = _mask([m for m in proposed if m.frame == frame], Size(*size), hole_types)
        after = _mask([m for m in marks if m.frame == frame], Size(*size), hole_types)
        found.contour += contour_effort(before, after, tolerance)


def _mask(marks: Sequence[Mark | DrawnMark], size: Size, hole_types: frozenset[str]) -> Bools:
    """Return what marks cover together; all classes are one."""
    outlines = [
        Outline(mark.shape, HOLE if mark.shape.tool_type in hole_types else 1)
        for mark in marks
        if mark.shape is not None and mark.shape.tool_type in AREA_TOOLS
    ]
    masks = covered(outlines, size).masks
    return masks[1].in_frame(size) if 1 in masks else np.zeros((size.height, size.width), bool)
