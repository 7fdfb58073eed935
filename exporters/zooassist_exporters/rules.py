"""Which classifications count? The rules of one export, with the platform's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, get_args

from zooassist_exporters.version_ranges import VersionRanges
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
    seen_before : bool
        Count classifications that the platform marked as repeated when they were made. With
        `repeats` first, only those remain of them whose first visit is not in the file.
    retired_only : bool
        Count subjects only that are retired.
    since, before : datetime, optional
        Count classifications made from `since` on, and before `before`.
    versions : VersionRanges, optional
        Count these workflow versions only.
    excluded_users : frozenset of str
        Names or ids of volunteers who do not count (team members, robots).
    min_classifications, max_classifications : int, optional
        Leave out subjects with fewer, and of the others count the first so many, by time.
    part : (int, int), optional
        ``(k, n)``: count the k-th of n parts only, so that n machines share an export. A part holds
        all classifications of its subjects, and the parts together are the whole.
    survey_answers : bool
        Make a question of each survey question about each choice, besides the choices themselves.
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
    seen_before: bool = True
    retired_only: bool = False
    since: datetime | None = None
    before: datetime | None = None
    versions: VersionRanges | None = None
    excluded_users: frozenset[str] = frozenset()
    min_classifications: int | None = None
    max_classifications: int | None = None
    part: tuple[int, int] | None = None
    survey_answers: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    reworded: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.repeats not in REPEATS:
            raise BadInput(f"repeats: expected {', '.join(REPEATS)}, got {self.repeats!r}")
        for name in ("since", "before"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise BadInput(f"{name}: expected a time with its zone, got {moment}")
        if self.since is not None and self.before is not None and self.since >= self.before:
            raise BadInput(f"expected --from before --to, got {self.since} and {self.before}")
        few, many = self.min_classifications, self.max_classifications
        if any(count is not None and count < 1 for count in (few, many)):
            raise BadInput(f"expected at least 1 classification per subject, got {few} and {many}")
        if few is not None and many is not None and few > many:
            raise BadInput(f"expected --min-classifications {few} to be at most --max {many}")
        if self.part is not None and not 1 <= self.part[0] <= self.part[1]:
            raise BadInput(f"--part: expected K/N with K from 1 to N, got {self.part}")

    def to_json(self) -> dict[str, Any]:
        """Return the rules as they are written into ``training-set.json``."""
        return {
            "workflow_id": self.workflow_id,
            "repeats": self.repeats,
            "gold_standard": self.gold_standard,
            "live_only": self.live_only,
            "seen_before": self.seen_before,
            "retired_only": self.retired_only,
            "since": None if self.since is None else self.since.isoformat(),
            "before": None if self.before is None else self.before.isoformat(),
            "versions": None if self.versions is None else str(self.versions),
            "excluded_users": len(self.excluded_users),  # names of volunteers stay out of it
            "min_classifications": self.min_classifications,
            "max_classifications": self.max_classifications,
            "part": None if self.part is None else f"{self.part[0]}/{self.part[1]}",
            "survey_answers": self.survey_answers,
            "names": dict(self.names),
            "reworded": sorted(self.reworded),
        }
