"""Which questions can a volunteer meet, and after which answers?

`next` links connect tasks: an answer's own link (single choice), or the task's or step's link
(everything else). From them follows the set of answers after any one of which a task is asked.
The set is kept as small as it can be said: when *every* answer of a question leads to a task, the
task is asked of whoever was asked that question, so the question's own condition is inherited
instead of a list of all its answers; at the root this means "always".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from zooassist_plugin.errors import BadInput
from zooassist_plugin.task_text import plain_text, slug
from zooassist_plugin.workflow import Step, read_drawing_task, steps_of

AnswerKey = tuple[str, int]
"""Task key and answer index."""

ALWAYS: frozenset[AnswerKey] = frozenset()
"""The condition of a task that everybody meets."""


@dataclass(frozen=True)
class FoundQuestion:
    """A question as the workflow states it; `after` is empty when it is always asked."""

    task: str
    type: Literal["single", "multiple"]
    name: str
    text: str
    labels: tuple[str, ...]
    answer_names: tuple[str, ...]
    after: frozenset[AnswerKey]


def questions_of(
    tasks: Mapping[str, Any], first_task: str, names: Mapping[str, str], steps: Sequence[Step]
) -> tuple[FoundQuestion, ...]:
    """Return every reachable question, in the order of the classifier's steps.

    Raises
    ------
    BadInput
        As `zooassist_plugin.label_schema.schema_from_tasks`.
    """
    for key, task in tasks.items():
        if not isinstance(task, Mapping):
            raise BadInput(f"task {key}: expected an object, got {task!r}")
    if first_task and first_task not in tasks:
        raise BadInput(
            f"first_task: no task is named {first_task!r}; expected one of {', '.join(tasks)}"
        )
    first = first_task or next(iter(tasks), "")
    flow = _Flow(tasks, steps_of(tasks, first, steps))
    found: list[FoundQuestion] = []
    for step, after in flow.conditions().items():
        for key in flow.steps[step].task_keys:
            task = tasks[key]
            if task.get("type") == "drawing":
                for tool in read_drawing_task(key, task).tools:
                    for detail in tool.details:
                        if detail.type in ("single", "multiple"):
                            found.append(
                                _question(
                                    detail.key,
                                    detail.type,
                                    detail.question,
                                    detail.answers,
                                    after,
                                    names,
                                )
                            )
            elif task.get("type") in ("single", "multiple"):
                labels = tuple(str(a.get("label") or "") for a in _answers(key, task))
                text = str(task.get("question") or task.get("instruction") or "")
                found.append(_question(key, task["type"], text, labels, after, names))
    _check_names(found, names)
    return tuple(found)


def _question(
    task: str,
    kind: str,
    text: str,
    labels: Sequence[str],
    after: frozenset[AnswerKey],
    names: Mapping[str, str],
) -> FoundQuestion:
    if not labels:
        raise BadInput(f"task {task}: expected a {kind} question to have answers, got none")
    return FoundQuestion(
        task=task,
        type="single" if kind == "single" else "multiple",
        name=names.get(task) or slug(text) or slug(task),
        text=plain_text(text),
        labels=tuple(plain_text(label) for label in labels),
        answer_names=tuple(
            names.get(f"{task}.answers.{index}") or slug(label) or f"answer-{index}"
            for index, label in enumerate(labels)
        ),
        after=after,
    )


def _check_names(found: Iterable[FoundQuestion], names: Mapping[str, str]) -> None:
    """Refuse names that collide, that are not clean, or that name nothing."""
    taken: dict[str, str] = {}
    known: set[str] = set()
    for question in found:
        parts: dict[str, str] = {}
        entries = [(taken, question.name, question.task, question.text)] + [
            (parts, part, f"{question.task}.answers.{index}", question.labels[index])
            for index, part in enumerate(question.answer_names)
        ]
        for used, name, key, text in entries:
            known.add(key)
            here = f"{key} ({text!r})"
            if name in used:
                raise BadInput(
                    f"{used[name]} and {here} would both be named {name!r}; "
                    f"name one of them, for example {key}={name}-2"
                )
            used[name] = here
    for key, name in names.items():
        if key not in known:
            raise BadInput(
                f"name for {key!r}: no such question or answer; expected {', '.join(sorted(known))}"
            )
        if name != slug(name):
            raise BadInput(f"name for {key!r}: expected words joined by hyphens, got {name!r}")


def _answers(key: str, task: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    answers = task.get("answers") or []
    if not isinstance(answers, list | tuple) or not all(isinstance(a, Mapping) for a in answers):
        raise BadInput(f"{key}.answers: expected a list of objects, got {answers!r}")
    return answers


class _Flow:
    """The graph of steps; edges carry the answer that leads along them, or None for any."""

    def __init__(self, tasks: Mapping[str, Any], steps: Sequence[Step]) -> None:
        self.tasks, self.steps = tasks, {step.key: step for step in steps}
        self.home: dict[str, str] = {}
        for step in steps:
            for key in step.task_keys:
                if key not in tasks:
                    raise BadInput(
                        f"step {step.key}: no task is named {key!r}; "
                        f"expected one of {', '.join(tasks)}"
                    )
                self.home[key] = step.key

    def target(self, link: str, place: str) -> str:
        """Return the step that a link names by its own key, by a task on it, or by a combo."""
        if link in self.steps:
            return link
        if link in self.home:
            return self.home[link]
        members = (self.tasks.get(link) or {}).get("tasks") or ()
        if members and members[0] in self.home:
            return self.home[members[0]]
        raise BadInput(
            f"{place}: expected a task or step of this workflow, got {link!r}; "
            f"expected one of {', '.join([*self.steps, *self.tasks])}, or nothing to end"
        )

    def edges(self, step: Step) -> list[tuple[AnswerKey | None, str]]:
        """Return (answer or None, target step) for every way out of a step.

        The classifier follows the chosen answer of the step's single-choice question; an answer
        without a link then ends the classification. Only where no answer has a link, or where
        there is no such question, the step's own link counts.
        """
        for key in step.task_keys:
            if self.tasks[key].get("type") == "single":
                links = [
                    ((key, index), self.target(str(answer["next"]), f"{key}.answers.{index}.next"))
                    for index, answer in enumerate(_answers(key, self.tasks[key]))
                    if answer.get("next")
                ]
                if links:
                    return [*links]
        return [(None, self.target(step.next, f"{step.key}.next"))] if step.next else []

    def conditions(self) -> dict[str, frozenset[AnswerKey]]:
        """Return for every reachable step the answers after which it is shown, in step order."""
        if not self.steps:
            return {}
        first = next(iter(self.steps))
        edges: dict[str, list[tuple[AnswerKey | None, str]]] = {}
        waiting = [first]
        while waiting:
            here = waiting.pop()
            if here not in edges:
                edges[here] = self.edges(self.steps[here])
                waiting += [target for _, target in edges[here]]
        arrivals: dict[str, list[tuple[AnswerKey | None, str]]] = {step: [] for step in edges}
        for here, outgoing in edges.items():
            for answer, target in outgoing:
                arrivals[target].append((answer, here))
        try:
            order = TopologicalSorter(
                {step: {origin for _, origin in ways} for step, ways in arrivals.items()}
            ).static_order()
            conditions: dict[str, frozenset[AnswerKey]] = {}
            for step in order:
                conditions[step] = self._condition(arrivals[step], conditions)
        except CycleError as error:
            loop = " -> ".join("+".join(self.steps[key].task_keys) for key in error.args[1][::-1])
            raise BadInput(f"the tasks lead in a circle: {loop}; cut one `next`") from error
        return {step: conditions[step] for step in self.steps if step in conditions}

    def _condition(
        self,
        ways: Sequence[tuple[AnswerKey | None, str]],
        known: Mapping[str, frozenset[AnswerKey]],
    ) -> frozenset[AnswerKey]:
        after: set[AnswerKey] = set()
        for answer, origin in ways:
            if answer is not None:
                after.add(answer)
            elif known[origin] == ALWAYS:
                return ALWAYS
            else:
                after |= known[origin]
        while True:
            complete = next(
                (key for key in {task for task, _ in after} if self._all(key, after)), ""
            )
            if not complete:
                return frozenset(after)
            if known[self.home[complete]] == ALWAYS:
                return ALWAYS
            after = {each for each in after if each[0] != complete} | known[self.home[complete]]

    def _all(self, key: str, after: set[AnswerKey]) -> bool:
        return all((key, index) in after for index in range(len(self.tasks[key]["answers"])))
