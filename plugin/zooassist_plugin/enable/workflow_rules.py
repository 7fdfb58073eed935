"""Can this workflow show this model's proposals at all? Rules on its structure; none is mended.

Sources: front-end-monorepo lib-classifier (useCaesarReductions.js, MachineLearntReductions.js,
convertWorkflowToUseSteps.js, drawing tools' Tool.js).
"""

from __future__ import annotations

from zooassist_plugin.enable.situation import Rule, Situation
from zooassist_plugin.label_match import LabelMatch, match_labels
from zooassist_plugin.label_schema import schema_of
from zooassist_plugin.presenters.routing import workflow_obstacles
from zooassist_plugin.shapes import TOOL_TYPES
from zooassist_plugin.workflow import DrawingTask, Tool

NO_MODEL = "no model given to compare with (--model)"
# Kind of model -> the tools that its proposals can be drawn with.
TOOLS_OF_KIND: dict[str, tuple[str, ...]] = {
    "votes": tuple(TOOL_TYPES),  # the object's outline, as any tool draws it
    "mask": ("polygon", "freehandLine"),
    "volume": ("polygon", "freehandLine"),
    "values": (),
    "embedding": (),
}


def usable_tools(situation: Situation) -> tuple[tuple[DrawingTask, Tool], ...]:
    """Return the tools that the model's proposals can use, all eight without a model."""
    kind = "votes" if situation.card is None else situation.card.kind
    types = TOOLS_OF_KIND[kind]
    return tuple(
        (task, tool)
        for task in situation.workflow.drawing_tasks()
        for tool in task.tools
        if tool.type in types
    )


def proposed_tools(situation: Situation) -> tuple[Tool, ...]:
    """Return the usable tools whose subtasks the model answers best; one of them is drawn with."""
    match = label_match(situation)
    matched = {pair.task for pair in match.pairs} if match else set()
    scored = [
        (sum(detail.key in matched for detail in tool.details), tool)
        for _, tool in usable_tools(situation)
    ]
    best = max((score for score, _ in scored), default=0)
    return tuple(tool for score, tool in scored if score == best)


def label_match(situation: Situation) -> LabelMatch | None:
    """Match the model's questions to the workflow's; None for a model that answers none."""
    if situation.card is None or situation.card.label_schema is None:
        return None
    return match_labels(
        situation.card.label_schema, schema_of(situation.workflow), dict(situation.overrides)
    )


def _drawing_tool(situation: Situation) -> tuple[bool, str]:
    found = [tool.type for task in situation.workflow.drawing_tasks() for tool in task.tools]
    supported = sorted(set(found) & set(TOOL_TYPES))
    if supported:
        return True, f"tools: {', '.join(supported)}"
    types = sorted({str(task.get("type")) for task in situation.workflow.tasks.values()})
    return False, f"tools: {', '.join(sorted(set(found))) or 'none'}; tasks: {', '.join(types)}"


def _shows_marks(situation: Situation) -> tuple[bool, str]:
    """Ask what the writer of the marks asks, so that the two cannot disagree."""
    obstacles = workflow_obstacles(situation.workflow)
    return not obstacles, "; ".join(obstacles) or "nothing stands in the way"


def _first_task(situation: Situation) -> tuple[bool, str]:
    workflow = situation.workflow
    if workflow.steps or workflow.first_task in workflow.tasks:
        return True, workflow.first_task or "the first page decides"
    found = ", ".join(workflow.tasks) or "none"
    return False, f"first task {workflow.first_task or '(none)'}; tasks: {found}"


def _in_english(situation: Situation) -> tuple[bool, str]:
    if situation.in_english:
        return True, f"primary language {situation.language}"
    return False, f"primary language {situation.language}, and no English translation"


def _reachable(situation: Situation) -> tuple[bool, str]:
    """Outside the first step it works too, but every mark must then name its step."""
    places = []
    for task in situation.workflow.drawing_tasks():
        place = situation.workflow.place_of(task.key)
        if place is not None:
            step, index = place
            places.append((step.key, index, task.key))
    if not places:
        return False, "no step shows a drawing task"
    first = situation.workflow.steps_used()[0].key
    return True, ", ".join(
        f"{task} first" if (step, index) == (first, 0) else f"{task} in step {step}, place {index}"
        for step, index, task in places
    )


def _model_has_tool(situation: Situation) -> tuple[bool | None, str]:
    if situation.card is None:
        return None, NO_MODEL
    needed = TOOLS_OF_KIND[situation.card.kind]
    found = usable_tools(situation)
    if found:
        return True, ", ".join(f"{tool.type} ({task.key})" for task, tool in found)
    wanted = " or ".join(needed) or "(none: it proposes nothing)"
    return False, f"model {situation.card.name} of kind {situation.card.kind} needs {wanted}"


def _questions_match(situation: Situation) -> tuple[bool | None, str]:
    if situation.card is None:
        return None, NO_MODEL
    match = label_match(situation)
    if situation.presenter != "subtasks":
        return None, f"the presenter {situation.presenter} answers no questions"
    if match is None:
        return None, f"model {situation.card.name} answers no questions"
    keys = {detail.key for _, tool in usable_tools(situation) for detail in tool.details}
    matched = [f"{pair.task} = {pair.question}" for pair in match.pairs if pair.task in keys]
    if matched:
        return True, ", ".join(matched)
    return False, "; ".join(match.misfits) or "the tool has no subtask"


def _class_survives(situation: Situation) -> tuple[bool, str]:
    """Pre-filled marks come back with toolIndex 0, whatever tool they were on."""
    for task in situation.workflow.drawing_tasks():
        bare = [tool.type for tool in task.tools if not tool.details]
        types = [tool.type for tool in task.tools]
        doubled = sorted({kind for kind in bare if types.count(kind) > 1})
        if doubled:
            return False, f"{task.key} has several tools of type {', '.join(doubled)}"
    return True, "every returned mark can be told apart"


def _done_not_blocked(situation: Situation) -> tuple[bool | None, str]:
    tools = proposed_tools(situation)
    required = {detail.key for tool in tools for detail in tool.details if detail.required}
    if required and situation.card is None and situation.presenter == "subtasks":
        return None, f"required: {', '.join(sorted(required))}; {NO_MODEL}"
    always = _always_answered(situation) if situation.presenter == "subtasks" else set()
    open_ones = sorted(required - always)
    if open_ones:
        return False, f"required and not always pre-answered: {', '.join(open_ones)}"
    return True, "no required subtask stays open"


def _always_answered(situation: Situation) -> set[str]:
    """Return the subtasks that every proposal answers: those of questions asked of everything."""
    match = label_match(situation)
    if match is None or situation.card is None:
        return set()
    schema = situation.card.schema_of_votes
    return {pair.task for pair in match.pairs if not schema.question(pair.question).asked_after}


def _room(situation: Situation) -> tuple[bool, str]:
    limits = [t.maximum for t in proposed_tools(situation) if t.maximum is not None]
    if not limits:
        return True, "any number of marks"
    return min(limits) >= 1, f"at most {min(limits)} marks"


WORKFLOW_RULES: tuple[Rule, ...] = (
    Rule(
        "a drawing tool",
        _drawing_tool,
        f"add a drawing task with one of {', '.join(TOOL_TYPES)}: question tasks cannot be "
        "pre-filled, but questions can be subtasks of a drawing tool",
    ),
    Rule(
        "marks can be shown",
        _shows_marks,
        "change that in the workflow editor, or use another workflow",
    ),
    Rule(
        "a first task",
        _first_task,
        "choose the first task in the workflow editor: without one the volunteer's page never "
        "finishes loading",
    ),
    Rule(
        "texts in English",
        _in_english,
        "add an English translation of the workflow: the volunteer's page asks for one whatever "
        "its language is, and waits for it",
    ),
    Rule("a step shows it", _reachable, "make the drawing task the first task"),
    Rule(
        "the model's tool",
        _model_has_tool,
        "add a tool of that type to the drawing task, or choose another model",
    ),
    Rule(
        "the model's questions",
        _questions_match,
        "word a subtask as the model's question and answers, or name it with "
        "--map T0.0.0=QUESTION, or use --presenter marks",
    ),
    Rule(
        "one class per tool",
        _class_survives,
        "use one tool per drawing task, or tools of different types, or make the class a subtask: "
        "pre-filled marks are submitted as tool 0",
    ),
    Rule(
        "Done stays free",
        _done_not_blocked,
        "make the subtask optional, or pre-answer it (--presenter subtasks, --map): volunteers "
        "cannot press Done before every required subtask is answered",
    ),
    Rule("room for a proposal", _room, "raise the tool's maximum to at least 1, or remove it"),
)
