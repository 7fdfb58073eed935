"""How much would volunteers' votes teach the model? BALD for Dirichlet-multinomial answers.

I = H[mean_t p_t] − mean_t H[p_t] in nats, with p_t(k) the probability that N votes fall as k under
sample t (Houlsby et al. 2011; for votes on galaxies Walmsley et al. 2020, arXiv:1905.07424). The
samples must differ: a single deterministic pass has I = 0, however unsure it is.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from math import comb
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlog1py, xlogy

from zooassist_serving.posteriors import Floats, checked_concentrations

# More vote compositions than this are not enumerated; see `bald`.
MAX_COMPOSITIONS = 10_000
# What a probability may vanish to: its logarithm is finite, and times nothing nothing.
TINY = 1e-300
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
    """Enumerate the compositions for the mean; one sample's entropy needs its answers alone.

    With p(k) = c Π_a w_a(k_a) it is H = −ln c − Σ_a E[ln w_a(k_a)], and every k_a by itself is
    beta-binomial.
    """
    images, samples, _ = alphas.shape
    # Draws are ordered by sample, then image: samples add up as whole rows.
    by_answer = np.ascontiguousarray(alphas.transpose(2, 1, 0)).reshape(-1, images * samples)
    total = by_answer.sum(0)
    ways, scale = _ways(by_answer, votes), 1.0 / _ways(total[None], votes)[0, -1]
    products = _products(ways, votes, scale / samples)
    mean = products.reshape(-1, samples, images).sum(1)
    mixed = -(mean * np.log(np.maximum(mean, TINY))).sum(0)
    counts = _ways(total - by_answer, votes)[:, ::-1]
    counts *= ways
    counts *= np.log(np.maximum(ways, TINY))
    own = -np.log(scale) - counts.sum((0, 1)) * scale
    gain: Floats = mixed - own.reshape(samples, images).mean(0)
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


def dirichlet_multinomial(alphas: Floats, votes: int) -> Floats:
    """Probability of every composition of `votes` over the answers.

    Parameters
    ----------
    alphas : array of shape (answers, draws)

    Returns
    -------
    array of shape (compositions, draws)
    """
    scale = 1.0 / _ways(alphas.sum(0, keepdims=True), votes)[0, -1]
    return _products(_ways(alphas, votes), votes, scale)


def _ways(alphas: Floats, votes: int) -> Floats:
    """Γ(α + k) / (Γ(α) k!) for k = 0 … votes: the factors of a Dirichlet-multinomial.

    Numbers of votes are small, so this is a product of (α + j) / (j + 1) and needs no Γ function.

    Returns
    -------
    array of shape (answers, votes + 1, draws)
        Whole rows of draws lie together, so that taking some of them is quick.
    """
    ways = np.ones((len(alphas), votes + 1, alphas.shape[1]))
    for k in range(votes):
        np.multiply(ways[:, k], (alphas + k) / (k + 1), out=ways[:, k + 1])
    return ways


def _products(ways: Floats, votes: int, scale: Floats) -> Floats:
    """Multiply the answers' factors for every composition; shape (compositions, draws).

    What half of the answers contribute is shared by many compositions and made once.
    """
    halves = _halves(votes, len(ways))
    parts = []
    for answers, ks, _ in halves:
        part: Floats = ways[answers[0]][ks[:, 0]]
        for place, answer in enumerate(answers[1:], start=1):
            part *= ways[answer][ks[:, place]]
        parts.append(part)
    parts[0] *= scale
    product: Floats = parts[0][halves[0][2]]
    for part, half in zip(parts[1:], halves[1:], strict=True):
        product *= part[half[2]]
    return product


Half: TypeAlias = tuple[range, NDArray[np.int64], NDArray[np.intp]]


@lru_cache(maxsize=256)
def _halves(votes: int, answers: int) -> tuple[Half, ...]:
    """Split the compositions: which answers, how they may share votes, which of that each has."""
    ks = _compositions(votes, answers)
    middle = answers // 2
    halves = []
    for part in (range(middle), range(middle, answers)):
        if part:
            own, which = np.unique(ks[:, part.start : part.stop], axis=0, return_inverse=True)
            halves.append((part, own, which.reshape(-1)))
    return tuple(halves)


@lru_cache(maxsize=64)
def _compositions(votes: int, answers: int) -> NDArray[np.int64]:
    """All ways to give `votes` to `answers`, by stars and bars; shape (ways, answers)."""
    bars = itertools.combinations(range(votes + answers - 1), answers - 1)
    edges = np.array([(-1, *bar, votes + answers - 1) for bar in bars], dtype=np.int64)
    return np.diff(edges, axis=1) - 1
