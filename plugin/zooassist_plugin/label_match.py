"""Which of a model's questions does a workflow ask, and in which order are its answers?

A question fits when the words agree, of the question and of every answer: upper and lower case,
punctuation, spaces, markup, pictures and American or British spelling do not count, and answers
may come in another order. Nothing is guessed; what does not fit is reported in words that a person
can act on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.task_text import slug

# British -> American, as far as Zooniverse's trees and workflows have been seen to differ.
SPELLINGS = {
    "artefact": "artifact",
    "artefacts": "artifacts",
    "centre": "center",
    "colour": "color",
    "grey": "gray",
    "unrecognisable": "unrecognizable",
}

_NO_OVERRIDES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class LabelPair:
    """A workflow question and the model question that answers it.

    Attributes
    ----------
    task : str
        The workflow's task key.
    question : str
        The model's question name.
    answer_index : tuple of int
        ``answer_index[i]`` is the model's answer index for the workflow's answer `i`.
    """

    task: str
    question: str
    answer_index: tuple[int, ...]


@dataclass(frozen=True)
class LabelMatch:
    """The pairs that fit, and the reasons why others do not."""

    pairs: tuple[LabelPair, ...]
    misfits: tuple[str, ...]

    def pair(self, task: str) -> LabelPair | None:
        """Return the pair of a workflow task, None when the model does not answer it."""
        return next((pair for pair in self.pairs if pair.task == task), None)


def match_labels(
    model: LabelSchema, workflow: LabelSchema, overrides: Mapping[str, str] = _NO_OVERRIDES
) -> LabelMatch:
    """Match a workflow's questions with a model's.

    Parameters
    ----------
    overrides : mapping
        Task key -> the model's question name, where the question's words differ (``--map
        T0.0.0=smooth-or-featured``). The answers still have to agree.

    Raises
    ------
    BadInput
        When an override names a task or a question that does not exist, or a question whose
        answers differ: what was asked for by name is never left out silently.
    """
    tasks = [question.task for question in workflow.questions]
    for task, name in overrides.items():
        if task not in tasks:
            raise BadInput(
                f"--map {task}={name}: the workflow has no question {task!r}; "
                f"expected one of {', '.join(tasks) or 'none'}"
            )
        model.question(name)
    pairs: list[LabelPair] = []
    misfits: list[str] = []
    for asked in workflow.questions:
        found = _match_question(model, asked, overrides.get(asked.task))
        if isinstance(found, LabelPair):
            pairs.append(found)
        elif asked.task in overrides:
            raise BadInput(f"--map {asked.task}={overrides[asked.task]}: {found}")
        else:
            misfits.append(found)
    return LabelMatch(tuple(pairs), tuple(misfits))


def _match_question(model: LabelSchema, asked: Question, override: str | None) -> LabelPair | str:
    here = f"{asked.task} {asked.text or asked.name!r}"
    words = _words(asked)
    candidates = [
        each
        for each in model.questions
        if (each.name == override if override else words & _words(each))
    ]
    if not candidates:
        names = ", ".join(each.name for each in model.questions)
        return (
            f"{here}: the model has no such question (it answers {names}); "
            f"if one of them means the same, say --map {asked.task}=<name>"
        )
    reasons = []
    # A model of several surveys may ask the same words at two places: its own columns come first.
    candidates.sort(key=lambda each: each.columns != asked.columns)
    for question in candidates:
        index, reason = _match_answers(question, asked)
        if reason is None:
            return LabelPair(asked.task, question.name, index)
        reasons.append(f"{question.name}: {reason}")
    return f"{here}: the answers differ from the model's; " + "; ".join(reasons)


def _match_answers(question: Question, asked: Question) -> tuple[tuple[int, ...], str | None]:
    """Return the model's index of each workflow answer, and why there is none."""
    if question.type != asked.type:
        return (), f"the workflow's question is {asked.type} choice, the model's {question.type}"
    places: list[int] = []
    missing: list[str] = []
    for answer in asked.answers:
        words = _answer_words(asked, answer)
        place = next(
            (
                each.index
                for each in question.answers
                if words & _answer_words(question, each) and each.index not in places
            ),
            None,
        )
        if place is None:
            missing.append(answer.label or answer.column)
        else:
            places.append(place)
    left = [each.label for each in question.answers if each.index not in places]
    if missing or left:
        parts = []
        if missing:
            parts.append(f"only the workflow has {', '.join(map(repr, missing))}")
        if left:
            parts.append(f"only the model has {', '.join(map(repr, left))}")
        return (), " and ".join(parts)
    return tuple(places), None


def _words(question: Question) -> set[str]:
    return {_key(question.text), _key(question.name)} - {""}


def _answer_words(question: Question, answer: Answer) -> set[str]:
    part = answer.column.removeprefix(f"{question.name}_")
    return {_key(answer.label), _key(part)} - {""}


def _key(text: str) -> str:
    return "".join(SPELLINGS.get(word, word) for word in slug(text).split("-"))
