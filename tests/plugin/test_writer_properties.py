"""Any list of marks is either written so that the classifier keeps all of it, or refused."""

from classifier_model import assert_intact
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zooassist_plugin.marks import Mark, SubtaskAnswer
from zooassist_plugin.presenters import Unpresentable, canonical, write_marks
from zooassist_plugin.presenters.checking import payload_problems
from zooassist_plugin.shapes import (
    TOOL_TYPES,
    Circle,
    Ellipse,
    FreehandLine,
    Line,
    Point,
    Polygon,
    Rectangle,
    RotateRectangle,
)
from zooassist_plugin.workflow import Workflow

DETAILS = [
    {"type": "single", "question": "a", "answers": [{"label": "x"}, {"label": "y"}]},
    {"type": "multiple", "question": "b", "answers": [{"label": "x"}, {"label": "y"}]},
]
TOOLS = [{"type": kind, "details": DETAILS} for kind in TOOL_TYPES]
TOOLS += [{"type": "bezier"}, {"type": "point", "max": 2}]
RESOURCE = {
    "id": "102",
    "version": "1.1",
    "first_task": "T1",
    "tasks": {
        "T0": {"type": "drawing", "tools": TOOLS},
        "T1": {"type": "single", "question": "?", "answers": [{"label": "x"}]},
    },
    "steps": [],
    "configuration": {"enable_caesar_data_fetching": True},
    "links": {"project": "1"},
}
WORKFLOW = Workflow.from_json(RESOURCE)

# Ordinary pixels mostly, and whatever else a float can be.
pixels = st.one_of(
    st.floats(-50, 300),
    st.integers(-3, 12).map(float),
    st.floats(allow_nan=False, allow_infinity=False),
)
extents = st.one_of(
    st.floats(0, 60), st.floats(0, allow_infinity=False, allow_nan=False), st.just(5.0)
)
paths = st.lists(st.tuples(pixels, pixels), max_size=80).map(tuple)
centres = {"x_center": pixels, "y_center": pixels}
boxes = {**centres, "width": extents, "height": extents}
SHAPES = {
    "circle": st.builds(Circle, **centres, r=extents),
    "ellipse": st.builds(Ellipse, **centres, rx=extents, ry=extents, angle=pixels),
    "freehandLine": st.builds(FreehandLine, points=paths),
    "line": st.builds(Line, x1=pixels, y1=pixels, x2=pixels, y2=pixels),
    "point": st.builds(Point, x=pixels, y=pixels),
    "polygon": st.builds(Polygon, points=paths),
    "rectangle": st.builds(Rectangle, **boxes),
    "rotateRectangle": st.builds(RotateRectangle, **boxes, angle=pixels),
}


@st.composite
def marks(draw, wild):
    kind = draw(st.sampled_from(sorted(SHAPES)))
    tool = list(TOOL_TYPES).index(kind)
    if kind == "point" and draw(st.booleans()):
        tool = 9
    if wild:
        tool = draw(st.one_of(st.just(tool), st.integers(0, 11)))
    answers = []
    if tool < 8 and draw(st.booleans()):
        answers.append(
            SubtaskAnswer(
                task=f"T0.{tool}.0",
                task_type="single",
                value=draw(st.integers(0, 3) if wild else st.integers(0, 1)),
            )
        )
    return Mark(
        shape=draw(SHAPES[kind]),
        frame=draw(st.integers(0, 3 if wild else 1)),
        tool_index=tool,
        task=draw(st.sampled_from(["T0", "T0", "T1", "T9"])) if wild else "T0",
        answers=tuple(answers),
        confidence=draw(st.none() | st.floats(0, 1)),
        mark_id=draw(st.none() | st.sampled_from(["a", "b", "mark-0"])),
    )


# The same examples on every run, and a slow machine is no failure.
steady = settings(
    max_examples=250, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
sizes = st.sampled_from([(), [(200, 100), None], [(64, 64), (64, 64)]])


@steady
@given(st.lists(marks(wild=True), max_size=6), sizes)
def test_marks_are_written_intact_or_refused(given_marks, frame_sizes):
    try:
        presented = write_marks(given_marks, WORKFLOW, 2, sizes=frame_sizes)
    except Unpresentable:
        return
    assert_intact(RESOURCE, presented.payload, frames=2)


@steady
@given(st.lists(marks(wild=False), max_size=6), sizes)
def test_marks_that_fit_the_workflow_are_only_refused_for_numbers_past_every_image(
    given_marks, frame_sizes
):
    try:
        presented = write_marks(given_marks, WORKFLOW, 2, sizes=frame_sizes)
    except Unpresentable:
        assert any(_huge(mark) for mark in given_marks)
        return
    shown = assert_intact(RESOURCE, presented.payload, frames=2)
    left_out = sum("left out" in note and "allows" not in note for note in presented.notes)
    beyond = [
        int(n.split("allows 2 of ")[1].split()[0]) - 2 for n in presented.notes if "allows" in n
    ]
    assert len(shown) + left_out + sum(beyond) == len(given_marks), "nothing vanishes unsaid"
    assert payload_problems(presented.payload, WORKFLOW, 2) == ()
    assert canonical(presented.payload)


def _huge(mark):
    values = [v for key, v in mark.shape if key not in ("tool_type", "points")]
    values += [v for vertex in getattr(mark.shape, "points", ()) for v in vertex]
    return any(abs(v) > 1e6 for v in values)
