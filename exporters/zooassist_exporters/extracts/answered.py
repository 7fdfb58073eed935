"""What does one answered question look like, whichever classifier it came from?"""

from __future__ import annotations

from typing import NamedTuple


class Answered(NamedTuple):
    """One question that one volunteer answered.

    Attributes
    ----------
    task : str
        ``T0``, or ``T0.1.0`` for a subtask of a mark (task, tool, subtask).
    text : str
        The question as exported, "" when the export does not say.
    multiple : bool
        Whether several answers could be chosen.
    values : tuple of str or int
        Chosen answers: label texts, or indices where the platform exports indices. Empty when the
        volunteer chose none of several.
    mark_index : int or None
        For a subtask: position of its mark in the drawing annotation.
    """

    task: str
    text: str
    multiple: bool
    values: tuple[str | int, ...]
    mark_index: int | None


class UnexpectedValue(ValueError):
    """An annotation whose value does not fit its task type.

    Parameters
    ----------
    task : str
        The task key.
    expected : str
        What a value of this task looks like.
    value : object
        What came.
    """

    def __init__(self, task: str, expected: str, value: object) -> None:
        shown = repr(value)
        self.task = task
        super().__init__(f"expected {expected}, got {shown[:60]}{'...' * (len(shown) > 60)}")
