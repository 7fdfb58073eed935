"""How does a loss fall with the number of training images? L(D) = floor + scale · D^-exponent.

For one exponent the two others are linear, and found by least squares that are not negative (a
likelihood of counts is at most 1, so no loss is below 0). The exponent is then the only unknown,
between `EXPONENTS`: scanned, and refined around the best (GZ Evo, arXiv:2404.02973, fits the same
form).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar, nnls

Floats = NDArray[np.float64]
# Below the first a power law is a logarithm, above the second a step: neither can be told here.
EXPONENTS = (0.02, 3.0)
SCANNED = 60


@dataclass(frozen=True)
class PowerLaw:
    """A fitted law.

    Attributes
    ----------
    floor : float
        Loss with images without end; 0 or more.
    scale : float
        What one image leaves above the floor; 0 or more.
    """

    floor: float
    scale: float
    exponent: float

    def at(self, sizes: Floats) -> Floats:
        """Return the losses at some sizes."""
        return np.asarray(self.floor + self.scale * np.asarray(sizes) ** -self.exponent)

    @property
    def at_bound(self) -> bool:
        """Whether the data would have the exponent beyond `EXPONENTS`."""
        low, high = EXPONENTS
        return self.exponent < low * 1.01 or self.exponent > high * 0.99


def fit_power_law(sizes: Floats, losses: Floats) -> PowerLaw:
    """Fit by least squares.

    Parameters
    ----------
    sizes, losses : arrays of shape (points,)
        At least three different sizes; the same size may come several times.

    Raises
    ------
    ValueError
        When three unknowns cannot be told from so few sizes.
    """
    sizes, losses = np.asarray(sizes, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if len(np.unique(sizes)) < 3:
        raise ValueError(f"sizes: expected at least three different ones, got {np.unique(sizes)}")
    middle = float(np.exp(np.log(sizes).mean()))  # keeps both columns of one order

    def solve(exponent: float) -> tuple[Floats, float]:
        columns = np.stack([np.ones_like(sizes), (sizes / middle) ** -exponent], 1)
        return nnls(columns, losses)

    scanned = np.geomspace(*EXPONENTS, SCANNED)
    best = int(np.argmin([solve(each)[1] for each in scanned]))
    around = scanned[max(best - 1, 0)], scanned[min(best + 1, SCANNED - 1)]
    found = minimize_scalar(
        lambda each: solve(each)[1], bounds=around, method="bounded", options={"xatol": 1e-6}
    )
    exponent = float(found.x)
    floor, scale = solve(exponent)[0]
    return PowerLaw(float(floor), float(scale * middle**exponent), exponent)


def fit_mean(sizes: Floats, losses: Floats) -> PowerLaw:
    """Fit to losses of shape (seeds, sizes, galaxies), their mean per seed and size."""
    per_run = losses.mean(2)
    return fit_power_law(np.tile(sizes, len(per_run)), per_run.ravel())


def resampled_fits(sizes: Floats, losses: Floats, resamples: int, seed: int) -> list[PowerLaw]:
    """Fit again to seeds and test galaxies drawn with replacement.

    All sizes share a draw: they are measured on the same galaxies, and the subsets of one seed are
    nested, so that the differences between sizes are what is uncertain.

    Parameters
    ----------
    losses : array of shape (seeds, sizes, galaxies)
    """
    random = np.random.default_rng(seed)
    seeds, _, galaxies = losses.shape
    fits = []
    for _ in range(resamples):
        # Means over galaxies drawn with replacement: how often each was drawn is enough.
        drawn = random.multinomial(galaxies, np.full(galaxies, 1 / galaxies)) / galaxies
        per_run = (losses @ drawn)[random.integers(seeds, size=seeds)]
        fits.append(fit_power_law(np.tile(sizes, seeds), per_run.ravel()))
    return fits


def interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the middle `level` of some values."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
