"""How probable are volunteers' votes under concentrations? The posterior predictive.

For one question with vote counts k_a, n = Σ k_a, and concentrations α_a, S = Σ α_a of one sample::

    ln p(k | n, α) = lnΓ(n+1) + lnΓ(S) − lnΓ(n+S) + Σ_a [ lnΓ(k_a+α_a) − lnΓ(α_a) − lnΓ(k_a+1) ]

(Walmsley et al. 2022, arXiv:2102.08414). Samples are equal parts of a mixture, so that the
posterior predictive is the mean of p over them. One answer's count alone is beta-binomial.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

Floats: TypeAlias = NDArray[np.float64]
# Numbers held at once while tables of counts are made: few, so that they stay in the cache.
MAX_TABLE = 100_000


def log_likelihood(alphas: Floats, counts: NDArray[np.floating]) -> Floats:
    """Log-likelihood of the votes on one question, of each sample.

    Parameters
    ----------
    alphas : array of shape (images, samples, answers)
        Positive.
    counts : array of shape (images, answers)

    Returns
    -------
    array of shape (images, samples)
        In nats; 0 where there are no votes.
    """
    k = np.asarray(counts, dtype=np.float64)
    total, strength = k.sum(-1), alphas.sum(-1)
    ways = gammaln(total + 1) - gammaln(k + 1).sum(-1)
    answers = (gammaln(k[:, None] + alphas) - gammaln(alphas)).sum(-1)
    values: Floats = (
        ways[:, None] + gammaln(strength) - gammaln(total[:, None] + strength) + answers
    )
    values[total == 0] = 0.0
    return values


def log_predictive(alphas: Floats, counts: NDArray[np.floating]) -> Floats:
    """Log of the posterior predictive probability of the votes: the mean over the samples.

    Returns
    -------
    array of shape (images,)
    """
    return over_samples(log_likelihood(alphas, counts))


def over_samples(each: Floats) -> Floats:
    """Return the log of the mean likelihood of the samples, the last axis."""
    values: Floats = logsumexp(each, axis=-1) - np.log(each.shape[-1])
    return values


def count_probabilities(alphas: Floats, rest: Floats, votes: NDArray[np.int64]) -> Floats:
    """Posterior predictive probabilities of one answer's count, 0 to the number of votes.

    lnΓ(k + α) − lnΓ(α) is a running sum of ln(α + j), so that no Γ function is computed per count.

    Parameters
    ----------
    alphas, rest : arrays of shape (images, samples)
        Concentration of the answer, and sum of its question's others.
    votes : array of shape (images,)

    Returns
    -------
    array of shape (images, largest number of votes + 1)
        Rows sum to 1; 0 beyond an image's own number of votes.
    """
    most = int(votes.max(initial=0))
    table = np.zeros((len(votes), most + 1))
    step = max(1, MAX_TABLE // (alphas.shape[1] * (most + 1)))
    for first in range(0, len(votes), step):
        part = slice(first, first + step)
        table[part] = _count_probabilities(alphas[part], rest[part], votes[part], most)
    return table


def _count_probabilities(
    alphas: Floats, rest: Floats, votes: NDArray[np.int64], most: int
) -> Floats:
    k = np.arange(most + 1)
    others = votes[:, None] - k
    possible = others >= 0
    others = np.maximum(others, 0)
    ways = gammaln(votes + 1.0)[:, None] - gammaln(k + 1.0) - gammaln(others + 1.0)
    for_it, against = _rising(alphas, most), _rising(rest, most)
    strength = alphas + rest
    whole = (gammaln(strength + votes[:, None]) - gammaln(strength))[..., None]
    against = np.take_along_axis(against, others[:, None, :], axis=2)
    p: Floats = np.exp(ways[:, None, :] + for_it + against - whole).mean(1)
    p[~possible] = 0.0
    return p


def _rising(values: Floats, most: int) -> Floats:
    """Return lnΓ(x + j) − lnΓ(x) for j from 0 to `most`, in a new last axis."""
    table = np.zeros((*values.shape, most + 1))
    np.cumsum(np.log(values[..., None] + np.arange(most)), axis=-1, out=table[..., 1:])
    return table
