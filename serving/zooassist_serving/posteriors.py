"""What do Dirichlet concentrations say of vote fractions? Means, variances, intervals, tails.

`alphas` is everywhere one question's concentrations, of shape (images, samples, answers): the
samples are passes with dropout, or members of an ensemble, all of equal weight. The vote fraction
of an answer then has an equal mixture of Beta(α_a, S − α_a) as its distribution, S = Σ α_a.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, betaln

from zooassist_plugin.errors import BadInput

Floats: TypeAlias = NDArray[np.float64]
# Quantiles are found to this many units of vote fraction, or of probability.
QUANTILE_TOLERANCE = 1e-9
PROBABILITY_TOLERANCE = 1e-13
# A Beta with less than this on one side has all of it at the other end, to more digits than there
# are. Nothing at all is what is left to the others of the only answer, or of one that dwarfs them.
LEAST = 1e-6
# Newton's steps crawl where a density is nearly vertical (α far below 1); then halving takes over.
NEWTON_STEPS = 20
MAX_STEPS = 60


def checked_concentrations(alphas: ArrayLike) -> Floats:
    """Return them as an array of shape (images, samples, answers).

    Raises
    ------
    BadInput
        When the shape is another, or a value is not positive and finite.
    """
    values = np.asarray(alphas, dtype=np.float64)
    if values.ndim != 3:
        raise BadInput(f"expected (images, samples, answers), got shape {values.shape}")
    # Two reductions; what is not a number fails both comparisons.
    if values.size and not (values.min() > 0 and values.max() < np.inf):
        raise BadInput("expected positive, finite concentrations; the model's output is broken")
    return values


def expected_fraction(alphas: ArrayLike) -> Floats:
    """Mean vote fraction of every answer: E[ρ_a] = α_a / S, averaged over the samples.

    Returns
    -------
    array of shape (images, answers)
    """
    values = checked_concentrations(alphas)
    means: Floats = (values / values.sum(-1, keepdims=True)).mean(1)
    return means


def fraction_variance(alphas: ArrayLike) -> Floats:
    """Variance of every vote fraction, of the mixture as a whole.

    One sample has Var[ρ_a] = α_a (S − α_a) / (S² (S + 1)); the samples' disagreement adds the
    variance of their means.

    Returns
    -------
    array of shape (images, answers)
    """
    values = checked_concentrations(alphas)
    total = values.sum(-1, keepdims=True)
    inside = values * (total - values) / (total**2 * (total + 1))
    variance: Floats = inside.mean(1) + (values / total).var(1)
    return variance


def probability_at_least(alphas: ArrayLike, threshold: float) -> Floats:
    """Probability that a vote fraction is at least `threshold`: 1 − BetaCDF, over the samples.

    Returns
    -------
    array of shape (images, answers)
    """
    values = checked_concentrations(alphas)
    rest = np.maximum(values.sum(-1, keepdims=True) - values, LEAST)
    probability: Floats = betainc(rest, values, 1.0 - threshold).mean(1)
    return probability


def interval(alphas: ArrayLike, level: float = 0.90) -> tuple[Floats, Floats]:
    """Central interval of every vote fraction.

    Returns
    -------
    tuple of arrays of shape (images, answers)
        Lower and upper end, each leaving out half of what `level` leaves out.
    """
    values = checked_concentrations(alphas)
    rest = values.sum(-1, keepdims=True) - values
    a, b = np.swapaxes(values, 1, 2), np.swapaxes(rest, 1, 2)
    tail = (1.0 - level) / 2.0
    if a.shape[-1] == 1:  # one call for both: with few images a call costs more than its values
        a, b = np.maximum(a[..., 0], LEAST), np.maximum(b[..., 0], LEAST)
        lower, upper = betaincinv(a, b, np.array([tail, 1.0 - tail])[:, None, None])
        return lower, upper
    return beta_mixture_quantile(a, b, tail), beta_mixture_quantile(a, b, 1.0 - tail)


def beta_mixture_quantile(a: Floats, b: Floats, p: float) -> Floats:
    """Quantile of equal mixtures of Beta(a, b) over the last axis.

    Newton steps from the quantile of the single Beta with the mixture's mean and variance, kept
    inside the bracket that the smallest and largest quantile of the members give.

    Parameters
    ----------
    a, b : arrays of shape (..., samples)
        Not negative.
    p : float
        Probability, between 0 and 1.

    Returns
    -------
    array of shape (...)
    """
    a, b = np.maximum(a, LEAST), np.maximum(b, LEAST)
    if a.shape[-1] == 1:
        single: Floats = betaincinv(a[..., 0], b[..., 0], p)
        return single
    shape = a.shape[:-1]
    a, b = a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])
    x = np.clip(_matched_quantile(a, b, p), 1e-12, 1.0 - 1e-12)
    low, high = np.zeros_like(x), np.ones_like(x)
    log_norm = betaln(a, b)
    active = np.arange(len(x))
    for step in range(MAX_STEPS):
        at = x[active, None]
        excess = betainc(a[active], b[active], at).mean(1) - p
        low[active] = np.where(excess < 0, x[active], low[active])
        high[active] = np.where(excess < 0, high[active], x[active])
        log_density = (
            (a[active] - 1) * np.log(at) + (b[active] - 1) * np.log1p(-at) - log_norm[active]
        )
        density = np.maximum(np.exp(log_density).mean(1), 1e-300)
        new = x[active] - excess / density
        middle = (low[active] + high[active]) / 2
        outside = (new <= low[active]) | (new >= high[active]) | (step >= NEWTON_STEPS)
        near = np.abs(excess) < PROBABILITY_TOLERANCE
        x[active] = np.where(near, x[active], np.where(outside, middle, new))
        active = active[~near & (high[active] - low[active] > QUANTILE_TOLERANCE)]
        if len(active) == 0:
            break
    return x.reshape(shape)


def _matched_quantile(a: Floats, b: Floats, p: float) -> Floats:
    """Quantile of the one Beta that has the mixture's mean and variance."""
    total = a + b
    means = a / total
    mean = means.mean(1)
    variance = (means * (1 - means) / (total + 1)).mean(1) + means.var(1)
    sharpness = np.maximum(mean * (1 - mean) / np.maximum(variance, 1e-300) - 1, 1e-3)
    ours, others = (np.maximum(each * sharpness, LEAST) for each in (mean, 1 - mean))
    quantile: Floats = betaincinv(ours, others, p)
    return quantile


def entropy(probabilities: Floats) -> Floats:
    """Shannon entropy over the last axis, in nats."""
    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))
    result: Floats = -(probabilities * logs).sum(-1)
    return result
