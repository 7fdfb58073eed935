"""What did the volunteers agree on? The marks of one tool on one frame, clustered and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
from shapely.geometry.base import BaseGeometry

from zooassist_exporters.reductions.shapes.areas import REPAIRS, area_of, ring_of
from zooassist_exporters.reductions.shapes.averages import (
    Average,
    average_outline,
    average_parameters,
    default_average,
    medoid,
)
from zooassist_exporters.reductions.shapes.clustering import (
    NOISE,
    Clustering,
    Labels,
    Matrix,
    Method,
    cluster,
)
from zooassist_exporters.reductions.shapes.distances import (
    OUTLINES,
    WITH_AREA,
    iou_distances,
    pixel_distances,
)
from zooassist_plugin.errors import BadInput
from zooassist_plugin.shapes import Polygon, Shape

Metric = Literal["pixels", "iou"]
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)
# panoptes_aggregation's: its shape reducers', and its polygon reducer's. Its shape reducers have
# eps 5 under the IoU metric too, which joins everything; there the polygon reducer's 0.5 holds.
EPS: Final[dict[Metric, float]] = {"pixels": 5.0, "iou": 0.5}
MIN_CLUSTER_SIZE: Final[dict[Method, int]] = {"dbscan": 2, "hdbscan": 5, "optics": 2}


@dataclass(frozen=True)
class ConsensusRules:
    """How marks become consensus marks; None stands for panoptes_aggregation's default.

    Attributes
    ----------
    metric : str, optional
        ``pixels`` or ``iou``; by default outlines by IoU and other shapes by pixels. Points and
        lines have no area, so they are always compared by pixels.
    eps : float, optional
        5 pixels, or 0.5 as 1 - IoU.
    min_samples : int, optional
        2 for outlines, 3 for other shapes.
    min_cluster_size : int, optional
        5 for HDBSCAN, 2 for OPTICS.
    average : str, optional
        Median for outlines, mean for other shapes.
    repair : str
        How outlines that cross themselves are mended: ``valid`` keeps all they enclose,
        ``largest`` is panoptes_aggregation's ``buffer(0)`` and its largest piece.
    """

    method: Method = "dbscan"
    metric: Metric | None = None
    eps: float | None = None
    min_samples: int | None = None
    min_cluster_size: int | None = None
    xi: float = 0.15
    average: Average | None = None
    repair: str = "valid"

    def __post_init__(self) -> None:
        if self.metric is not None and self.metric not in METRICS:
            raise BadInput(f"metric: expected {', '.join(METRICS)}, got {self.metric!r}")
        if self.repair not in REPAIRS:
            raise BadInput(f"repair: expected {', '.join(REPAIRS)}, got {self.repair!r}")
        for tool_type in WITH_AREA:  # so that a bad option is refused before anything is read
            self.clustering(tool_type)
            default_average(tool_type, self.average)

    def metric_of(self, tool_type: str) -> Metric:
        """Return how marks of a tool type are compared."""
        if tool_type not in WITH_AREA:
            return "pixels"
        return self.metric or ("iou" if tool_type in OUTLINES else "pixels")

    def clustering(self, tool_type: str) -> Clustering:
        """Return the clustering of a tool type, with every default in place."""
        fewest = 2 if tool_type in OUTLINES else 3
        return Clustering(
            method=self.method,
            eps=EPS[self.metric_of(tool_type)] if self.eps is None else self.eps,
            min_samples=fewest if self.min_samples is None else self.min_samples,
            min_cluster_size=MIN_CLUSTER_SIZE.get(self.method, 2)
            if self.min_cluster_size is None
            else self.min_cluster_size,
            xi=self.xi,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the rules as they are written into ``training-set.json``."""
        return dict(vars(self))


@dataclass(frozen=True)
class ClusterAverage:
    """One cluster.

    Attributes
    ----------
    label : int
        Its number among the clusters of the tool and frame.
    members : tuple of int
        Places of its marks.
    shape : Shape or None
        Their average; None when there is none (an empty intersection).
    likeness : float or None
        1 - mean IoU distance of its marks, for shapes compared by IoU; None otherwise.
    """

    label: int
    members: tuple[int, ...]
    shape: Shape | None
    likeness: float | None


@dataclass(frozen=True)
class Consensus:
    """All clusters of one tool on one frame; `labels` holds each mark's cluster, or `NOISE`."""

    labels: Labels
    clusters: tuple[ClusterAverage, ...]


def consensus(
    shapes: Sequence[Shape], volunteers: Sequence[int], rules: ConsensusRules
) -> Consensus:
    """Cluster the marks of one tool on one frame of one subject, and average each cluster.

    Parameters
    ----------
    shapes : sequence of Shape, length n
        Of one tool type.
    volunteers : sequence of int, length n
        Who drew each; marks of one volunteer never share a cluster.
    """
    if not shapes:
        return Consensus(np.zeros(0, dtype=np.int64), ())
    tool_type = shapes[0].tool_type
    how = rules.clustering(tool_type)
    by_area = rules.metric_of(tool_type) == "iou"
    areas: list[BaseGeometry | None] = [None] * len(shapes)
    if by_area or tool_type in OUTLINES:
        areas = [area_of(shape, rules.repair) for shape in shapes]
    distances = iou_distances(areas) if by_area else pixel_distances(shapes)
    # A path of two points overlaps with nothing, not even with itself.
    places = [place for place, area in enumerate(areas) if area is not None or not by_area]
    labels = np.full(len(shapes), NOISE, dtype=np.int64)
    labels[places] = cluster(
        distances[np.ix_(places, places)], [volunteers[place] for place in places], how
    )
    clusters = []
    for label in range(int(labels.max(initial=NOISE)) + 1):
        members = np.flatnonzero(labels == label)
        within = distances[np.ix_(members, members)]
        clusters.append(
            ClusterAverage(
                label=label,
                members=tuple(int(member) for member in members),
                shape=_average(shapes, areas, members.tolist(), within, rules),
                likeness=1.0 - _mean_of_pairs(within) if by_area else None,
            )
        )
    return Consensus(labels, tuple(clusters))


def _average(
    shapes: Sequence[Shape],
    areas: Sequence[BaseGeometry | None],
    members: Sequence[int],
    within: Matrix,
    rules: ConsensusRules,
) -> Shape | None:
    tool_type = shapes[members[0]].tool_type
    average = default_average(tool_type, rules.average)
    if tool_type not in OUTLINES:
        return average_parameters([shapes[member] for member in members], average)
    if average != "median":
        held = [area for member in members if (area := areas[member]) is not None]
        return average_outline(held, average) if held else None
    place = members[medoid(within)]
    area = areas[place]
    if rules.repair == "largest" and area is not None:
        return Polygon(points=ring_of(area))
    return shapes[place]


def _mean_of_pairs(within: Matrix) -> float:
    pairs = within[np.triu_indices(len(within), k=1)]
    return float(pairs.mean()) if len(pairs) else 0.0
