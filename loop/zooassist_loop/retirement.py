"""Which subjects are certain enough to retire? Votes on top of the model's posterior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from zooassist_plugin.errors import BadInput

# Panoptes' own words (panoptes: subject_workflow_status retirement reasons).
Reason = Literal["consensus", "classification_count"]


@dataclass(frozen=True)
class RetirementRule:
    """When is enough enough?

    Attributes
    ----------
    min_votes : int
        Volunteers who must have answered before anything is retired: a model alone never retires.
    max_votes : int
        Votes after which asking again is waste, whatever they say.
    majority : float
        The leading answer's vote fraction must exceed this ...
    confidence : float
        ... with at least this posterior probability.
    model_votes : float
        The most pseudo-votes that the model's Dirichlet concentrations may weigh, in all.
    """

    min_votes: int = 3
    max_votes: int = 12
    majority: float = 0.5
    confidence: float = 0.9
    model_votes: float = 4.0

    def __post_init__(self) -> None:
        if not 1 <= self.min_votes <= self.max_votes:
            raise BadInput(
                f"retirement rule: expected 1 <= min_votes <= max_votes, got {self.min_votes} and "
                f"{self.max_votes}; correct one of them"
            )
        for name in ("majority", "confidence"):
            if not 0 < getattr(self, name) < 1:
                raise BadInput(
                    f"retirement rule: expected 0 < {name} < 1, got {getattr(self, name)}"
                )
        if self.model_votes < 0:
            raise BadInput(f"retirement rule: expected model_votes >= 0, got {self.model_votes}")


@dataclass(frozen=True)
class Decision:
    """Retire or ask on, and why, in words a project builder can repeat."""

    retire: bool
    reason: Reason | None
    why: str


def posterior_concentrations(
    votes: Sequence[int] | npt.NDArray[np.int_],
    concentrations: Sequence[float] | npt.NDArray[np.floating] | None,
    model_votes: float,
) -> npt.NDArray[np.float64]:
    """Add the votes to the model's concentrations, the latter capped at `model_votes` in sum.

    Parameters
    ----------
    votes : (answers,) counts
    concentrations : (answers,) Dirichlet concentrations, or None for a flat prior
    model_votes : float
        Cap on the sum of the prior's concentrations beyond the flat prior's one per answer.

    Returns
    -------
    (answers,) concentrations of the Dirichlet posterior over the true vote fractions.
    """
    counts = np.asarray(votes, dtype=np.float64)
    flat = np.ones_like(counts)
    if concentrations is None or model_votes == 0:
        return flat + counts
    prior = np.asarray(concentrations, dtype=np.float64)
    if prior.shape != counts.shape:
        raise ValueError(f"expected {counts.shape} concentrations, got {prior.shape}")
    total = float(prior.sum())
    return flat + prior * min(1.0, model_votes / total) + counts


def decide(
    votes: Sequence[int] | npt.NDArray[np.int_],
    concentrations: Sequence[float] | npt.NDArray[np.floating] | None = None,
    rule: RetirementRule | None = None,
) -> Decision:
    """Decide one question of one subject.

    The leading answer's fraction has marginal Beta(α, S - α) under the Dirichlet posterior; the
    subject is certain when that puts at least `rule.confidence` above `rule.majority`.
    """
    rule = rule or RetirementRule()
    asked = int(np.sum(votes))
    if asked < rule.min_votes:
        return Decision(False, None, f"{asked} of at least {rule.min_votes} votes")
    posterior = posterior_concentrations(votes, concentrations, rule.model_votes)
    leader = int(np.argmax(posterior))
    rest = float(posterior.sum() - posterior[leader])
    certainty = float(beta.sf(rule.majority, posterior[leader], rest))
    told = (
        f"answer {leader} leads with {int(votes[leader])} of {asked} votes, "
        f"certainty {certainty:.2f}"
    )
    if certainty >= rule.confidence:
        return Decision(True, "consensus", told)
    if asked >= rule.max_votes:
        return Decision(
            True, "classification_count", f"{told}; no more than {rule.max_votes} votes"
        )
    return Decision(False, None, told)
