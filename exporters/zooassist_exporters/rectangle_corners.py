"""Where are the corners of a rectangle, turned or not?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.shapes import Rectangle, RotateRectangle


def rectangle_corners(shape: Rectangle | RotateRectangle) -> NDArray[np.float64]:
    """Return the corners, shape (4, 2) as x and y in natural pixels.

    The first is the top left one before the rectangle is turned about its centre; they go on
    clockwise on the screen, where y points down.

    Examples
    --------
    >>> rectangle_corners(Rectangle(x_center=3, y_center=2, width=4, height=2)).tolist()
    [[1.0, 1.0], [5.0, 1.0], [5.0, 3.0], [1.0, 3.0]]
    """
    degrees = shape.angle if isinstance(shape, RotateRectangle) else 0.0
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    across = np.array([cosine, sine]) * (shape.width / 2)
    down = np.array([-sine, cosine]) * (shape.height / 2)
    centre = np.array([shape.x_center, shape.y_center])
    return np.array(
        [
            centre - across - down,
            centre + across - down,
            centre + across + down,
            centre - across + down,
        ]
    )
