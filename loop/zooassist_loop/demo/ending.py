"""Which subjects are certain? Decide them by their votes, and retire them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zooassist_exporters.training_set import TrainingSet
from zooassist_loop.retirement import Decision, Reason, RetirementRule, decide
from zooassist_plugin.errors import Refused
from zooassist_plugin.panoptes import Panoptes

RETIREMENT_WAIT = 60.0  # seconds; Panoptes retires in the background


@dataclass(frozen=True)
class Verdict:
    """What was decided for one subject, and the votes it was decided on."""

    decision: Decision
    votes: tuple[int, ...]

    @property
    def share(self) -> float | None:
        """Fraction of the votes for the question's first answer; None without votes."""
        total = sum(self.votes)
        return self.votes[0] / total if total else None


def judge(
    training_set: TrainingSet,
    question: str,
    prior: Mapping[int, tuple[float, ...]],
    rule: RetirementRule,
) -> dict[int, Verdict]:
    """Decide every subject of a training set by one question.

    Parameters
    ----------
    prior : mapping of subject id to answer probabilities
        Of a model version that did *not* learn from these votes: one that did would count them
        twice. They weigh `rule.model_votes` votes in all.
    """
    columns = training_set.schema.slices[question]
    verdicts = {}
    for subject_id, counts in zip(
        training_set.subject_ids.tolist(), training_set.counts[:, columns], strict=True
    ):
        probabilities = prior.get(subject_id)
        concentrations = (
            None if probabilities is None else np.asarray(probabilities) * rule.model_votes
        )
        verdicts[subject_id] = Verdict(
            decide(counts, concentrations, rule), tuple(int(count) for count in counts)
        )
    return verdicts


def retire_certain(
    panoptes: Panoptes, workflow_id: int, decisions: Mapping[int, Decision]
) -> frozenset[int]:
    """Retire what was decided, and return what Panoptes then says is retired.

    Raises
    ------
    Refused
        When Panoptes has not retired them all within a minute.
    """
    by_reason: dict[Reason, list[int]] = defaultdict(list)
    for subject_id, decision in decisions.items():
        if decision.reason is not None:
            by_reason[decision.reason].append(subject_id)
    for reason, subject_ids in by_reason.items():
        panoptes.retire_subjects(workflow_id, subject_ids, reason)
    wanted = {subject for subjects in by_reason.values() for subject in subjects}
    deadline = time.monotonic() + RETIREMENT_WAIT
    while True:
        retired = frozenset(
            status.subject_id
            for status in panoptes.statuses(workflow_id)
            if status.retired_at is not None
        )
        if wanted <= retired:
            return retired
        if time.monotonic() > deadline:
            raise Refused(
                f"workflow {workflow_id}: {len(wanted - retired)} of {len(wanted)} subjects are "
                f"not retired after {RETIREMENT_WAIT:.0f} s; look at the sandbox's log"
            )
        time.sleep(0.2)
