"""Where are the quantiles of very many Betas, or mixtures of them? Fast, to a stated tolerance.

A catalogue needs two quantiles of a mixture of twenty Betas for every column of every image, and
the incomplete Beta function in a root search costs more than the network does. On the logit scale
z = ln x − ln(1 − x) the density of a Beta is exp(a z − (a + b) ln(1 + e^z)) up to a constant:
smooth, with one peak and exponential tails. So each mixture gets an even grid in z that all its
members share; densities there are one exponential each; their integral is the sum over the grid
(Euler and Maclaurin's formula to the third derivative) plus the tails beyond it (first terms of the
incomplete Beta function's continued fraction). The mixture's distribution function is known at the
grid points with two derivatives, and is inverted between two of them as a polynomial of degree 5.

Tolerance: with q(p) the exact quantile, the result lies between q(p − 2e-5) − 1e-4 and
q(p + 2e-5) + 1e-4. Both parts are needed: where a mixture has a gap just at p, as with one
dissenting sample of twenty at 5 %, everything in the gap is a quantile.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from zooassist_serving.posteriors import LEAST, Floats, beta_mixture_quantile

# The grid ends here in vote fraction: what lies beyond is nearer to 0 or 1 than the tolerance.
EDGE: Final = 5e-5
EDGE_LOGIT: Final = float(np.log(EDGE / (1 - EDGE)))
# Most distance of grid points: in standard deviations of the narrowest member, and in z.
STEP_IN_WIDTHS: Final = 0.65
LONGEST_STEP: Final = 0.85
# Twice the log density, below the peak, at which a member's grid may end.
DROP: Final = 20.0
# Grid sizes in use; a mixture that needs more goes to the exact solver.
GRIDS: Final = (16, 20, 24, 28, 32, 40, 48, 64, 96, 128, 192, 256)
# Beyond this total concentration too much lies outside EDGE for two terms of the fraction.
MOST_CONCENTRATION: Final = 2000.0
# Densities held at once; they should fit the processor's cache.
BLOCK: Final = 150_000
NEWTON_STEPS: Final = 4
# Concentrations for which the quantile of one Beta keeps its tolerance in single precision.
SINGLE_PRECISION: Final = (0.1, 200.0)

Singles = NDArray[np.float32]


def beta_quantiles(a: Floats, b: Floats, levels: Sequence[float]) -> Floats:
    """Quantiles of Beta(a, b), within 1e-5: single precision takes half the time.

    A quantile depends on its own Beta alone, whatever else is asked for with it.

    Parameters
    ----------
    a, b : arrays of one shape
        Not negative, finite.
    levels : sequence of float
        Probabilities between 0.02 and 0.1, or between 0.9 and 0.98: those of an interval's ends.

    Returns
    -------
    array of shape (levels, ...)
    """
    both = np.maximum((a, b), LEAST)
    at = _single(tuple(levels), a.ndim)
    found: Floats = betaincinv(*both.astype(np.float32), at).astype(np.float64)
    low, high = SINGLE_PRECISION
    if both.size and (both.min() < low or both.max() > high):
        outside = (both.min(0) < low) | (both.max(0) > high)
        exactly = np.array(levels)[:, None]
        found[:, outside] = betaincinv(both[0][outside], both[1][outside], exactly)
    return found


@lru_cache(maxsize=16)
def _single(levels: tuple[float, ...], dimensions: int) -> Singles:
    """Return levels for arrays of so many dimensions."""
    return np.array(levels, dtype=np.float32).reshape(-1, *[1] * dimensions)


def mixture_quantiles(a: Floats, b: Floats, levels: Sequence[float]) -> list[Floats]:
    """Quantiles of equal mixtures of Beta(a, b) over the last axis.

    Parameters
    ----------
    a, b : arrays of shape (mixtures, samples)
        Not negative, finite.
    levels : sequence of float
        Probabilities between 0.02 and 0.98: nearer to the ends the tolerance is not kept.

    Returns
    -------
    list of arrays of shape (mixtures,)
        One per level, within the tolerance that the module states.
    """
    a, b = np.maximum(a, LEAST), np.maximum(b, LEAST)
    low, high, needed = _extents(a, b)
    sizes = np.searchsorted(GRIDS, needed)
    sizes[(a + b).max(1) > MOST_CONCENTRATION] = len(GRIDS)
    cells = np.zeros((len(levels), 12, len(a)))
    for i in np.unique(sizes[sizes < len(GRIDS)]):
        rows = np.flatnonzero(sizes == i)
        step = max(1, BLOCK // (GRIDS[i] * a.shape[1]))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            cells[:, :, some] = _cells(a[some], b[some], low[some], high[some], GRIDS[i], levels)
    results = [_inverted(cells[i], level) for i, level in enumerate(levels)]
    hard = np.flatnonzero(sizes == len(GRIDS))
    if len(hard):
        for result, level in zip(results, levels, strict=True):
            result[hard] = beta_mixture_quantile(a[hard], b[hard], level)
    return results


def _extents(a: Floats, b: Floats) -> tuple[Floats, Floats, Floats]:
    """Return both ends of each mixture's grid in z, and how many points it needs."""
    per_a, per_b = (1.0 / a).astype(np.float32), (1.0 / b).astype(np.float32)
    peak = np.log(a * per_b, dtype=np.float32)
    variance = per_a + per_b
    width = np.sqrt(DROP * variance)
    low = np.clip((peak - width - 4 * per_a).min(1), EDGE_LOGIT, -EDGE_LOGIT - 1)
    high = np.clip((peak + width + 4 * per_b).max(1), EDGE_LOGIT + 1, -EDGE_LOGIT)
    step = np.minimum(LONGEST_STEP, STEP_IN_WIDTHS * np.sqrt(variance.min(1)))
    return low.astype(float), high.astype(float), ((high - low) / step + 1).astype(float)


def _cells(
    a: Floats, b: Floats, low: Floats, high: Floats, points: int, levels: Sequence[float]
) -> list[Floats]:
    """Integrate, and return for every level the grid cell that its quantile lies in.

    Returns
    -------
    list of arrays of shape (12, mixtures)
        z of the cell's left end and its width; distribution, density times width and derivative
        of the density times width² at its left and right end; distribution and x at both ends of
        the grid.
    """
    step = ((high - low) / (points - 1))[:, None]
    z = low[:, None] + step * np.arange(points)
    rest = 1.0 / (1.0 + np.exp(z))  # 1 − x, of full precision near x = 1
    x = 1.0 - rest
    softplus = -np.log(rest)
    # Single precision from here on; what is added is small when it is counted from the middle.
    middle = points // 2
    z32 = (z - z[:, middle, None]).astype(np.float32)
    soft32 = (softplus - softplus[:, middle, None]).astype(np.float32)
    a32, b32 = a.astype(np.float32), b.astype(np.float32)
    c32 = a32 + b32
    edge = np.float32(EDGE)
    peak = (
        a32 * np.log(np.maximum(a32 / c32, edge))
        + b32 * np.log(np.maximum(b32 / c32, edge))
        - (a * z[:, middle, None] - (a + b) * softplus[:, middle, None]).astype(np.float32)
    )
    density = np.stack([a32, -c32, -peak], axis=-1) @ np.stack(
        [z32, soft32, np.ones_like(z32)], axis=1
    )
    np.exp(density, out=density)  # (mixtures, samples, points)
    first, last = density[:, :, 0], density[:, :, -1]
    step32 = step.astype(np.float32)
    below = _tail(first, a32, c32, b32, x[:, :1].astype(np.float32))
    above = _tail(last, b32, c32, a32, rest[:, -1:].astype(np.float32))
    slopes = last * (a32 - c32 * x[:, -1:].astype(np.float32)) - first * (
        a32 - c32 * x[:, :1].astype(np.float32)
    )
    inside = density @ np.ones(points, dtype=np.float32) - (first + last) / 2
    whole = step32 * (inside - step32 / 12 * slopes) + below + above
    weight = 1.0 / (whole * np.float32(a.shape[1]))
    sums = np.stack([weight, weight * a32, weight * c32], axis=1) @ density
    mass = sums[:, 0] * step  # density of the mixture times width
    change = (sums[:, 1] - x * sums[:, 2]) * step**2
    function = np.concatenate([mass, change], axis=1) @ _cumulation(points)
    function += (below * weight).sum(1, dtype=np.float64)[:, None]
    ends = [function[:, 0], function[:, -1], x[:, 0], rest[:, -1]]
    cells = []
    for level in levels:
        left = (function[:, 1:-1] >= level).argmax(1)
        left[function[:, -2] < level] = points - 2
        left += np.arange(0, function.size, points)
        at_ends = [part.take(i) for part in (function, mass, change) for i in (left, left + 1)]
        cells.append(np.stack([z.take(left), step[:, 0], *at_ends, *ends]))
    return cells


def _tail(edge: Singles, a: Singles, c: Singles, b: Singles, x: Singles) -> Singles:
    """Integrate the density from −∞ to where it is `edge`; for the other tail swap a and b."""
    first = c * x / (a + 1)
    second = (b - 1) * x / ((a + 1) * (a + 2))
    tail: Singles = edge / (a * (1 - first / (1 + second)))
    return tail


@lru_cache(maxsize=len(GRIDS))
def _cumulation(points: int) -> Floats:
    """Return the matrix that cumulates (mass, change) over the grid: (2 points, points).

    A trapezium sum with the corrections of Euler and Maclaurin at both of its ends; the third
    derivative is the second difference of the first.
    """
    steps = np.triu(np.ones((points, points)))
    steps[0] = 0.5
    np.fill_diagonal(steps, 0.5)
    steps[0, 0] = 0.0
    ends = -np.eye(points) / 12
    ends[0] += 1 / 12
    inner = np.arange(1, points - 1)
    for shift, factor in ((-1, 1), (0, -2), (1, 1)):
        ends[inner + shift, inner] += factor / 720
        ends[1 + shift, 1:] -= factor / 720
    return np.concatenate([steps, ends])


def _inverted(cells: Floats, level: float) -> Floats:
    """Solve for the quantile inside each cell; see `_cells` for what a cell is."""
    z, step, f0, f1, m0, m1, d0, d1, f_first, f_last, x_first, rest_last = cells
    value, slope, bend = f1 - f0 - m0 - d0 / 2, m1 - m0 - d0, d1 - d0
    c3 = 10 * value - 4 * slope + bend / 2
    c4 = -15 * value + 7 * slope - bend
    c5 = 6 * value - 3 * slope + bend / 2
    target = level - f0
    at = np.clip(target / np.maximum(f1 - f0, 1e-30), 0, 1)
    low, high = np.zeros_like(at), np.ones_like(at)
    for _ in range(NEWTON_STEPS):
        excess = at * (m0 + at * (d0 / 2 + at * (c3 + at * (c4 + at * c5)))) - target
        rise = m0 + at * (d0 + at * (3 * c3 + at * (4 * c4 + at * 5 * c5)))
        low, high = np.where(excess < 0, at, low), np.where(excess < 0, high, at)
        new = at - excess / np.maximum(rise, 1e-30)
        at = np.where((new < low) | (new > high), (low + high) / 2, new)
    x = 1.0 / (1.0 + np.exp(-z - at * step))
    # Beyond the grid: somewhere between its end and 0 or 1.
    x = np.where(level < f_first, x_first * level / np.maximum(f_first, 1e-30), x)
    outside = 1 - rest_last * (1 - level) / np.maximum(1 - f_last, 1e-30)
    result: Floats = np.where(level > f_last, outside, x)
    return result
