"""Which questions do a workflow's shortcuts, surveys and dropdowns ask?

They are no questions of a decision tree, but volunteers choose among given answers all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from zooassist_exporters.extracts.survey import SLASH
from zooassist_exporters.rules import Rules
from zooassist_plugin.label_schema import Answer, Question
from zooassist_plugin.task_text import plain_text, slug

SHORTCUT: Final = "shortcut"
SURVEY: Final = "survey"
DROPDOWNS: Final = ("dropdown", "dropdown-simple")


@dataclass(frozen=True)
class ChoiceQuestion:
    """A question, and the keys by which exports name its answers besides their labels."""

    question: Question
    keys: tuple[str, ...]


def choice_questions(tasks: Mapping[str, Any], rules: Rules) -> Iterator[ChoiceQuestion]:
    """Yield the questions of all such tasks of a workflow version, in the order of its tasks.

    Parameters
    ----------
    tasks : mapping
        Task key -> task as in Panoptes' JSON, with texts in place.
    rules : Rules
        Names of questions, and whether answers about a survey's choices are counted.
    """
    for task, entry in tasks.items():
        kind = entry.get("type")
        if kind == SHORTCUT:
            labels = [str(answer.get("label") or "") for answer in entry.get("answers") or ()]
            yield from _made(task, rules, "multiple", "", labels, labels)
        elif kind == SURVEY:
            yield from _survey(task, entry, rules)
        elif kind in DROPDOWNS:
            selects = entry.get("selects") or ()
            for number, select in enumerate(selects):
                key = f"{task}.{number}" if kind == DROPDOWNS[0] else task
                options = _options(select)
                text = plain_text(str(select.get("title") or ""))
                yield from _made(key, rules, "single", text, list(options.values()), list(options))


def _survey(task: str, entry: Mapping[str, Any], rules: Rules) -> Iterator[ChoiceQuestion]:
    choices = _in_order(entry, "choices")
    labels = {key: str(choice.get("label") or key) for key, choice in choices.items()}
    yield from _made(task, rules, "multiple", "", list(labels.values()), list(labels))
    if not rules.survey_answers:
        return
    questions, asked = _in_order(entry, "questions"), entry.get("questionsMap") or {}
    for choice, label in labels.items():
        for key in asked.get(choice) or questions:
            question = questions.get(key)
            if question is None:
                continue
            answers = _in_order(question, "answers")
            texts = [str(answer.get("label") or name) for name, answer in answers.items()]
            kind = "multiple" if question.get("multiple") else "single"
            place = SLASH.join((task, choice, key))
            name = f"{label} {question.get('label') or key}"
            yield from _made(place, rules, kind, "", texts, list(answers), name)


def _made(
    task: str,
    rules: Rules,
    kind: str,
    text: str,
    labels: Sequence[str],
    keys: Sequence[str],
    called: str = "",
) -> Iterator[ChoiceQuestion]:
    """Make a question, unless it has no answers."""
    if not labels:
        return
    name = rules.names.get(task) or slug(called or text) or slug(task)
    answers = tuple(
        Answer(plain_text(label), index, f"{name}_{slug(label) or index}")
        for index, label in enumerate(labels)
    )
    # Answers whose labels read the same still are different answers: they go by their keys.
    columns = [answer.column for answer in answers]
    answers = tuple(
        answer
        if columns.count(answer.column) == 1
        else Answer(answer.label, index, f"{name}_{slug(str(keys[index])) or 'answer'}-{index}")
        for index, answer in enumerate(answers)
    )
    question = Question(name, task, kind, (), answers, text)  # type: ignore[arg-type]
    yield ChoiceQuestion(question, tuple(map(str, keys)))


def _in_order(entry: Mapping[str, Any], name: str) -> dict[str, Mapping[str, Any]]:
    """Return the entries of ``choices``, ``questions`` or ``answers`` in the project's order."""
    found = entry.get(name) or {}
    order = [key for key in entry.get(f"{name}Order") or () if key in found]
    return {key: found[key] for key in (*order, *(key for key in found if key not in order))}


def _options(select: Mapping[str, Any]) -> dict[str, str]:
    """Return value -> label of all options, whatever was selected before."""
    found: dict[str, str] = {}
    for options in (select.get("options") or {}).values():
        for option in options:
            value = str(option.get("value") or option.get("label") or "")
            found.setdefault(value, str(option.get("label") or value))
    return found
