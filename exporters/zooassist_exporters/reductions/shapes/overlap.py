"""Where do at least k of several areas overlap?"""

from __future__ import annotations

from collections.abc import Sequence

import shapely
from shapely.geometry.base import BaseGeometry

from zooassist_exporters.reductions.shapes.areas import polygonal_parts


def overlap_levels(areas: Sequence[BaseGeometry]) -> list[BaseGeometry]:
    """Return the region covered by at least 1, 2, ..., n of n areas.

    Notes
    -----
    Area by area: what was covered k - 1 times and lies in the next area is covered k times. That
    takes n² / 2 intersections, where trying all subsets takes 2^n, and is as exact.
    """
    levels: list[BaseGeometry] = []
    for area in areas:
        levels.append(shapely.Polygon())
        for level in range(len(levels) - 1, -1, -1):
            below = area if level == 0 else _polygonal(levels[level - 1].intersection(area))
            levels[level] = _polygonal(levels[level].union(below))
    return levels


def contours(areas: Sequence[BaseGeometry]) -> list[shapely.Polygon]:
    """Return the outline of each agreement level: its largest piece, holes filled.

    As many as there are levels with an area, at most `len(areas)`; the first surrounds all.
    """
    found = []
    for level in overlap_levels(areas):
        parts = polygonal_parts(level)
        if not parts:
            break
        found.append(shapely.Polygon(max(parts, key=lambda part: part.area).exterior))
    return found


def _polygonal(geometry: BaseGeometry) -> BaseGeometry:
    """Drop the lines and points that are left where areas only touch."""
    if isinstance(geometry, shapely.Polygon | shapely.MultiPolygon):
        return geometry
    return shapely.union_all(polygonal_parts(geometry))
