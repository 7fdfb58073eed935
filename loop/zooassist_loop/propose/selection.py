"""Which subjects get a proposal in this run? Those that nobody has settled yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from zooassist_loop.ledger import Ledger
from zooassist_plugin.panoptes import Panoptes
from zooassist_plugin.records import Subject
from zooassist_plugin.workflow import Workflow


@dataclass(frozen=True)
class Selection:
    """What decides about a subject, read once at the start of a run.

    Attributes
    ----------
    known : frozenset of int
        Proposed by this model version already.
    retired, classified : frozenset of int
        In this workflow; `classified` have one classification or more.
    shown : frozenset of int
        Carry the proposal of another model version.
    replace : bool
        Whether such a proposal may be replaced although volunteers have answered to it.
    """

    known: frozenset[int] = frozenset()
    retired: frozenset[int] = frozenset()
    classified: frozenset[int] = frozenset()
    shown: frozenset[int] = frozenset()
    replace: bool = False

    def reason_to_skip(self, subject_id: int) -> str:
        """Return why a subject gets no proposal, or nothing when it does."""
        if subject_id in self.known:
            return "proposed"
        if subject_id in self.retired:
            return "retired"
        # A proposal that changes under a subject's first answers makes them unmatchable: some
        # volunteers saw one, some the other (the ledger's `visible_at` tells, within minutes).
        if subject_id in self.shown and subject_id in self.classified and not self.replace:
            return "classified"
        return ""


# Reason -> what the report says of the subjects skipped for it.
SKIPPED: dict[str, str] = {
    "proposed": "already proposed by this model version",
    "retired": "retired",
    "classified": "volunteers have answered to another version's proposal (--replace overrides)",
}


@dataclass(frozen=True)
class SubjectSet:
    """The set whose subjects are proposed.

    Attributes
    ----------
    size : int
        As Panoptes counts it; the count may lag behind.
    linked : bool
        Whether the workflow serves its subjects.
    """

    subject_set_id: int
    size: int
    linked: bool

    def notes(self, workflow_id: int) -> list[str]:
        """Return what a project builder should know before volunteers miss it."""
        if self.linked:
            return []
        return [
            f"subject set {self.subject_set_id} is not linked to workflow {workflow_id}: its "
            "volunteers get these subjects only after it is linked in the project builder"
        ]


def read_subject_set(panoptes: Panoptes, subject_set_id: int, workflow: Workflow) -> SubjectSet:
    """Read the set; raises `Refused` when there is none."""
    row, _ = panoptes.resource("subject_sets", subject_set_id)
    return SubjectSet(
        subject_set_id,
        int(row.get("set_member_subjects_count") or 0),
        subject_set_id in workflow.subject_set_ids,
    )


@dataclass
class Tally:
    """Counts the skipped subjects of one run by reason."""

    skipped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SKIPPED, 0))

    def choose(self, subjects: Iterator[Subject], selection: Selection) -> Iterator[Subject]:
        """Yield the subjects that get a proposal, each once, and count the others."""
        seen: set[int] = set()
        for subject in subjects:
            if subject.subject_id in seen:
                continue  # a page shifts when somebody adds subjects meanwhile
            seen.add(subject.subject_id)
            reason = selection.reason_to_skip(subject.subject_id)
            if reason:
                self.skipped[reason] += 1
            else:
                yield subject


def read_selection(
    panoptes: Panoptes, ledger: Ledger, workflow_id: int, model_version: str, replace: bool
) -> Selection:
    """Read the ledger and the workflow's subject statuses."""
    statuses = list(panoptes.statuses(workflow_id))
    return Selection(
        known=frozenset(ledger.known(workflow_id, model_version)),
        retired=frozenset(s.subject_id for s in statuses if s.retired_at is not None),
        classified=frozenset(s.subject_id for s in statuses if s.classifications_count > 0),
        shown=frozenset(ledger.shown(workflow_id, model_version)),
        replace=replace,
    )
