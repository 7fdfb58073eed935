"""Which classifications count? The rules of one export, with the platform's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from zooassist_plugin.errors import BadInput

Repeats = Literal["first", "last", "all"]
REPEATS: Final[tuple[Repeats, ...]] = get_args(Repeats)


@dataclass(frozen=True)
class Rules:
    """The rules of one export; they are written into the training set.

    Attributes
    ----------
    workflow_id : int, optional
        Count this workflow only; needed when a file holds several.
    repeats : str
        When one volunteer classified a subject more than once: count the ``first`` (as Caesar and
        the retirement count do), the ``last``, or ``all``.
    gold_standard : bool
        Count experts' gold standard classifications too.
    live_only : bool
        Leave out classifications made before the project was launched.
    names : mapping
        Task key -> question name to use in label columns.
    reworded : frozenset of str
        Tasks whose question was only reworded between versions; otherwise a task whose text
        changed counts as another question.
    """

    workflow_id: int | None = None
    repeats: Repeats = "first"
    gold_standard: bool = False
    live_only: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    reworded: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.repeats not in REPEATS:
            raise BadInput(f"repeats: expected {', '.join(REPEATS)}, got {self.repeats!r}")

    def to_json(self) -> dict[str, Any]:
        """Return the rules as they are written into ``training-set.json``."""
        return {
            "workflow_id": self.workflow_id,
            "repeats": self.repeats,
            "gold_standard": self.gold_standard,
            "live_only": self.live_only,
            "names": dict(self.names),
            "reworded": sorted(self.reworded),
        }
