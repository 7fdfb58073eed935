"""Which choices of a survey does a volunteer see, and what is answered about each of them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from zooassist_exporters.extracts.answered import Answered, UnexpectedValue

# Between task, choice and question: ``T0/LION/HOWMANY``. No key of Panoptes holds a slash.
SLASH: Final = "/"


def survey_choices(annotation: Mapping[str, Any]) -> Iterator[Answered]:
    """Yield the choices of a survey annotation, and the answers about each.

    Choices and answers are the keys that the project gave them. A choice made twice counts once.
    An empty list is a vote too: none of the choices is there.

    Examples
    --------
    >>> marked = {"choice": "LION", "answers": {"HOWMANY": "2", "DOING": ["REST"]}, "filters": {}}
    >>> for answered in survey_choices({"task": "T0", "value": [marked]}):
    ...     print(answered.task, answered.multiple, answered.values)
    T0 True ('LION',)
    T0/LION/HOWMANY False ('2',)
    T0/LION/DOING True ('REST',)
    """
    task, made = annotation["task"], annotation.get("value")
    if made is None:
        return
    if not isinstance(made, list):
        raise UnexpectedValue(task, "a list of choices", made)
    for entry in made:
        if not isinstance(entry, dict) or not isinstance(entry.get("choice"), str):
            raise UnexpectedValue(task, 'objects with a "choice"', entry)
    chosen = tuple(dict.fromkeys(entry["choice"] for entry in made))
    yield Answered(task, "", True, chosen, None)
    for entry in made:
        answers = entry.get("answers")
        if isinstance(answers, dict):
            yield from _about_choice(f"{task}{SLASH}{entry['choice']}", answers)


def _about_choice(choice: str, answers: Mapping[str, Any]) -> Iterator[Answered]:
    for question, value in answers.items():
        values = value if isinstance(value, list) else [value]
        if all(isinstance(each, str) for each in values):
            distinct = tuple(dict.fromkeys(values))
            several = isinstance(value, list)
            yield Answered(f"{choice}{SLASH}{question}", "", several, distinct, None)


def is_about_choice(task: str) -> bool:
    """Whether a task key is that of a question about one choice of a survey.

    Examples
    --------
    >>> is_about_choice("T0/LION/HOWMANY"), is_about_choice("T0")
    (True, False)
    """
    return SLASH in task
