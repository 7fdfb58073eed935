"""How does one round of the loop go on known volumes? Teach, propose, choose, correct, teach again.

Few volumes are labelled. A network learns them and proposes masks for the others; slices are sent
to people by every scorer; what comes back replaces the proposals; and the network learns from all
of it. What people would have drawn is known, so every share of slices can be tried.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zooassist_loop.effort_simulation import simulate_effort
from zooassist_loop.simulation.curves import qualities_by_sent, share_reaching
from zooassist_loop.simulation.plan import People, Roles, SimulationPlan
from zooassist_loop.simulation.proposals import Proposals, counts_of, merged, propose, returned
from zooassist_loop.slice_learning import LEARNED, LearnedScore, fit_score
from zooassist_loop.slice_risk import choose_threshold
from zooassist_loop.slice_scorers import ORACLE, RANDOM, score_slices, usable_scorers
from zooassist_loop.slice_table import Floats, Ints, SliceTable
from zooassist_loop.slices import SliceRule, calibrate_scorer
from zooassist_training.evaluation.masks.overlap import count, dice
from zooassist_training.segmentation.networks import SegmentationNetwork
from zooassist_training.segmentation.stacks import Stacks
from zooassist_training.segmentation.teaching import ask, foreground_parts, teach

log = logging.getLogger(__name__)
PEOPLE: tuple[People, ...] = ("perfect", "noisy")
# Apart from the seeds of dealing and of learning.
DRAWING, CHOOSING = 101, 202
# How much less the learning rate is when a network goes on.
SLOWER = 2


@dataclass(frozen=True, eq=False)
class ScorerResult:
    """What one scorer's order of slices does to the pool.

    Attributes
    ----------
    curves : mapping
        People -> mean Dice of the volumes after none, one, two, … slices came back.
    needed : mapping
        People -> share of slices until the target is reached for good; infinite: it never is.
    contour, time : float
        Of perfect people at that share: contour redrawn, and assumed time, as shares of drawing all
        from scratch; not a number where the target is never reached.
    promised_share, promised_quality : float
        Of the pool: what the threshold of the calibration volumes sends, and what perfect people
        reach by that.
    """

    scorer: str
    curves: Mapping[People, Floats]
    needed: Mapping[People, float]
    contour: float
    time: float
    promised_share: float
    promised_quality: float


@dataclass(frozen=True, eq=False)
class Simulation:
    """What came of one seed.

    Attributes
    ----------
    slices, volumes : int
        Of the pool.
    scorers : tuple of ScorerResult
        Each of `slice_scorers`, and the oracle.
    learnt : mapping
        ``before`` and the arms' names -> mean Dice of the volumes held out; empty without any.
    """

    seed: int
    slices: int
    volumes: int
    scorers: tuple[ScorerResult, ...]
    learnt: Mapping[str, float]

    @property
    def proposed(self) -> float:
        """Mean Dice of the pool's volumes as proposed."""
        return float(self.scorers[0].curves["perfect"][0])


def simulate(stacks: Stacks, plan: SimulationPlan) -> Simulation:
    """Run one round.

    Parameters
    ----------
    stacks : Stacks
        Volumes with the labels of every slice; all classes are one object here.

    Raises
    ------
    BadInput
        When there are too few volumes for the plan.
    """
    roles = plan.deal(len(stacks))
    networks = _members(stacks, roles, plan)
    log.info("seed %d: %d networks have learnt", plan.seed, len(networks))
    calibration = propose(networks, stacks, roles.calibration)
    pool = propose(networks, stacks, roles.pool)
    random = np.random.default_rng(plan.seed + DRAWING)
    back = {people: returned(pool, plan.hand_of(people), random) for people in PEOPLE}
    results = compare(calibration.table, pool, back, plan)
    log.info("seed %d: proposals have a Dice of %.4f", plan.seed, results[0].curves["perfect"][0])
    learnt = _learnt(networks[0], stacks, roles, plan, calibration, pool, back)
    return Simulation(plan.seed, len(pool.table), len(roles.pool), tuple(results), learnt)


def _members(stacks: Stacks, roles: Roles, plan: SimulationPlan) -> list[SegmentationNetwork]:
    labelled, nothing = (foreground_parts(stacks, each) for each in (roles.training, ()))
    return [
        teach(replace(plan.recipe, fit=plan.recipe.fit.member(number)), labelled, nothing)
        for number in range(plan.members)
    ]


def compare(
    calibration: SliceTable,
    pool: Proposals,
    back: Mapping[People, Sequence[NDArray[np.bool_]]],
    plan: SimulationPlan,
) -> list[ScorerResult]:
    """Send the pool's slices in the order of every scorer, and measure.

    Parameters
    ----------
    calibration : SliceTable
        With truth; thresholds and the learned score come from it alone.
    back : mapping
        People -> what they would return of every slice.
    """
    after = {people: counts_of(masks, pool.truths) for people, masks in back.items()}
    learned = fit_score(calibration) if LEARNED in usable_scorers(calibration) else None
    rule = SliceRule(target=plan.target, quality="corrected")
    results = []
    for name in (*usable_scorers(calibration), ORACLE):
        orders = _orders(name, pool.table, plan, learned)
        tried = [_one_order(pool.table, after, order, plan.target) for order in orders]
        share, quality = _promise(name, calibration, pool.table, rule, plan, learned)
        results.append(
            ScorerResult(
                scorer=name,
                curves={p: np.mean([curves[p] for curves, _, _ in tried], axis=0) for p in after},
                needed={p: float(np.mean([needed[p] for _, needed, _ in tried])) for p in after},
                contour=float(np.mean([effort[0] for _, _, effort in tried])),
                time=float(np.mean([effort[1] for _, _, effort in tried])),
                promised_share=share,
                promised_quality=quality,
            )
        )
    return results


def _orders(
    name: str, pool: SliceTable, plan: SimulationPlan, learned: LearnedScore | None
) -> list[NDArray[np.intp]]:
    """Return in which order slices are sent; chance has several."""
    random = np.random.default_rng(plan.seed + CHOOSING)
    times = plan.draws if name == RANDOM else 1
    scores = [score_slices(name, pool, random, learned) for _ in range(times)]
    return [np.argsort(-each, kind="stable") for each in scores]


def _one_order(
    pool: SliceTable, after: Mapping[People, Ints], order: NDArray[np.intp], target: float
) -> tuple[dict[People, Floats], dict[People, float], tuple[float, float]]:
    curves = {
        people: qualities_by_sent(pool.known, counts, pool.volumes, order)
        for people, counts in after.items()
    }
    needed = {people: share_reaching(curve, target) for people, curve in curves.items()}
    effort = (math.nan, math.nan)
    if pool.costs is not None and math.isfinite(needed["perfect"]):
        sent = chosen_first(order, needed["perfect"])
        found = simulate_effort(pool.costs, sent)
        effort = (found.contour_share, found.time_share)
    return curves, needed, effort


def _promise(
    name: str,
    calibration: SliceTable,
    pool: SliceTable,
    rule: SliceRule,
    plan: SimulationPlan,
    learned: LearnedScore | None,
) -> tuple[float, float]:
    """Return the share that the calibration's threshold sends of the pool, and its quality."""
    random = np.random.default_rng(plan.seed + CHOOSING)
    known = calibrate_scorer(name, calibration, rule, random)
    threshold = choose_threshold(known.curve, rule.target).score
    scores = score_slices(name, pool, random, learned)
    order = np.argsort(-scores, kind="stable")
    sent = int((scores >= threshold).sum())
    perfect = pool.known.copy()
    perfect[:, 0] += perfect[:, 2]
    perfect[:, 1:3] = 0
    return sent / len(pool), float(
        qualities_by_sent(pool.known, perfect, pool.volumes, order)[sent]
    )


def chosen_first(order: NDArray[np.intp], share: float) -> NDArray[np.bool_]:
    """Return which slices are among the first of an order."""
    sent = np.zeros(len(order), dtype=np.bool_)
    sent[order[: round(share * len(order))]] = True
    return sent


def _learnt(
    network: SegmentationNetwork,
    stacks: Stacks,
    roles: Roles,
    plan: SimulationPlan,
    calibration: Proposals,
    pool: Proposals,
    back: Mapping[People, Sequence[NDArray[np.bool_]]],
) -> dict[str, float]:
    """Teach the network again in every way, and measure on the volumes held out."""
    if not roles.held_out:
        return {}
    found = {"before": _mean_dice(network, stacks, roles.held_out)}
    if not plan.windows_again:
        return found
    learned = fit_score(calibration.table) if LEARNED in usable_scorers(calibration.table) else None
    labelled = (*roles.training, *roles.calibration)
    for arm in plan.arms:
        if arm.scorer == LEARNED and learned is None:
            continue
        masks = {}
        if arm.scorer:
            order = _orders(arm.scorer, pool.table, plan, learned)[0]
            sent = chosen_first(order, plan.share)
            masks = dict(merged(pool, back[arm.people], sent))
        parts = foreground_parts(stacks, (*labelled, *masks), masks)
        again = _teach_again(network, parts, foreground_parts(stacks, ()), plan)
        found[arm.name] = _mean_dice(again, stacks, roles.held_out)
        log.info(
            "seed %d: %s: %.4f, before %.4f", plan.seed, arm.name, found[arm.name], found["before"]
        )
    return found


def _teach_again(
    network: SegmentationNetwork, parts: Stacks, nothing: Stacks, plan: SimulationPlan
) -> SegmentationNetwork:
    recipe = plan.recipe
    # One epoch, so that few volumes are shown as many windows as many volumes are.
    each = math.ceil(plan.windows_again / len(parts))
    # More slowly, so that what was learnt is kept; the discriminator's own epochs change no mask.
    rate = recipe.fit.learning_rate / SLOWER
    shorter = replace(
        recipe,
        windows=replace(recipe.windows, each=each),
        fit=replace(recipe.fit, epochs=1, learning_rate=rate),
        adversary=replace(recipe.adversary, epochs=0),
    )
    return teach(shorter, parts, nothing, start=network)


def _mean_dice(network: SegmentationNetwork, stacks: Stacks, places: Sequence[int]) -> float:
    found = []
    for place in places:
        probabilities, _ = ask(network, np.array(stacks.images[place]))
        found.append(dice(count(probabilities[:, 0] >= 0.5, stacks.labels[place] > 0)))
    return float(np.mean(found))
