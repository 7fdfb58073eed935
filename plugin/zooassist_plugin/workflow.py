"""What does a workflow ask, and in which steps does the classifier walk through it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zooassist_plugin.errors import BadInput
from zooassist_plugin.records import read_id
from zooassist_plugin.task_text import resolve_strings


@dataclass(frozen=True)
class Step:
    """One screen of the classifier.

    Attributes
    ----------
    key : str
        ``S0``, ``S1``… or, from the builder's page editor, ``P0``, ``P1``…
    task_keys : tuple of str
        Tasks on it; a mark's `taskIndex` counts in this list.
    next : str or None
        Step or task that follows when no answer decides it.
    """

    key: str
    task_keys: tuple[str, ...]
    next: str | None = None


@dataclass(frozen=True)
class Detail:
    """A subtask of a drawing tool; `key` is ``<task>.<tool>.<detail>``."""

    key: str
    type: str
    question: str
    answers: tuple[str, ...]
    required: bool


@dataclass(frozen=True)
class Tool:
    """A drawing tool; `maximum` is None when any number of marks may be drawn."""

    index: int
    type: str
    label: str
    minimum: int
    maximum: int | None
    details: tuple[Detail, ...]


@dataclass(frozen=True)
class DrawingTask:
    """A task whose answer is a list of marks."""

    key: str
    tools: tuple[Tool, ...]


@dataclass(frozen=True)
class Workflow:
    """A workflow as Panoptes holds it.

    Attributes
    ----------
    version : str
        ``major.minor``; never a number, since 7.10 is not 7.1.
    tasks : mapping
        Task key -> task, with its text in place.
    steps : tuple of Step
        As stored by the page editor; empty for most workflows. See `steps_used`.
    """

    workflow_id: int
    project_id: int
    display_name: str
    version: str
    first_task: str
    tasks: Mapping[str, Mapping[str, Any]]
    steps: tuple[Step, ...] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)
    subject_set_ids: tuple[int, ...] = ()
    active: bool = True
    retirement: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, task in self.tasks.items():
            if not isinstance(task, Mapping):
                raise BadInput(
                    f"workflow {self.workflow_id}, task {key}: expected an object, got {task!r}"
                )

    @classmethod
    def from_json(cls, resource: Mapping[str, Any]) -> Workflow:
        """Read one entry of Panoptes' ``{"workflows": [...]}``.

        Raises
        ------
        BadInput
            When the id or a part is missing or is not what Panoptes documents.
        """
        workflow_id = read_id(resource.get("id"), "workflow")
        links = resource.get("links") or {}
        place = f"workflow {workflow_id}"
        tasks = resource.get("tasks") or {}
        if not isinstance(tasks, Mapping):
            raise BadInput(f"{place}: expected tasks as an object, got {type(tasks).__name__}")
        sets = links.get("subject_sets") or ()
        return cls(
            workflow_id=workflow_id,
            project_id=read_id(links.get("project"), f"{place}, project"),
            display_name=str(resource.get("display_name") or ""),
            version=str(resource.get("version") or ""),
            first_task=str(resource.get("first_task") or ""),
            tasks=resolve_strings(tasks, resource.get("strings")),
            steps=read_steps(resource.get("steps") or (), place),
            configuration=dict(resource.get("configuration") or {}),
            subject_set_ids=tuple(read_id(each, f"{place}, subject set") for each in sets),
            active=bool(resource.get("active", True)),
            retirement=dict(resource.get("retirement") or {}),
        )

    def steps_used(self) -> tuple[Step, ...]:
        """Return the steps that the classifier walks through, made up where none are stored."""
        return steps_of(self.tasks, self.first_task, self.steps)

    def place_of(self, task_key: str) -> tuple[Step, int] | None:
        """Return the step that shows a task and the task's index in it; None when no step does."""
        for step in self.steps_used():
            if task_key in step.task_keys:
                return step, step.task_keys.index(task_key)
        return None

    def drawing_tasks(self) -> tuple[DrawingTask, ...]:
        """Return the drawing tasks in the order of their task keys."""
        return tuple(
            read_drawing_task(key, task)
            for key, task in self.tasks.items()
            if task.get("type") == "drawing"
        )


def read_steps(raw: Iterable[Any], place: str) -> tuple[Step, ...]:
    """Read Panoptes' list of pairs ``["P0", {"stepKey": "P0", "taskKeys": ["T0"], "next": …}]``."""
    steps = []
    for entry in raw:
        match entry:
            case [str(key), {"taskKeys": [*task_keys], **rest}]:
                following = str(rest.get("next") or "") or None
                steps.append(Step(key, tuple(map(str, task_keys)), following))
            case _:
                raise BadInput(f"{place}: expected a step as a pair of key and object, got {entry}")
    return tuple(steps)


def steps_of(
    tasks: Mapping[str, Mapping[str, Any]], first_task: str, steps: Sequence[Step] = ()
) -> tuple[Step, ...]:
    """Return the classifier's steps for given tasks.

    Stored steps are used as they are. Otherwise the first task becomes ``S0`` and the others
    follow in the order of the JSON; a combo task is one step of its members, and a shortcut uses
    up a number without becoming a step (front-end-monorepo: convertWorkflowToUseSteps.js).
    """
    if steps:
        return tuple(steps)
    members = {
        member
        for task in tasks.values()
        if task.get("type") == "combo"
        for member in task.get("tasks") or ()
    }
    made: list[Step] = []
    rest = [key for key in tasks if key not in members]

    def make(number: int, key: str) -> Step:
        task = tasks[key]
        shown = task.get("tasks") or () if task.get("type") == "combo" else (key,)
        return Step(f"S{number}", tuple(shown), task.get("next") or None)

    if first_task in tasks:
        made.append(make(0, first_task))
        if first_task in rest:
            rest.remove(first_task)
        else:
            # A first task inside a combo: the classifier then takes the last task out by mistake.
            del rest[-1:]
    made += [
        make(number, key)
        for number, key in enumerate(rest, start=1)
        if tasks[key].get("type") != "shortcut"
    ]
    return tuple(made)


def read_drawing_task(key: str, task: Mapping[str, Any]) -> DrawingTask:
    """Read a drawing task's tools and their subtasks.

    Raises
    ------
    BadInput
        When the tools or their details are not lists of objects.
    """
    tools = []
    for index, tool in enumerate(_objects(task.get("tools"), f"{key}.tools")):
        details = _objects(tool.get("details"), f"{key}.tools.{index}.details")
        tools.append(
            Tool(
                index=index,
                type=str(tool.get("type") or ""),
                label=str(tool.get("label") or ""),
                minimum=_count(tool.get("min"), f"{key}.tools.{index}.min") or 0,
                maximum=_count(tool.get("max"), f"{key}.tools.{index}.max"),
                details=tuple(
                    _read_detail(f"{key}.{index}.{place}", detail)
                    for place, detail in enumerate(details)
                ),
            )
        )
    return DrawingTask(key, tuple(tools))


def _read_detail(key: str, detail: Mapping[str, Any]) -> Detail:
    answers = _objects(detail.get("answers"), f"{key}.answers")
    return Detail(
        key=key,
        type=str(detail.get("type") or ""),
        question=str(detail.get("question") or detail.get("instruction") or ""),
        answers=tuple(str(answer.get("label") or "") for answer in answers),
        # The classifier asks JavaScript's truth, under which the string "false" is true too.
        required=bool(detail.get("required")),
    )


def _objects(value: object, place: str) -> Sequence[Mapping[str, Any]]:
    entries = value or []
    if not isinstance(entries, list | tuple) or not all(isinstance(e, Mapping) for e in entries):
        raise BadInput(f"{place}: expected a list of objects, got {value!r}")
    return entries


def _count(value: object, place: str) -> int | None:
    """Read a tool's `min` or `max`, which the builder stores as number or text; empty is None."""
    if value is None or value == "":
        return None
    try:
        return int(float(str(value)))
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{place}: expected a number of marks, got {value!r}") from error
