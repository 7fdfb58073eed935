"""Which workflow asks the same as a label config? So that models propose for both in one way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_match import LabelMatch, match_labels
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.task_text import slug
from zooassist_plugin.workflow import Workflow
from zooassist_serving.http.label_studio.label_config import Control, LabelConfig

# What is drawn there -> the tool that draws it here. A brush paints what a freehand line encloses.
TOOLS = {
    "brush": "freehandLine",
    "ellipse": "ellipse",
    "keypoint": "point",
    "polygon": "polygon",
    "rectangle": "rotateRectangle",
}
DRAWING = "drawing"


@dataclass(frozen=True)
class Asked:
    """A label config as a workflow, and the way back.

    Attributes
    ----------
    questions : mapping
        Task key -> the control that asks it.
    tools : tuple of (Control, str or None)
        Of the drawing task, by index: the control that draws it, and the label.
    misfits : tuple of str
        Why the model does not answer some controls.
    """

    workflow: Workflow
    match: LabelMatch
    questions: Mapping[str, Control]
    tools: tuple[tuple[Control, str | None], ...]
    misfits: tuple[str, ...]

    @property
    def is_answered(self) -> bool:
        """Whether a model of kind `votes` or `mask` has anything to say here."""
        return bool(self.match.pairs or self.tools)


def ask_as_workflow(config: LabelConfig, card: ModelCard) -> Asked:
    """Make the workflow that asks what a label config asks, matched to a model's questions.

    A control fits a question when its answers are the question's. Where several questions have the
    same answers (yes, no), its name has to be that of the question.
    """
    questions = {
        f"T{place}": control
        for place, control in enumerate(c for c in config.controls if c.type == "choices")
    }
    tools: list[tuple[Control, str | None]] = []
    for control in config.controls:
        if control.shape in TOOLS:
            tools += [(control, label) for label in control.values or (None,)]
    drawn = [
        {"type": TOOLS[control.shape], "label": label or control.name, "details": []}
        for control, label in tools
    ]
    tasks: dict[str, Any] = {DRAWING: {"type": "drawing", "tools": drawn}} if drawn else {}
    workflow = Workflow(1, 1, "Label Studio", "1.1", DRAWING, tasks)
    match = LabelMatch((), ())
    if card.label_schema is not None and questions:
        match = _match(card.label_schema, questions)
    return Asked(workflow, match, questions, tuple(tools), match.misfits)


def _match(schema: LabelSchema, controls: Mapping[str, Control]) -> LabelMatch:
    pairs, misfits = [], []
    for task, control in controls.items():
        try:
            asked = LabelSchema((_question(task, control),))
        except BadInput as error:
            misfits.append(f"{control.name}: {error}")
            continue
        named = match_labels(schema, asked)
        found = list(named.pairs) or [
            pair
            for question in schema.questions
            for pair in _tried(schema, asked, {task: question.name})
        ]
        if len(found) == 1:
            pairs += found
        else:
            several = ", ".join(pair.question for pair in found)
            reason = (
                f"its answers are those of {several}; name it as one"
                if found
                else "; ".join(named.misfits)
            )
            misfits.append(f"{control.name}: {reason}")
    return LabelMatch(tuple(pairs), tuple(misfits))


def _tried(schema: LabelSchema, asked: LabelSchema, named: Mapping[str, str]) -> Any:  # noqa: ANN401
    try:
        return match_labels(schema, asked, named).pairs
    except BadInput:
        return ()


def _question(task: str, control: Control) -> Question:
    name = slug(control.name) or task.lower()
    return Question(
        name=name,
        task=task,
        type="multiple" if control.is_multiple else "single",
        asked_after=(),
        answers=tuple(
            Answer(text, index, f"{name}_{slug(text) or index}")
            for index, text in enumerate(control.texts)
        ),
        text=control.name.replace("_", " ").replace("-", " "),
    )
