"""What do a model's values say? Means, deviations and intervals of mixtures of Gaussians.

A model of kind `values` answers one mean and one deviation per posterior sample and target. The
samples weigh alike, so that a target's distribution is the equal mixture of their Gaussians.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtr, ndtri

from zooassist_plugin.errors import BadInput
from zooassist_plugin.targets import Targets
from zooassist_serving.posteriors import Floats
from zooassist_serving.vote_summary import LEVEL

# Halvings of the bracket of a quantile: more than a double's 53 bits change nothing.
HALVINGS: Final = 60


@dataclass(frozen=True, eq=False)
class ValueSummary:
    """Arrays with one row per image.

    Attributes
    ----------
    means, deviations, lower90, upper90 : array of shape (images, targets)
        Mean, standard deviation and central 90 % interval, in the targets' units. The deviation
        holds both what no image tells (aleatoric) and what the model does not know (epistemic).
    uncertainty : array of shape (images,)
        See `uncertainty`.
    """

    means: Floats
    deviations: Floats
    lower90: Floats
    upper90: Floats
    uncertainty: Floats

    def of(self, image: int) -> dict[str, Any]:
        """Return what only values have, for one image."""
        return {"means": self.means[image], "deviations": self.deviations[image]}


def summarise_values(values: NDArray[np.floating], targets: Targets) -> ValueSummary:
    """Summarise a model's output.

    Parameters
    ----------
    values : array of shape (images, samples, targets, 2)
        Means and deviations; finite, deviations positive.

    Raises
    ------
    BadInput
        When the number of targets is not the model's.
    """
    if values.ndim != 4 or values.shape[2:] != (len(targets.columns), 2):
        raise BadInput(
            f"expected values (images, samples, {len(targets.columns)}, 2), got {values.shape}; "
            "targets and graph are not of the same model"
        )
    # A target's samples side by side: (images, targets, samples, 2).
    mixtures = np.swapaxes(values, 1, 2).astype(np.float64)
    means, deviations = mean_and_deviation(mixtures)
    tail = (1 - LEVEL) / 2
    return ValueSummary(
        means=means,
        deviations=deviations,
        lower90=quantile(mixtures, tail),
        upper90=quantile(mixtures, 1 - tail),
        uncertainty=uncertainty(mixtures, targets),
    )


def sound_values(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Say for each image whether a graph's answer can be used, shape (images,).

    Parameters
    ----------
    values : array of shape (images, samples, targets, 2)
    """
    ok: NDArray[np.bool_] = np.isfinite(values).all((1, 2, 3)) & (values[..., 1] > 0).all((1, 2))
    return ok


def mean_and_deviation(mixtures: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of mixtures.

    The variance is the mean of the samples' variances and the variance of their means.

    Parameters
    ----------
    mixtures : array of shape (..., samples, 2)

    Returns
    -------
    tuple of arrays of shape (...)
    """
    means, variances = mixtures[..., 0], mixtures[..., 1] ** 2
    return means.mean(-1), np.sqrt(variances.mean(-1) + means.var(-1))


def probability_below(mixtures: Floats, values: Floats) -> Floats:
    """Return how probable less than a value is.

    Parameters
    ----------
    mixtures : array of shape (..., samples, 2)
    values : array of shape (...)
    """
    below: Floats = ndtr((values[..., None] - mixtures[..., 0]) / mixtures[..., 1]).mean(-1)
    return below


def log_density(mixtures: Floats, values: Floats) -> Floats:
    """Return the logarithm of the density of a value, per its unit; parameters as above."""
    away = (values[..., None] - mixtures[..., 0]) / mixtures[..., 1]
    each = -(away**2) / 2 - np.log(mixtures[..., 1] * np.sqrt(2 * np.pi))
    found: Floats = logsumexp(each, -1) - np.log(each.shape[-1])
    return found


def quantile(mixtures: Floats, probability: float) -> Floats:
    """Return the value that a mixture lies below with a probability, to a double's precision.

    Between the least and the largest quantile of its members, found by halving.

    Parameters
    ----------
    mixtures : array of shape (..., samples, 2)

    Returns
    -------
    array of shape (...)
    """
    each = mixtures[..., 0] + mixtures[..., 1] * ndtri(probability)
    low, high = each.min(-1), each.max(-1)
    if each.shape[-1] == 1:
        single: Floats = low
        return single
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        under = probability_below(mixtures, middle) < probability
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    found: Floats = (low + high) / 2
    return found


def uncertainty(mixtures: Floats, targets: Targets) -> Floats:
    """Say how unsure a model is of each image; larger is less sure. Of two scales.

    With several samples, how much the true values would teach the model, in nats, summed over the
    targets: the entropy of the mixture less the mean entropy of its members (BALD; the mixture's
    is taken to be that of a Gaussian of its variance, which it never exceeds). With one sample,
    which has no opinion on that, the mean over the targets of the deviation in units of the
    training set's.

    Parameters
    ----------
    mixtures : array of shape (images, targets, samples, 2)
    """
    deviations = mean_and_deviation(mixtures)[1]
    if mixtures.shape[2] == 1:
        scale = np.array([target.scale for target in targets.targets])
        spread: Floats = (deviations / scale).mean(1)
        return spread
    agreed = np.log(mixtures[..., 1]).mean(-1)
    taught: Floats = np.maximum(np.log(deviations) - agreed, 0).sum(1)
    return taught
