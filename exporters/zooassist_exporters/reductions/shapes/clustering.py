"""Which marks belong together? scikit-learn's clusterings on a matrix of distances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn import config_context
from sklearn.cluster import DBSCAN, HDBSCAN, OPTICS

from zooassist_plugin.errors import BadInput

Method = Literal["dbscan", "hdbscan", "optics"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
NOISE: Final = -1
Labels = NDArray[np.int64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Clustering:
    """How marks are clustered; the defaults are panoptes_aggregation's.

    Attributes
    ----------
    eps : float
        DBSCAN: how near neighbours are, in pixels or as 1 - IoU.
    min_samples : int
        How many marks make a cluster's core, the mark itself among them.
    min_cluster_size : int
        HDBSCAN and OPTICS: the smallest cluster.
    xi : float
        OPTICS: how steep a drop of reachability ends a cluster.
    """

    method: Method = "dbscan"
    eps: float = 5.0
    min_samples: int = 3
    min_cluster_size: int = 5
    xi: float = 0.15

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise BadInput(f"cluster: expected {', '.join(METHODS)}, got {self.method!r}")
        if not self.eps > 0:
            raise BadInput(f"eps: expected a distance above 0, got {self.eps}")
        if self.min_samples < 1 or self.min_cluster_size < 2:
            raise BadInput(
                "expected min_samples of at least 1 and min_cluster_size of at least 2, got "
                f"{self.min_samples} and {self.min_cluster_size}"
            )
        if not 0 < self.xi < 1:
            raise BadInput(f"xi: expected a number between 0 and 1, got {self.xi}")

    @property
    def fewest(self) -> int:
        """The fewest marks that can make a cluster."""
        if self.method == "dbscan":
            return self.min_samples
        return max(self.min_samples, self.min_cluster_size)


def _dbscan(distances: Matrix, how: Clustering) -> Labels:
    found = DBSCAN(eps=how.eps, min_samples=how.min_samples, metric="precomputed").fit(distances)
    return np.asarray(found.labels_, dtype=np.int64)


def _hdbscan(distances: Matrix, how: Clustering) -> Labels:
    model = HDBSCAN(
        min_cluster_size=how.min_cluster_size,
        min_samples=how.min_samples,
        metric="precomputed",
        copy=True,
    )
    return np.asarray(model.fit(distances).labels_, dtype=np.int64)


def _optics(distances: Matrix, how: Clustering) -> Labels:
    model = OPTICS(
        min_samples=max(2, how.min_samples),
        min_cluster_size=how.min_cluster_size,
        xi=how.xi,
        metric="precomputed",
    )
    with np.errstate(divide="ignore", invalid="ignore"):  # marks that lie exactly on each other
        return np.asarray(model.fit(distances).labels_, dtype=np.int64)


_MODELS: Final[Mapping[Method, Callable[[Matrix, Clustering], Labels]]] = {
    "dbscan": _dbscan,
    "hdbscan": _hdbscan,
    "optics": _optics,
}


def cluster(distances: Matrix, volunteers: Sequence[int], how: Clustering) -> Labels:
    """Return the cluster of each mark, numbered from 0; `NOISE` for marks in none.

    Parameters
    ----------
    distances : array of float, shape (n, n)
        Symmetric, zero on the diagonal, finite.
    volunteers : sequence of int, length n
        Who drew each mark.

    Notes
    -----
    Marks of one volunteer are several objects, not one object seen several times. So they count as
    further apart than any other two, and a cluster that chains two of them together through
    others' marks is split (`split_own_marks`).
    """
    who = np.asarray(volunteers, dtype=np.int64)
    labels: NDArray[np.int64] = np.full(len(who), NOISE, dtype=np.int64)
    if len(who) < how.fewest:
        return labels
    apart = distances.copy()
    own = who[:, None] == who[None, :]
    np.fill_diagonal(own, False)
    # Finite, since HDBSCAN and OPTICS calculate with it; above eps whatever eps is.
    apart[own] = 10.0 * max(float(distances.max(initial=0.0)), how.eps, 1.0)
    # `Clustering` and the caller have checked; checking again takes most of the time.
    with config_context(assume_finite=True, skip_parameter_validation=True):
        labels = _MODELS[how.method](apart, how)
    return split_own_marks(labels, distances, who, how.fewest)


def split_own_marks(labels: Labels, distances: Matrix, who: Labels, fewest: int) -> Labels:
    """Split clusters that hold several marks of one volunteer.

    The marks of the volunteer who has most in a cluster become the seeds of its parts (of several
    such volunteers the one whose marks are nearest to the rest); every other volunteer's marks go
    to seeds one to one, so that the sum of distances is least. Parts with fewer than `fewest`
    marks are no clusters, and marks for which no seed is left belong to none.

    Returns
    -------
    array of int, shape (n,)
        Clusters numbered from 0 in the order of their first mark.
    """
    parts: list[NDArray[np.int64]] = []
    for label in np.unique(labels[labels > NOISE]):
        members = np.flatnonzero(labels == label)
        owners, counts = np.unique(who[members], return_counts=True)
        if counts.max() == 1:
            parts.append(members)
            continue
        most = owners[counts == counts.max()]
        seeds = min(
            (members[who[members] == owner] for owner in most),
            key=lambda own: float(distances[np.ix_(own, members)].sum()),
        )
        grown: list[list[int]] = [[int(seed)] for seed in seeds]
        for owner in owners:
            own = members[who[members] == owner]
            if own[0] in seeds:
                continue
            rows, columns = linear_sum_assignment(distances[np.ix_(own, seeds)])
            for row, column in zip(rows, columns, strict=True):
                grown[int(column)].append(int(own[row]))
        parts += [np.array(sorted(part)) for part in grown if len(part) >= fewest]
    found = np.full(len(labels), NOISE, dtype=np.int64)
    for number, part in enumerate(sorted(parts, key=lambda part: int(part[0]))):
        found[part] = number
    return found
