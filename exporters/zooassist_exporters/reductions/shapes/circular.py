"""What is the average of angles that start again after a period?"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def arc(a: ArrayLike, b: ArrayLike, period: float) -> NDArray[np.float64]:
    """Return the shorter way between angles, in [0, period / 2]."""
    apart = np.abs(np.asarray(a, dtype=float) - np.asarray(b, dtype=float)) % period
    return np.asarray(np.minimum(apart, period - apart), dtype=np.float64)


def circular_mean(angles: ArrayLike, period: float) -> float:
    """Return the angle with the least sum of squared arcs to all others, in [0, period).

    Parameters
    ----------
    angles : array of float, shape (n,)
        At least one, in the unit of `period`.

    Notes
    -----
    The circle is cut open between two neighbouring angles; the mean of the line that results is a
    candidate. One of the n cuts gives the minimum, so this is exact, and equal to the usual mean
    wherever the angles do not wrap around.
    """
    return _unwrapped(angles, period)[0]


def circular_median(angles: ArrayLike, period: float) -> float:
    """Return the median of the angles along the line that is cut open opposite their mean."""
    mean, line = _unwrapped(angles, period)
    around = mean + (line - mean + period / 2) % period - period / 2
    return float(np.median(around) % period)


def _unwrapped(angles: ArrayLike, period: float) -> tuple[float, NDArray[np.float64]]:
    """Return the circular mean, and the angles on a line (sorted, each within one period)."""
    line = np.sort(np.asarray(angles, dtype=float).ravel() % period)
    count = len(line)
    # Cut k moves the k smallest angles up by one period: the mean grows by k * period / n.
    means = line.mean() + np.arange(count) * period / count
    spread = [float((arc(mean, line, period) ** 2).sum()) for mean in means]
    return float(means[int(np.argmin(spread))] % period), line
