"""How does Label Studio write choices and shapes? In percent of the image, each with its label."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from zooassist_plugin.errors import BadInput
from zooassist_plugin.mask_marks import mask_to_marks
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.presenters.masks import RULE, Unpresentable, tool_of
from zooassist_plugin.presenters.subtasks import CHOSEN, REACHED
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.proposed_masks import ProposedMask, text_to_masks
from zooassist_plugin.shapes import (
    Ellipse,
    FreehandLine,
    Point,
    Polygon,
    RotateRectangle,
    Shape,
)
from zooassist_plugin.task_text import slug
from zooassist_plugin.workflow import Workflow
from zooassist_serving.http.label_studio.as_workflow import DRAWING, TOOLS, Asked
from zooassist_serving.http.label_studio.brush import mask_to_brush
from zooassist_serving.http.label_studio.label_config import Control
from zooassist_serving.items import Proposed
from zooassist_serving.predictions import Prediction

Size = tuple[int, int]
Result = dict[str, Any]
KEYPOINT_PERCENT = 0.5


def results_of(proposed: Proposed, asked: Asked) -> list[Result]:
    """Return the results of one image: choices, then shapes."""
    proposal = proposed.proposal
    if proposal is None:
        return []
    found = _choices(proposal, asked)
    size = next((each for each in proposed.sizes if each is not None), None)
    if size is None:
        return found
    for mark in proposal.marks:
        if mark.task == DRAWING:
            control, label = asked.tools[mark.tool_index]
            value = value_of(mark.shape, size)
            found.append(_region(control, label, value, size, mark.confidence))
    if proposal.mask:
        found += _masks(text_to_masks(proposal.mask), asked, size)
    return found


def numbers_of(
    prediction: Prediction, card: ModelCard, controls: Iterable[Control]
) -> list[Result]:
    """Return the results of a model of kind `values`: a number per control named as a target."""
    if prediction.means is None:
        return []
    means = {
        slug(target.name): float(mean)
        for target, mean in zip(card.targets, prediction.means, strict=True)
    }
    return [
        {
            "from_name": control.name,
            "to_name": control.to_name,
            "type": "number",
            "value": {"number": means[slug(control.name)]},
        }
        for control in controls
        if control.type == "number" and slug(control.name) in means
    ]


def _choices(proposal: Proposal, asked: Asked) -> list[Result]:
    found = []
    for task, probabilities in proposal.answers.items():
        if proposal.asked.get(task, 1.0) < REACHED:
            continue
        control = asked.questions[task]
        best = max(range(len(probabilities)), key=lambda i: probabilities[i])
        chosen = [best]
        if control.is_multiple:
            chosen = [i for i, share in enumerate(probabilities) if share >= CHOSEN]
        if chosen:
            found.append(
                {
                    "from_name": control.name,
                    "to_name": control.to_name,
                    "type": "choices",
                    "value": {"choices": [control.values[i] for i in chosen]},
                    "score": max(probabilities[i] for i in chosen),
                }
            )
    return found


def _masks(masks: Iterable[ProposedMask], asked: Asked, size: Size) -> list[Result]:
    """Write masks as a brush where one paints their class, else as polygons."""
    found: list[Result] = []
    painted: dict[tuple[str, str | None], tuple[Control, list[ProposedMask]]] = {}
    for mask in masks:
        brush = _brush_for(mask.label, asked)
        if brush is not None:
            control, label = brush
            painted.setdefault((control.name, label), (control, []))[1].append(mask)
            continue
        found += _outlines(mask, asked, size)
    for (_, label), (control, parts) in painted.items():
        pixels: NDArray[np.bool_] = np.logical_or.reduce([part.pixels() for part in parts])
        scores = [part.score for part in parts if part.score is not None]
        value = {"format": "rle", "rle": mask_to_brush(pixels)}
        score = sum(scores) / len(scores) if scores else None
        found.append(_region(control, label, value, size, score))
    return found


def _brush_for(name: str, asked: Asked) -> tuple[Control, str | None] | None:
    brushes = [each for each in asked.tools if each[0].shape == "brush"]
    named = [each for each in brushes if name and slug(each[1] or "") == slug(name)]
    chosen = named or brushes
    return chosen[0] if len(chosen) == 1 else None


def _outlines(mask: ProposedMask, asked: Asked, size: Size) -> list[Result]:
    polygons = [
        {"type": TOOLS[control.shape] if control.shape == "polygon" else "none", "label": label}
        for control, label in asked.tools
    ]
    tasks = {DRAWING: {"type": "drawing", "tools": polygons}}
    workflow = Workflow(1, 1, "polygons", "1.1", DRAWING, tasks)
    try:
        tool = tool_of(mask.label, workflow)
    except Unpresentable:
        return []  # this project does not ask for the class
    control, label = asked.tools[tool.tool_index]
    return [
        _region(control, label, value_of(mark.shape, size), size, mask.score)
        for mark in mask_to_marks(mask, tool, RULE).marks
    ]


def _region(
    control: Control, label: str | None, value: Result, size: Size, score: float | None
) -> Result:
    labels = {} if label is None else {control.type: [label]}
    made = {
        "from_name": control.name,
        "to_name": control.to_name,
        "type": control.type,
        "original_width": size[0],
        "original_height": size[1],
        "image_rotation": 0,
        "value": {**value, **labels},
    }
    return made if score is None else {**made, "score": score}


def value_of(shape: Shape, size: Size) -> Result:
    """Return a shape's `value`, without labels; lengths are percent of the image's own side.

    Raises
    ------
    BadInput
        For a shape that no control draws.
    """
    for kind, write in SHAPES.items():
        if isinstance(shape, kind):
            return write(shape, *(100 / side for side in size))
    raise BadInput(f"shape {shape.tool_type!r}: Label Studio has no region for it")


def _ellipse(shape: Ellipse, x: float, y: float) -> Result:
    return {
        "x": shape.x_center * x,
        "y": shape.y_center * y,
        "radiusX": shape.rx * x,
        "radiusY": shape.ry * y,
        "rotation": shape.angle,
    }


def _rectangle(shape: RotateRectangle, x: float, y: float) -> Result:
    """Write a rectangle, which Label Studio turns about its top left corner, not its centre."""
    turn = math.radians(shape.angle)
    left, top = -shape.width / 2, -shape.height / 2
    return {
        "x": (shape.x_center + left * math.cos(turn) - top * math.sin(turn)) * x,
        "y": (shape.y_center + left * math.sin(turn) + top * math.cos(turn)) * y,
        "width": shape.width * x,
        "height": shape.height * y,
        "rotation": shape.angle,
    }


def _polygon(shape: Polygon, x: float, y: float) -> Result:
    return {"points": [[px * x, py * y] for px, py in shape.points], "closed": True}


def _path(shape: FreehandLine, x: float, y: float) -> Result:
    """Write what a path encloses as a brush: Label Studio has no paths."""
    picture = Image.new("1", (round(100 / x), round(100 / y)))
    ImageDraw.Draw(picture).polygon([(px, py) for px, py in shape.points], fill=1)
    return {"format": "rle", "rle": mask_to_brush(np.asarray(picture))}


def _point(shape: Point, x: float, y: float) -> Result:
    return {"x": shape.x * x, "y": shape.y * y, "width": KEYPOINT_PERCENT}


SHAPES: Mapping[type[Any], Callable[..., Result]] = {
    Ellipse: _ellipse,
    RotateRectangle: _rectangle,
    Polygon: _polygon,
    FreehandLine: _path,
    Point: _point,
}
