"""How does a prediction become a proposal for one workflow? A pure function of both."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_match import LabelMatch
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.marks import Mark
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.shapes import (
    Circle,
    Ellipse,
    FreehandLine,
    Line,
    Point,
    Polygon,
    Rectangle,
    RotateRectangle,
    Shape,
    Vertex,
)
from zooassist_plugin.workflow import Workflow
from zooassist_serving.outline import outline_ellipse
from zooassist_serving.posteriors import Floats
from zooassist_serving.predictions import Prediction
from zooassist_serving.preprocessing import Rgb

# Proposal ids are made from what they are about, so that proposing again makes the same id.
NAMESPACE = uuid.UUID("6f0f3b1c-6d0b-5a54-9f0e-3c1f0c6f8b0e")


def propose_answers(
    prediction: Prediction,
    card: ModelCard,
    workflow: Workflow,
    match: LabelMatch,
    image: Rgb | None = None,
    *,
    outline: Ellipse | None = None,
    created_at: datetime | None = None,
) -> Proposal:
    """Make the proposal for one frame of one subject.

    `confidence` is the share of votes expected to agree with the proposed answers: the largest
    fraction of each matched question, averaged with the proportion asked as weight. `uncertainty`
    is the prediction's.

    Parameters
    ----------
    image : array of shape (height, width, 3), uint8, optional
        Searched for the object's outline unless `outline` is given.
    created_at : datetime, optional
        Now, when not given.

    Raises
    ------
    BadInput
        When the prediction failed, is of no subject, or is of another model version.
    """
    if prediction.subject_id is None:
        raise BadInput(f"{prediction.item}: expected a prediction of a subject, got one of a file")
    if prediction.fractions is None or prediction.asked is None or prediction.uncertainty is None:
        raise BadInput(f"{prediction.item}: has no prediction: {prediction.error}")
    if prediction.model_version != card.version:
        raise BadInput(
            f"{prediction.item}: predicted by version {prediction.model_version}, the card is of "
            f"{card.version}; predict again"
        )
    schema = card.schema_of_votes
    if outline is None and image is not None:
        outline = outline_ellipse(image)
    order = {question.name: i for i, question in enumerate(schema.questions)}
    answers: dict[str, tuple[float, ...]] = {}
    asked: dict[str, float] = {}
    for pair in match.pairs:
        values = prediction.fractions[schema.slices[pair.question]]
        answers[pair.task] = tuple(_probability(values[i]) for i in pair.answer_index)
        asked[pair.task] = _probability(prediction.asked[order[pair.question]])
    return Proposal(
        proposal_id=proposal_id(workflow, prediction),
        workflow_id=workflow.workflow_id,
        subject_id=prediction.subject_id,
        frame=prediction.frame,
        model=prediction.model,
        model_version=prediction.model_version,
        created_at=created_at or datetime.now(UTC),
        answers=answers,
        asked=asked,
        marks=_marks(workflow, match, outline, prediction.frame),
        confidence=_confidence(prediction.fractions, prediction.asked, schema, match),
        uncertainty=max(0.0, prediction.uncertainty),
    )


def proposal_id(workflow: Workflow, prediction: Prediction) -> str:
    """Name a proposal by what it is about: workflow, subject, frame, model and version."""
    about = (
        f"{workflow.workflow_id}/{prediction.subject_id}/{prediction.frame}/"
        f"{prediction.model}/{prediction.model_version}"
    )
    return str(uuid.uuid5(NAMESPACE, about))


def _probability(value: float) -> float:
    return min(1.0, max(0.0, float(value)))


def _confidence(fractions: Floats, asked: Floats, schema: LabelSchema, match: LabelMatch) -> float:
    names = {pair.question for pair in match.pairs} or {q.name for q in schema.questions}
    weighted = total = 0.0
    for i, question in enumerate(schema.questions):
        if question.name in names:
            weighted += float(asked[i]) * float(fractions[schema.slices[question.name]].max())
            total += float(asked[i])
    return _probability(weighted / total) if total > 0 else 0.0


def _marks(
    workflow: Workflow, match: LabelMatch, outline: Ellipse | None, frame: int
) -> tuple[Mark, ...]:
    """Draw the outline with the tool whose subtasks the model answers, else with the first."""
    if outline is None:
        return ()
    matched = {pair.task for pair in match.pairs}
    best: tuple[int, int, Mark] | None = None
    for task in workflow.drawing_tasks():
        for tool in task.tools:
            if tool.type not in OUTLINES:
                continue
            answered = sum(detail.key in matched for detail in tool.details)
            rank = (answered, -list(OUTLINES).index(tool.type))
            if best is None or rank > best[:2]:
                shape = OUTLINES[tool.type](outline)
                mark = Mark(shape=shape, frame=frame, tool_index=tool.index, task=task.key)
                best = (*rank, mark)
    return () if best is None else (best[2],)


def _points(outline: Ellipse, count: int) -> tuple[Vertex, ...]:
    turn = math.radians(outline.angle)
    cos, sin = math.cos(turn), math.sin(turn)
    points = []
    for i in range(count):
        along = outline.rx * math.cos(2 * math.pi * i / count)
        across = outline.ry * math.sin(2 * math.pi * i / count)
        points.append(
            (
                outline.x_center + along * cos - across * sin,
                outline.y_center + along * sin + across * cos,
            )
        )
    return tuple(points)


def _closed_path(outline: Ellipse) -> FreehandLine:
    points = _points(outline, 60)
    return FreehandLine(points=(*points, points[0]))


def _bounding_box(outline: Ellipse) -> Rectangle:
    turn = math.radians(outline.angle)
    cos, sin = math.cos(turn), math.sin(turn)
    return Rectangle(
        x_center=outline.x_center,
        y_center=outline.y_center,
        width=2 * math.hypot(outline.rx * cos, outline.ry * sin),
        height=2 * math.hypot(outline.rx * sin, outline.ry * cos),
    )


def _long_axis(outline: Ellipse) -> Line:
    turn = math.radians(outline.angle)
    x, y = outline.rx * math.cos(turn), outline.rx * math.sin(turn)
    return Line(
        x1=outline.x_center - x,
        y1=outline.y_center - y,
        x2=outline.x_center + x,
        y2=outline.y_center + y,
    )


# Tool type -> the outline as that tool draws it; the tools that say most come first.
OUTLINES: dict[str, Callable[[Ellipse], Shape]] = {
    "ellipse": lambda outline: outline,
    "rotateRectangle": lambda outline: RotateRectangle(
        x_center=outline.x_center,
        y_center=outline.y_center,
        width=2 * outline.rx,
        height=2 * outline.ry,
        angle=outline.angle,
    ),
    "polygon": lambda outline: Polygon(points=_points(outline, 24)),
    "freehandLine": _closed_path,
    "rectangle": _bounding_box,
    "circle": lambda outline: Circle(
        x_center=outline.x_center, y_center=outline.y_center, r=math.sqrt(outline.rx * outline.ry)
    ),
    "line": _long_axis,
    "point": lambda outline: Point(x=outline.x_center, y=outline.y_center),
}
