"""How well does a map of concentrations explain votes? Its likelihood, with the gradient.

The objective is Σ_i ln mean_s DM(k_i | α'_is) over galaxies i and samples s, α' as in
`zooassist_serving.calibration`, and a pull to a plainer map: a Gaussian prior on the log of
temperature and sharpness, on W and on b. With w_is the share that sample s has in galaxy i's
likelihood, z = W ln m + b and g_a = ∂ ln DM / ∂α'_a::

    ∂/∂ ln f = Σ w Σ_a g_a α'_a          ∂/∂ z_c = w (g_c α'_c − m'_c Σ_a g_a α'_a)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, softmax

from zooassist_plugin.calibration import DirichletMap, TemperatureMap
from zooassist_serving.calibration import as_linear, linear_map
from zooassist_serving.vote_likelihood import Floats, log_likelihood, log_predictive, over_samples

# Standard deviations of the prior: temperature and sharpness may be off by a factor of e^0.5.
FACTOR_SPREAD = 0.5
# Of the elements of W off its diagonal, which are many, and of b, which are few.
MIXING_SPREAD, BIAS_SPREAD = 0.1, 0.5
# The record takes factors from 0.01 to 100; nothing sensible is near.
LOG_FACTOR_LIMIT = 4.0
WEIGHT_LIMIT = 50.0
DIGITS = 6
UNCHANGED = TemperatureMap(temperature=1.0, sharpness=1.0)


@dataclass(frozen=True, eq=False)
class Votes:
    """Concentrations of one question with the votes on it.

    Attributes
    ----------
    alphas : array of shape (galaxies, samples, answers)
    counts : array of shape (galaxies, answers)
        At least one vote each.
    """

    alphas: Floats
    counts: Floats

    def __len__(self) -> int:
        return len(self.counts)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Votes:
        """Return some of the galaxies."""
        return Votes(self.alphas[chosen], self.counts[chosen])

    def explained_by(self, each: TemperatureMap | DirichletMap | None) -> Floats:
        """Log predictive probability of each galaxy's votes under a map; None changes nothing."""
        if each is None:
            return log_predictive(self.alphas, self.counts)
        weights, bias, sharpness = as_linear(each, self.alphas.shape[2])
        return log_predictive(linear_map(self.alphas, weights, bias, sharpness), self.counts)


def value_and_gradient(
    votes: Votes, weights: Floats, bias: Floats, log_sharpness: float
) -> tuple[float, Floats, Floats, float]:
    """Return the log-likelihood and its derivatives by W, b and ln f."""
    mapped = linear_map(votes.alphas, weights, bias, float(np.exp(log_sharpness)))
    each = log_likelihood(mapped, votes.counts)
    share = softmax(each, axis=1)[..., None]
    k, strength = votes.counts[:, None], mapped.sum(-1, keepdims=True)
    n = k.sum(-1, keepdims=True)
    slope = digamma(k + mapped) - digamma(mapped) + digamma(strength) - digamma(n + strength)
    pull = share * slope * mapped
    whole = pull.sum(-1, keepdims=True)
    by_logit = pull - mapped / strength * whole
    logs = np.log(votes.alphas / votes.alphas.sum(-1, keepdims=True))
    return (
        float(over_samples(each).sum()),
        np.einsum("isc,isd->cd", by_logit, logs),
        by_logit.sum((0, 1)),
        float(whole.sum()),
    )


def fit_temperature(groups: Sequence[Votes], centre: TemperatureMap = UNCHANGED) -> TemperatureMap:
    """Find the temperature and sharpness that explain the votes of one question, or of several.

    Parameters
    ----------
    centre : TemperatureMap
        What the prior pulls to, and what is found without any votes.
    """
    middle = np.log([centre.temperature, centre.sharpness])

    def objective(x: Floats) -> tuple[float, Floats]:
        away = (x - middle) / FACTOR_SPREAD
        loss, gradient = float((away**2).sum()) / 2, away / FACTOR_SPREAD
        for votes in groups:
            answers = votes.alphas.shape[2]
            weights = np.eye(answers) * np.exp(-x[0])
            found = value_and_gradient(votes, weights, np.zeros(answers), float(x[1]))
            loss -= found[0]
            gradient -= (-float((found[1] * weights).sum()), found[3])
        return loss, gradient

    limits = [(-LOG_FACTOR_LIMIT, LOG_FACTOR_LIMIT)] * 2
    found = _lowest(objective, middle, limits)
    temperature, sharpness = np.round(np.exp(found), DIGITS)
    return TemperatureMap(temperature=float(temperature), sharpness=float(sharpness))


def fit_dirichlet(votes: Votes, centre: TemperatureMap) -> DirichletMap:
    """Find a linear map of the log fractions, and a sharpness, of one question.

    Parameters
    ----------
    centre : TemperatureMap
        What the prior pulls to.
    """
    answers = votes.alphas.shape[2]
    weights, bias, sharpness = as_linear(centre, answers)
    middle = np.concatenate([weights.ravel(), bias, [np.log(sharpness)]])
    spreads = np.concatenate(
        [
            np.where(np.eye(answers) > 0, FACTOR_SPREAD, MIXING_SPREAD).ravel(),
            np.full(answers, BIAS_SPREAD),
            [FACTOR_SPREAD],
        ]
    )

    def objective(x: Floats) -> tuple[float, Floats]:
        matrix = x[: answers**2].reshape(answers, answers)
        found = value_and_gradient(votes, matrix, x[answers**2 : -1], float(x[-1]))
        gradient = np.concatenate([found[1].ravel(), found[2], [found[3]]])
        away = (x - middle) / spreads
        return float((away**2).sum()) / 2 - found[0], away / spreads - gradient

    limits = [(-WEIGHT_LIMIT, WEIGHT_LIMIT)] * (len(middle) - 1)
    limits.append((-LOG_FACTOR_LIMIT, LOG_FACTOR_LIMIT))
    best = _lowest(objective, middle, limits)
    matrix = np.round(best[: answers**2].reshape(answers, answers), DIGITS)
    return DirichletMap(
        weights=tuple(tuple(map(float, row)) for row in matrix),
        bias=tuple(map(float, np.round(best[answers**2 : -1], DIGITS))),
        sharpness=float(np.round(np.exp(best[-1]), DIGITS)),
    )


def _lowest(
    objective: Callable[[Floats], tuple[float, Floats]],
    start: Floats,
    limits: list[tuple[float, float]],
) -> Floats:
    # Beyond this many steps or digits the likelihood changes by less than anybody can measure.
    options = {"maxiter": 100, "ftol": 1e-7}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=limits, options=options)
    return np.asarray(found.x, dtype=np.float64)
