"""What does a mark outline: which class does its tool or its answer stand for?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from zooassist_exporters.extracts.marks import DrawnMark
from zooassist_exporters.reductions.masks.volunteer import HOLE
from zooassist_plugin.errors import BadInput

TOOL: Final = "tool"
TASK: Final = "task"
MOST_CLASSES: Final = 255
_SUBTASK: Final = re.compile(r"[^.]+\.\d+\.\d+")


class ClassKey(NamedTuple):
    """One class: the number of the tool or answer it was seen under, and its name."""

    place: int
    name: str


@dataclass(frozen=True)
class ClassRule:
    """How marks become classes.

    Attributes
    ----------
    source : str
        ``tool``: each tool is a class, named by its label. ``task``: all tools draw the same.
        A subtask (``T0.0.0``): its answer is the class; marks of other tools are left out.
    holes : frozenset of int
        Tools whose marks cut holes into the volunteer's other marks.
    """

    source: str = TOOL
    holes: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if self.source not in (TOOL, TASK) and not _SUBTASK.fullmatch(self.source):
            raise BadInput(
                f"--class-from: expected tool, task or a subtask such as T0.0.0, "
                f"got {self.source!r}"
            )

    def is_hole(self, mark: DrawnMark) -> bool:
        """Whether a mark cuts a hole."""
        return mark.tool_index in self.holes

    def class_of(self, mark: DrawnMark) -> ClassKey | None:
        """Return the class of a mark that is no hole, None when it has none."""
        if self.source == TASK:
            return ClassKey(0, mark.task)
        if self.source == TOOL:
            return ClassKey(mark.tool_index, mark.tool_label)
        answers = [answer for answer in mark.answers if answer.task == self.source]
        if len(answers) != 1:
            return None
        value, labels = answers[0].value, answers[0].labels
        chosen = value if isinstance(value, list) else [value]
        if len(chosen) != 1 or not isinstance(chosen[0], int) or isinstance(chosen[0], bool):
            return None
        return ClassKey(chosen[0], labels[0] if labels else "")


@dataclass
class ClassNumbers:
    """The classes of a file, numbered from 1 in the order of tools or answers.

    A class seen both with and without its name (exports of 2026 and earlier leave it out) is one,
    unless its number had several names: then nobody can tell, and the nameless one is its own.
    """

    rule: ClassRule = field(default_factory=ClassRule)
    _seen: set[ClassKey] = field(default_factory=set)

    def add(self, marks: Iterable[DrawnMark]) -> None:
        """Take note of the classes of some marks."""
        for mark in marks:
            key = None if self.rule.is_hole(mark) else self.rule.class_of(mark)
            if key is not None:
                self._seen.add(key)

    def numbers(self) -> Mapping[ClassKey, int]:
        """Return each class seen with its number in label maps; two keys may be one class.

        Raises
        ------
        BadInput
            When there are more classes than a label map can tell apart.
        """
        names: dict[int, set[str]] = {}
        for key in self._seen:
            if key.name:
                names.setdefault(key.place, set()).add(key.name)
        found: dict[ClassKey, int] = {}
        by_name: dict[str, int] = {}
        for key in sorted(self._seen):
            known = names.get(key.place, set())
            name = key.name or (next(iter(known)) if len(known) == 1 else self._default(key))
            found[key] = by_name.setdefault(name, len(by_name) + 1)
        if len(by_name) > MOST_CLASSES:
            raise BadInput(
                f"expected at most {MOST_CLASSES} classes, got {len(by_name)}; "
                "choose another --class-from"
            )
        return found

    def names(self) -> dict[int, str]:
        """Return the name of each class by its number."""
        names: dict[int, str] = {}
        for key, number in sorted(self.numbers().items()):
            names[number] = names.get(number) or key.name
        return {
            number: names[number] or self._default(key)
            for key, number in sorted(self.numbers().items())
        }

    def _default(self, key: ClassKey) -> str:
        return f"{'answer' if '.' in self.rule.source else 'tool'} {key.place}"


assert HOLE == 0, "class numbers start at 1 so that 0 is left for holes and background"
