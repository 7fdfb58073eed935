"""Which slices of which volumes go to people? Those over a threshold, and some at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zooassist_loop.effort_simulation import Pace, SimulatedEffort, simulate_effort
from zooassist_loop.slice_learning import LEARNED, fit_score, held_out_scores
from zooassist_loop.slice_risk import (
    RiskCurve,
    Threshold,
    choose_threshold,
    needed_share,
    risk_curve,
)
from zooassist_loop.slice_scorers import ORACLE, score_slices, usable_scorers
from zooassist_loop.slice_table import Floats, SliceTable
from zooassist_plugin.errors import BadInput

SEND: Final = "send"
AUDIT: Final = "audit"
KEEP: Final = "keep"


@dataclass(frozen=True)
class SliceRule:
    """How slices are chosen.

    Attributes
    ----------
    scorer : str
        See `slice_scorers.SCORERS`; also ``learned``.
    target : float
        Dice that what is not sent has to keep.
    quality : str
        Which Dice; see `slice_risk.QUALITIES`.
    confidence : float
        Probability with which the calibration volumes' like keep it.
    audit : float
        Share of the slices under the threshold that goes to people all the same, drawn at random.
    """

    scorer: str = LEARNED
    target: float = 0.95
    quality: str = "kept-mean"
    confidence: float = 0.9
    audit: float = 0.1
    draws: int = 500

    def __post_init__(self) -> None:
        if not 0 <= self.audit <= 1:
            raise BadInput(f"--audit: expected a share from 0 to 1, got {self.audit}")
        if self.draws < 50:
            raise BadInput(f"draws: expected at least 50, got {self.draws}")


@dataclass(frozen=True, eq=False)
class Calibration:
    """What one scorer does on slices whose truth is known.

    Attributes
    ----------
    needed : float
        Smallest share to send so that corrected volumes reach the target.
    effort : SimulatedEffort or None
        Of perfect people who correct what is over the threshold; None where contours are not known.
    """

    scorer: str
    curve: RiskCurve
    threshold: Threshold
    needed: float
    effort: SimulatedEffort | None = None


@dataclass(frozen=True, eq=False)
class SliceChoice:
    """What becomes of each slice of the pool.

    Attributes
    ----------
    scores : array of shape (slices,)
    decisions : array of str, shape (slices,)
        `SEND`, `AUDIT` or `KEEP`.
    probability : array of shape (slices,)
        With which a slice goes to people: 1 over the threshold, the audit's share under it.
    """

    slices: SliceTable
    scores: Floats
    decisions: NDArray[np.str_]
    probability: Floats
    rule: SliceRule

    @property
    def effort(self) -> float:
        """Share of slices that goes to people, audit included."""
        return float((self.decisions != KEEP).mean()) if len(self.slices) else 0.0


def calibrate_scorer(
    scorer: str,
    slices: SliceTable,
    rule: SliceRule,
    random: np.random.Generator,
    pace: Pace | None = None,
) -> Calibration:
    """Choose a scorer's threshold on slices with truth.

    The learned score is judged on volumes that it was not fitted on.
    """
    held_out = scorer == LEARNED
    scores = held_out_scores(slices) if held_out else score_slices(scorer, slices, random)
    curve = risk_curve(
        slices,
        scores,
        random,
        quality=rule.quality,
        confidence=rule.confidence,
        draws=rule.draws,
    )
    needed = needed_share(slices, scores, rule.target)
    threshold = choose_threshold(curve, rule.target)
    effort = None
    if slices.costs is not None:
        effort = simulate_effort(slices.costs, scores >= threshold.score, pace)
    return Calibration(scorer, curve, threshold, needed, effort)


def compare_scorers(
    slices: SliceTable, rule: SliceRule, random: np.random.Generator, pace: Pace | None = None
) -> list[Calibration]:
    """Calibrate every scorer that the slices have a feature for, and the oracle."""
    return [
        calibrate_scorer(name, slices, rule, random, pace)
        for name in (*usable_scorers(slices), ORACLE)
    ]


def choose_slices(
    pool: SliceTable,
    calibration: SliceTable,
    threshold: Threshold,
    rule: SliceRule,
    random: np.random.Generator,
) -> SliceChoice:
    """Decide on slices whose truth is not known.

    Parameters
    ----------
    calibration : SliceTable
        With truth; the learned score is fitted on all of it.
    """
    learned = fit_score(calibration) if rule.scorer == LEARNED else None
    scores = score_slices(rule.scorer, pool, random, learned)
    sent = scores >= threshold.score
    decisions = np.where(sent, SEND, KEEP).astype("U5")  # room for every word
    under = np.flatnonzero(~sent)
    drawn = random.permutation(under)[: int(np.ceil(rule.audit * len(under)))]
    decisions[drawn] = AUDIT
    share = len(drawn) / len(under) if len(under) else 0.0
    return SliceChoice(pool, scores, decisions, np.where(sent, 1.0, share), rule)


@dataclass(frozen=True)
class AuditResult:
    """What people found in the slices that were drawn at random.

    Attributes
    ----------
    quality : float
        Mean Dice of the audited slices, an unbiased estimate for all under the threshold.
    lower : float
        Its bound.
    holds : bool
        Whether the bound keeps the target.
    """

    audited: int
    kept: int
    quality: float
    lower: float
    holds: bool


def read_audit(choice: SliceChoice, dice: Floats, random: np.random.Generator) -> AuditResult:
    """Estimate the quality of what was not sent from the slices that were drawn at random.

    Parameters
    ----------
    dice : array of shape (audited,)
        Of proposal and correction, of every audited slice in the order of the choice.

    Raises
    ------
    BadInput
        When there are no audited slices, or another number of values.
    """
    audited = int((choice.decisions == AUDIT).sum())
    if not audited or len(dice) != audited:
        raise BadInput(f"audit: expected the Dice of {audited} audited slices, got {len(dice)}")
    volumes = choice.slices.volumes[choice.decisions == AUDIT]
    groups = [dice[volumes == name] for name in np.unique(volumes)]
    if len(groups) == 1:
        groups = [np.array([each]) for each in dice]
    means = []
    for _ in range(choice.rule.draws):
        drawn = random.integers(0, len(groups), len(groups))
        means.append(float(np.concatenate([groups[g] for g in drawn]).mean()))
    lower = float(np.quantile(means, 1 - choice.rule.confidence))
    return AuditResult(
        audited=audited,
        kept=int((choice.decisions == KEEP).sum()),
        quality=float(dice.mean()),
        lower=lower,
        holds=lower >= choice.rule.target,
    )
