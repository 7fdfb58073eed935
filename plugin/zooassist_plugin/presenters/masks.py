"""Present a proposal's mask as outlines that volunteers correct: polygons or freehand lines.

A class is drawn with the tool that is labelled as the class, or with the only one there is. A tool
labelled "hole" (or "<class> hole") draws holes; it has to be of the other type, since pre-filled
marks are submitted as tool 0 and only their type then tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

from zooassist_plugin.marks import Mark
from zooassist_plugin.mask_marks import MaskTool, OutlineRule, OutlineTool, mask_to_marks
from zooassist_plugin.presenters.marks import present
from zooassist_plugin.presenters.presented import FrameSize, Presented, Unpresentable
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.proposed_masks import ProposedMask, text_to_masks
from zooassist_plugin.task_text import plain_text, slug
from zooassist_plugin.workflow import DrawingTask, Tool, Workflow

OUTLINE_TOOLS: Final[tuple[OutlineTool, ...]] = get_args(OutlineTool)
HOLES: Final = frozenset({"hole", "holes"})
RULE: Final = OutlineRule()


def present_masks(
    proposal: Proposal,
    workflow: Workflow,
    *,
    frames: int = 1,
    sizes: Sequence[FrameSize | None] = (),
) -> Presented:
    """Present the proposal's mask, one mark per component; its own marks come first.

    The frames of a subject are the slices of a volume, and each mark carries its own.

    Raises
    ------
    Unpresentable
        As `zooassist_plugin.presenters.machine_learnt.write_marks`; when the mask is of another
        size than its frame, or the workflow has no tool for one of its classes.
    """
    masks = text_to_masks(proposal.mask) if proposal.mask else ()
    marks: list[Mark] = list(proposal.marks)
    notes: list[str] = []
    for mask in masks:
        _check_size(mask, sizes)
        tool = tool_of(mask.label, workflow)
        outlined = mask_to_marks(mask, tool, RULE)
        marks += outlined.marks
        place = f"mask {mask.label!r}, frame {mask.frame}"
        notes += [f"{place}: {note}" for note in outlined.notes()]
    return present(proposal, marks, workflow, frames, sizes, notes)


def tool_of(label: str, workflow: Workflow) -> MaskTool:
    """Return the tools that draw a class and its holes.

    Raises
    ------
    Unpresentable
        When no tool, or more than one, could be meant.
    """
    candidates = [
        (task, tool)
        for task in workflow.drawing_tasks()
        for tool in task.tools
        if tool.type in OUTLINE_TOOLS
    ]
    outlines = [(task, tool) for task, tool in candidates if _hole_of(tool) is None]
    named = [each for each in outlines if label and _name(each[1]) == slug(label)]
    # A model of one class and a workflow of one tool can only mean each other.
    chosen = named or outlines
    if len(chosen) != 1:
        found = ", ".join(f"{task.key} {plain_text(tool.label)!r}" for task, tool in outlines)
        raise Unpresentable(
            f"class {label!r}: expected one {' or '.join(OUTLINE_TOOLS)} tool labelled like the "
            f"class, or only one such tool, got {found or 'none'}"
        )
    task, tool = chosen[0]
    hole = _hole_tool(task, tool)
    return MaskTool(
        task=task.key,
        tool_index=tool.index,
        tool_type=_outline_type(tool),
        hole_index=None if hole is None else hole.index,
        hole_type="polygon" if hole is None else _outline_type(hole),
    )


def _hole_tool(task: DrawingTask, outline: Tool) -> Tool | None:
    for tool in task.tools:
        of = _hole_of(tool)
        fits = of is not None and of in ("", _name(outline))
        if fits and tool.type in OUTLINE_TOOLS and tool.type != outline.type:
            return tool
    return None


def _hole_of(tool: Tool) -> str | None:
    """Return the class whose holes a tool draws ("" for all), None when it draws no holes."""
    *words, last = _name(tool).split("-")
    return "-".join(words) if last in HOLES else None


def _name(tool: Tool) -> str:
    return slug(plain_text(tool.label))


def _outline_type(tool: Tool) -> OutlineTool:
    return "polygon" if tool.type == "polygon" else "freehandLine"


def _check_size(mask: ProposedMask, sizes: Sequence[FrameSize | None]) -> None:
    size = sizes[mask.frame] if mask.frame < len(sizes) else None
    height, width = mask.size
    if size is not None and size != (width, height):
        raise Unpresentable(
            f"mask of frame {mask.frame}: expected the frame's {size[0]} x {size[1]} px, got "
            f"{width} x {height}; resize it with nearest neighbours before proposing"
        )
