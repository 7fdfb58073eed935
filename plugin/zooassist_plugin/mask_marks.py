"""How does a mask become marks that a volunteer can correct? One outline per component."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal

from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark
from zooassist_plugin.outline_simplifier import LEAST_VERTICES, simplify
from zooassist_plugin.pixel_outlines import Part, Ring, pixels_to_parts, ring_area
from zooassist_plugin.proposed_masks import ProposedMask
from zooassist_plugin.shapes import FreehandLine, Polygon, Shape

OutlineTool = Literal["polygon", "freehandLine"]

MOST_VERTICES: Final[dict[OutlineTool, int]] = {"polygon": 60, "freehandLine": 200}
"""Every vertex of a polygon is a handle to drag; a path has none, and is only long."""


@dataclass(frozen=True)
class OutlineRule:
    """How outlines are drawn.

    Attributes
    ----------
    tolerance : float
        Pixels that an outline may lie off the mask's edge, while vertices are few enough.
    most_vertices : int or None
        None: as `MOST_VERTICES` has it for the tool.
    least_area : int
        Pixels; components and holes with fewer are left out and counted.
    """

    tolerance: float = 1.0
    most_vertices: int | None = None
    least_area: int = 25

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise BadInput(f"tolerance: expected 0 or more pixels, got {self.tolerance}")
        if self.most_vertices is not None and self.most_vertices < LEAST_VERTICES:
            raise BadInput(
                f"most vertices: expected {LEAST_VERTICES} or more, got {self.most_vertices}"
            )
        if self.least_area < 1:
            raise BadInput(f"least area: expected 1 or more pixels, got {self.least_area}")


@dataclass(frozen=True)
class MaskTool:
    """Which tool draws a class, and which its holes.

    Attributes
    ----------
    hole_index : int or None
        None: holes are reported and not drawn.
    """

    task: str
    tool_index: int
    tool_type: OutlineTool
    hole_index: int | None = None
    hole_type: OutlineTool = "polygon"


@dataclass
class OutlinedMask:
    """The marks of a mask, and what they leave out.

    Attributes
    ----------
    specks, holes : int
        Components and holes that are not drawn.
    speck_pixels, hole_pixels : int
        Their pixels.
    coarse : int
        Marks that lie farther off than the tolerance, since they may not have more vertices.
    farthest : float
        Pixels that the worst of those lies off.
    """

    marks: list[Mark] = field(default_factory=list)
    specks: int = 0
    speck_pixels: int = 0
    holes: int = 0
    hole_pixels: int = 0
    coarse: int = 0
    farthest: float = 0.0

    def notes(self) -> tuple[str, ...]:
        """Return a sentence for everything that is not as the mask has it."""
        notes = []
        if self.specks:
            notes.append(f"{self.specks} specks left out, {self.speck_pixels} px in all")
        if self.holes:
            notes.append(
                f"{self.holes} holes not drawn, {self.hole_pixels} px in all: the workflow has no "
                "tool for them"
            )
        if self.coarse:
            notes.append(
                f"{self.coarse} outlines lie up to {self.farthest:.1f} px off the mask: they would "
                "need more vertices"
            )
        return tuple(notes)


def mask_to_marks(mask: ProposedMask, tool: MaskTool, rule: OutlineRule) -> OutlinedMask:
    """Outline the components of a mask in natural pixels, the largest first.

    Pixels that touch by a corner are of one component. What touches the image's border ends there.

    Parameters
    ----------
    mask : ProposedMask
        Its frame and score become those of the marks; objects that touch stay apart only if each
        has a mask of its own.
    """
    out = OutlinedMask()
    for part in pixels_to_parts(mask.pixels()):
        area = round(part.area)
        if area < rule.least_area:
            out.specks += 1
            out.speck_pixels += area
            continue
        out.marks.append(
            _mark(part.outer, mask, tool.task, tool.tool_index, tool.tool_type, rule, out)
        )
        _add_holes(part, mask, tool, rule, out)
    return out


def _add_holes(
    part: Part, mask: ProposedMask, tool: MaskTool, rule: OutlineRule, out: OutlinedMask
) -> None:
    for hole in part.holes:
        area = round(-ring_area(hole))
        if tool.hole_index is None:
            out.holes += 1
            out.hole_pixels += area
        elif area < rule.least_area:
            out.specks += 1
            out.speck_pixels += area
        else:
            ring = hole[::-1]
            out.marks.append(
                _mark(ring, mask, tool.task, tool.hole_index, tool.hole_type, rule, out)
            )


def _mark(
    ring: Ring,
    mask: ProposedMask,
    task: str,
    tool_index: int,
    tool_type: OutlineTool,
    rule: OutlineRule,
    out: OutlinedMask,
) -> Mark:
    most = rule.most_vertices or MOST_VERTICES[tool_type]
    found = simplify(ring, rule.tolerance, most)
    if found.deviation > rule.tolerance:
        out.coarse += 1
        out.farthest = max(out.farthest, found.deviation)
    return Mark(
        shape=_shape(found.ring, tool_type),
        frame=mask.frame,
        tool_index=tool_index,
        task=task,
        confidence=mask.score,
    )


def _shape(ring: Ring, tool_type: OutlineTool) -> Shape:
    if tool_type == "polygon":
        return Polygon(points=tuple(ring))
    # A path is closed when it ends where it starts.
    return FreehandLine(points=(*ring, ring[0]))
