"""Which question did a volunteer answer, and how? One pure function per task type, in a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from zooassist_exporters.extracts.answered import Answered, UnexpectedValue
from zooassist_exporters.extracts.combo import members
from zooassist_exporters.extracts.drawing import subtask_answers
from zooassist_exporters.extracts.dropdown import dropdown_answers, simple_dropdown_answer
from zooassist_exporters.extracts.nothing import nothing_chosen
from zooassist_exporters.extracts.question import question_answer
from zooassist_exporters.extracts.seen import COMBO, EMPTY, seen_type
from zooassist_exporters.extracts.survey import survey_choices

Extractor = Callable[[Mapping[str, Any]], Iterator[Answered]]

# Task type -> what its annotation says about questions. Of the types that are not here no votes
# can be counted: what they hold is read by `zooassist_exporters.extracts.values`, marks by
# `zooassist_exporters.extracts.marks`.
EXTRACTORS: Final[dict[str, Extractor]] = {
    "single": question_answer,
    "multiple": question_answer,
    "shortcut": question_answer,
    "drawing": subtask_answers,
    "survey": survey_choices,
    "dropdown": dropdown_answers,
    "dropdown-simple": simple_dropdown_answer,
    EMPTY: nothing_chosen,
}

__all__ = ["EXTRACTORS", "Answered", "UnexpectedValue", "answers_of"]


def answers_of(
    annotations: list[dict[str, Any]], types: Mapping[str, str]
) -> Iterator[Answered | UnexpectedValue]:
    """Yield the questions answered in one classification.

    Parameters
    ----------
    annotations : list of dict
        As exported by either classifier.
    types : mapping
        Task key (``T0``, ``T0.0.0``) -> task type in this classification's workflow version; a
        task that is not listed is judged by the look of its annotation.

    Yields
    ------
    Answered or UnexpectedValue
        The latter (yielded, not raised) for an annotation that does not look like its task; the
        others of the same classification still count.
    """
    for annotation in annotations:
        kind = types.get(annotation["task"]) or seen_type(annotation)
        if kind == COMBO:
            yield from answers_of(members(annotation), types)
            continue
        extractor = EXTRACTORS.get(kind)
        if extractor is None:
            continue
        try:
            yield from extractor(annotation)
        except UnexpectedValue as unexpected:
            yield unexpected
