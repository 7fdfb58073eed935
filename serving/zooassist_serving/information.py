"""How much would volunteers' votes teach the model? BALD for Dirichlet-multinomial answers.

I = H[mean_t p_t] − mean_t H[p_t] in nats, with p_t(k) the probability that N votes fall as k under
sample t (Houlsby et al. 2011; for votes on galaxies Walmsley et al. 2020, arXiv:1905.07424). The
samples must differ: a single deterministic pass has I = 0, however unsure it is.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlog1py, xlogy

from zooassist_serving.posteriors import Floats, checked_concentrations, entropy

# More vote compositions than this are not enumerated; see `bald`.
MAX_COMPOSITIONS = 10_000
# Numbers held at once while enumerating, about 64 MB.
MAX_TABLE = 8_000_000
EPSILON = 1e-12


def bald(alphas: ArrayLike, votes: int | NDArray[np.int64]) -> Floats:
    """Mutual information between the model's samples and the votes still to come.

    All compositions of the votes over the answers are enumerated when there are at most
    `MAX_COMPOSITIONS`; beyond that the result is the mean over answers of the information in that
    answer's count alone (a beta-binomial), which never exceeds the exact value.

    Parameters
    ----------
    alphas : array of shape (images, samples, answers)
    votes : int or array of shape (images,)
        Votes expected on this question; none means no information.

    Returns
    -------
    array of shape (images,)
        In nats, at most ln(samples).
    """
    values = checked_concentrations(alphas)
    counts = np.broadcast_to(np.asarray(votes, dtype=np.int64), (len(values),))
    result = np.zeros(len(values))
    if values.shape[1] == 1:
        return result
    for n in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == n)
        result[rows] = _bald_of_equal_votes(values[rows], int(n))
    return np.maximum(result, 0.0)


def _bald_of_equal_votes(alphas: Floats, votes: int) -> Floats:
    images, samples, answers = alphas.shape
    compositions = comb(votes + answers - 1, answers - 1)
    if compositions > MAX_COMPOSITIONS:
        rest = alphas.sum(-1, keepdims=True) - alphas
        parts = [
            _bald_of_equal_votes(np.stack([alphas[..., i], rest[..., i]], axis=-1), votes)
            for i in range(answers)
        ]
        return np.asarray(np.mean(parts, axis=0))
    step = max(1, MAX_TABLE // (samples * compositions))
    blocks = [_information(alphas[i : i + step], votes) for i in range(0, images, step)]
    return np.concatenate(blocks)


def _information(alphas: Floats, votes: int) -> Floats:
    p = np.exp(log_dirichlet_multinomial(alphas, votes))
    gain: Floats = entropy(p.mean(1)) - entropy(p).mean(1)
    return gain


def binomial_bald(fractions: ArrayLike, votes: int) -> Floats:
    """Mutual information of a yes/no question whose samples are fractions without a spread.

    As for the Bayesian networks of Walmsley et al. 2020 (arXiv:1905.07424), where `EPSILON` keeps
    the logarithm of impossible counts finite.

    Parameters
    ----------
    fractions : array of shape (images, samples)
        Of "yes", each sample's.
    votes : int

    Returns
    -------
    array of shape (images,)
        In nats.
    """
    rho = np.asarray(fractions, dtype=np.float64)
    k = np.arange(votes + 1)
    ways = gammaln(votes + 1) - gammaln(k + 1) - gammaln(votes - k + 1)
    log_p = ways + xlogy(k, rho[..., None]) + xlog1py(votes - k, -rho[..., None])
    p = np.exp(log_p)
    gain: Floats = _entropy_with_epsilon(p.mean(1)) - _entropy_with_epsilon(p).mean(1)
    return gain


def _entropy_with_epsilon(probabilities: Floats) -> Floats:
    result: Floats = -(probabilities * np.log(probabilities + EPSILON)).sum(-1)
    return result


def log_dirichlet_multinomial(alphas: Floats, votes: int) -> Floats:
    """Log probability of every composition of `votes` over the answers.

    ln Γ(k + α) − ln Γ(α) is needed for few integers k only, so it is a running sum of ln(α + j)
    looked up per composition: no Γ function per composition.

    Returns
    -------
    array of shape (images, samples, compositions)
    """
    ks = _compositions(votes, alphas.shape[-1])
    rising = np.zeros((*alphas.shape, votes + 1))
    steps = np.log(alphas[..., None] + np.arange(votes))
    np.cumsum(steps, axis=-1, out=rising[..., 1:])
    total = alphas.sum(-1)
    constant = gammaln(votes + 1) + gammaln(total) - gammaln(votes + total)
    log_p = np.broadcast_to(constant[..., None], (*total.shape, len(ks))).copy()
    log_p -= gammaln(ks + 1).sum(1)
    for answer in range(alphas.shape[-1]):
        log_p += rising[..., answer, :][..., ks[:, answer]]
    return log_p


@lru_cache(maxsize=64)
def _compositions(votes: int, answers: int) -> NDArray[np.int64]:
    """All ways to give `votes` to `answers`, by stars and bars; shape (ways, answers)."""
    bars = itertools.combinations(range(votes + answers - 1), answers - 1)
    edges = np.array([(-1, *bar, votes + answers - 1) for bar in bars], dtype=np.int64)
    return np.diff(edges, axis=1) - 1
