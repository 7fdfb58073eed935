"""What was drawn on one subject? Its volunteers' marks as rows, and what they agreed on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from zooassist_exporters.drawn_classifications import DrawnClassification, Size
from zooassist_exporters.extracts.mark_tools import VersionTools
from zooassist_exporters.extracts.marks import DrawnMark, parameters_of
from zooassist_exporters.matching.labelling import MarkOrigin
from zooassist_exporters.reductions.shapes.areas import bounds_of
from zooassist_exporters.reductions.shapes.clustering import NOISE
from zooassist_exporters.reductions.shapes.consensus import ConsensusRules, consensus
from zooassist_plugin.shapes import Shape


class TracedMark(NamedTuple):
    """One mark with its classification, where it comes from, and the tool's texts."""

    visit: DrawnClassification
    mark: DrawnMark
    origin: MarkOrigin
    tools: VersionTools
    proposal_id: str | None = None

    @property
    def tool_index(self) -> int:
        """The tool that drew it, as far as it could be recovered."""
        return self.origin.tool.tool_index

    @property
    def tool_label(self) -> str:
        """Label of that tool; the exported one names the wrong tool where the index was lost."""
        if self.tool_index == self.mark.tool_index:
            return self.mark.tool_label
        return self.tools.label_of(self.mark.task, self.tool_index)


class Group(NamedTuple):
    """What marks must share to be the same object: frame, task and tool."""

    frame: int
    task: str
    tool_index: int
    tool_type: str
    tool_label: str


@dataclass
class SubjectMarks:
    """Rows of one subject: every volunteer's marks, and the consensus."""

    volunteers: list[dict[str, Any]] = field(default_factory=list)
    consensus: list[dict[str, Any]] = field(default_factory=list)


def reduce_drawings(
    subject_id: int,
    visits: Sequence[DrawnClassification],
    marks: Sequence[TracedMark],
    rules: ConsensusRules | None,
    classes: AbstractSet[str] = frozenset(),
) -> SubjectMarks:
    """Make the rows of one subject.

    Parameters
    ----------
    visits : sequence of DrawnClassification
        All classifications of the subject that count, those without marks too: they saw it.
    rules : ConsensusRules, optional
        None makes no consensus.
    classes : set of str
        Subtasks (``T0.0.0``) whose answer is a mark's class; by default the tool is.
    """
    found = SubjectMarks()
    groups: dict[Group, list[TracedMark]] = {}
    for each in marks:
        groups.setdefault(_group(each), []).append(each)
    for group in sorted(groups):
        members = groups[group]
        labels: list[int | None] = [None] * len(members)
        shapes = [shape for each in members if (shape := each.mark.shape) is not None]
        if rules is not None and len(shapes) == len(members):
            seen = sum(visit.saw(group.task, group.frame) for visit in visits)
            # With repeats counted, a classification is a volunteer's vote.
            voters = [each.visit.classification_id for each in members]
            agreed = consensus(shapes, voters, rules)
            labels = [int(label) for label in agreed.labels]
            for cluster in agreed.clusters:
                if cluster.shape is not None:
                    inside = [members[place] for place in cluster.members]
                    found.consensus.append(
                        _mark_row(subject_id, group, cluster.shape, _class(inside, classes))
                        | {"count": len(inside), "agreement": len(inside) / seen}
                    )
        for each, label in zip(members, labels, strict=True):
            found.volunteers.append(_volunteer_row(subject_id, group, each, label, classes))
    return found


def _group(each: TracedMark) -> Group:
    mark = each.mark
    return Group(mark.frame, mark.task, each.tool_index, mark.tool_type, each.tool_label)


def _mark_row(subject_id: int, group: Group, shape: Shape, label: str) -> dict[str, Any]:
    return {
        "subject_id": subject_id,
        "frame": group.frame,
        "task": group.task,
        "tool_index": group.tool_index,
        "tool_type": shape.tool_type,
        "tool_label": group.tool_label or None,
        "label": label,
        "geometry": json.dumps(parameters_of(shape)),
    }


def _volunteer_row(
    subject_id: int,
    group: Group,
    each: TracedMark,
    cluster: int | None,
    classes: AbstractSet[str],
) -> dict[str, Any]:
    mark, visit = each.mark, each.visit
    size = visit.size_of(mark.frame)
    return {
        "subject_id": subject_id,
        "frame": group.frame,
        "task": group.task,
        "tool_index": group.tool_index,
        "tool_type": group.tool_type,
        "tool_label": group.tool_label or None,
        "label": _class([each], classes),
        "geometry": json.dumps(mark.geometry),
        "count": 1,
        "action": each.origin.action,
        "classification_id": visit.classification_id,
        "cluster": None if cluster == NOISE else cluster,
        "tool_from": each.origin.tool.source,
        "proposal_id": each.proposal_id,
        "answers": json.dumps(_answers(mark), ensure_ascii=False),
        "volunteer": visit.volunteer,
        "created_at": visit.created_at,
        "workflow_version": visit.workflow_version,
        "width": None if size is None else size[0],
        "height": None if size is None else size[1],
        "outside": None if size is None or mark.shape is None else outside(mark.shape, size),
    }


def outside(shape: Shape, size: Size) -> bool:
    """Whether any part of a shape lies outside an image of a natural size."""
    left, top, right, bottom = bounds_of(shape)
    return left < 0 or top < 0 or right > size[0] or bottom > size[1]


def _answers(mark: DrawnMark) -> dict[str, Any]:
    """Return what was answered about a mark: texts where they are known, else as exported."""
    return {
        answer.task: list(answer.labels) if answer.labels else answer.value
        for answer in mark.answers
    }


def _class(members: Sequence[TracedMark], classes: AbstractSet[str]) -> str:
    """Return the class of a cluster: what most of its marks are, the first among equals."""
    return Counter(_class_of(each, classes) for each in members).most_common(1)[0][0]


def _class_of(each: TracedMark, classes: AbstractSet[str]) -> str:
    for answer in each.mark.answers:
        if answer.task in classes and answer.value not in (None, [], ""):
            return ", ".join(answer.labels) or str(answer.value)
    return each.tool_label or f"{each.mark.task}.{each.tool_index}"
