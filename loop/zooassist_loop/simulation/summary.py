"""What do simulations of several seeds say together? Means, with intervals over the seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from zooassist_loop.simulation.curves import at_shares
from zooassist_loop.simulation.plan import People
from zooassist_loop.simulation.run import PEOPLE, ScorerResult, Simulation
from zooassist_loop.slice_scorers import RANDOM
from zooassist_loop.slice_table import Floats
from zooassist_plugin.errors import BadInput

STEPS: Final = 101
SHARES: Final[Floats] = np.linspace(0, 1, STEPS, dtype=np.float64)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and its 95 % interval (Student's t); of one seed it has none.

    Attributes
    ----------
    low, high : float
        Not numbers where there is no interval.
    """

    mean: float
    low: float
    high: float


def estimate(values: Sequence[float] | Floats) -> Estimate:
    """Return the mean of one number per seed; infinite when one is.

    Raises
    ------
    BadInput
        When there is none.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if not len(numbers):
        raise BadInput("interval: expected a value of at least one seed, got none")
    mean = float(numbers.mean())
    if len(numbers) < 2 or not np.isfinite(numbers).all():
        return Estimate(mean, math.nan, math.nan)
    # Imported here: scipy is of an extra.
    from scipy.stats import t

    reach = float(t.ppf(0.975, len(numbers) - 1) * numbers.std(ddof=1) / math.sqrt(len(numbers)))
    return Estimate(mean, mean - reach, mean + reach)


@dataclass(frozen=True, eq=False)
class ScorerSummary:
    """One scorer over all seeds; see `run.ScorerResult`.

    Attributes
    ----------
    needed : mapping
        People -> share of slices until the target is reached.
    saved : Estimate
        Share that chance needs less the share that this needs, seed by seed; perfect people.
    curves : mapping
        People -> mean Dice at `SHARES`.
    at_share : mapping
        People -> mean Dice at the share that is learnt from.
    """

    scorer: str
    needed: Mapping[People, Estimate]
    saved: Estimate
    contour: float
    time: float
    promised_share: float
    promised_quality: float
    curves: Mapping[People, Floats]
    at_share: Mapping[People, Estimate]


@dataclass(frozen=True, eq=False)
class Summary:
    """All seeds together.

    Attributes
    ----------
    proposed : Estimate
        Mean Dice of the pool's volumes as proposed.
    learnt, gained : mapping
        Way of going on -> mean Dice of the volumes held out; and less that of before, seed by seed.
    """

    seeds: tuple[int, ...]
    proposed: Estimate
    scorers: tuple[ScorerSummary, ...]
    learnt: Mapping[str, Estimate]
    gained: Mapping[str, Estimate]


def summarise(simulations: Sequence[Simulation], share: float) -> Summary:
    """Put simulations of one plan and several seeds together.

    Parameters
    ----------
    share : float
        Of slices, at which the curves are told.

    Raises
    ------
    BadInput
        When there are none, or they have not the same scorers.
    """
    if not simulations:
        raise BadInput("simulation: expected at least one seed, got none")
    named = [{each.scorer: each for each in one.scorers} for one in simulations]
    if any(each.keys() != named[0].keys() for each in named):
        raise BadInput("simulation: expected the same scorers of all seeds")
    chance = [each[RANDOM].needed["perfect"] for each in named]
    scorers = [_of_scorer(name, [each[name] for each in named], chance, share) for name in named[0]]
    ways = simulations[0].learnt
    learnt = {name: [one.learnt[name] for one in simulations] for name in ways}
    gained = {
        name: estimate(np.array(values) - np.array(learnt["before"]))
        for name, values in learnt.items()
        if name != "before"
    }
    return Summary(
        tuple(one.seed for one in simulations),
        estimate([one.proposed for one in simulations]),
        tuple(scorers),
        {name: estimate(values) for name, values in learnt.items()},
        gained,
    )


def _of_scorer(
    name: str, results: Sequence[ScorerResult], chance: Sequence[float], share: float
) -> ScorerSummary:
    curves = {
        people: np.mean([at_shares(each.curves[people], SHARES) for each in results], axis=0)
        for people in PEOPLE
    }
    needed = {people: [each.needed[people] for each in results] for people in PEOPLE}
    told = np.array([share])
    with np.errstate(invalid="ignore"):  # where neither ever reaches it, nothing is known
        saved = np.array(chance) - np.array(needed["perfect"])
    at_share = {
        people: estimate([float(at_shares(each.curves[people], told)[0]) for each in results])
        for people in PEOPLE
    }
    return ScorerSummary(
        scorer=name,
        needed={people: estimate(values) for people, values in needed.items()},
        saved=estimate(saved),
        contour=float(np.mean([each.contour for each in results])),
        time=float(np.mean([each.time for each in results])),
        promised_share=float(np.mean([each.promised_share for each in results])),
        promised_quality=float(np.mean([each.promised_quality for each in results])),
        curves=curves,
        at_share=at_share,
    )
