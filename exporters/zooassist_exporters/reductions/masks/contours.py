"""Where do at least 1, 2, 3 ... volunteers agree? Outlines of every level of agreement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from skimage.measure import find_contours

from zooassist_exporters.mask_patch import Patch
from zooassist_exporters.reductions.masks.overlay import Overlay


@dataclass(frozen=True)
class Contour:
    """The region that at least `level` volunteers covered.

    Attributes
    ----------
    share : float
        `level` as a fraction of all volunteers who saw the frame.
    region : shapely geometry
        Polygon or multipolygon with holes, in natural pixels.
    """

    level: int
    share: float
    region: BaseGeometry


def contours(drawn: Overlay) -> Iterator[Contour]:
    """Yield a contour for each number of volunteers that any pixel reaches, lowest first."""
    for level in np.unique(drawn.counts[drawn.counts > 0]):
        patch = drawn.patch(drawn.counts >= level)
        yield Contour(int(level), float(level) / drawn.volunteers, outlined(patch))


def outlined(patch: Patch) -> BaseGeometry:
    """Return the region of a mask as polygons with holes.

    The outline runs half-way between the centres of pixels in and out of the mask, so that filling
    it again (`zooassist_exporters.rasterise`) gives back the same mask.
    """
    padded = np.pad(patch.cells, 1).astype(np.float64)
    rings = find_contours(padded, 0.5)  # type: ignore[no-untyped-call]
    # Row and column of pixel centres in the padded array -> x and y in natural pixels.
    shift = np.array([patch.left - 0.5, patch.top - 0.5])
    lines = [shapely.LineString(ring[:, ::-1] + shift) for ring in rings]
    return shapely.build_area(shapely.GeometryCollection(lines))
