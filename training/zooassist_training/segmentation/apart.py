"""How do objects that touch come apart in what is learnt? By background along where they meet.

A label map says of each pixel which class it is of, so that two objects of a class that touch are
one. A network that learns from it draws them as one, and a volunteer gets one outline for both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter


def alone(objects: NDArray[np.integer[Any]], gap: int) -> NDArray[np.bool_]:
    """Return where an object is and no other within `gap` pixels, diagonals counting as one.

    Parameters
    ----------
    objects : array of shape (height, width)
        A number per object, 0 for none.
    gap : int
        0 keeps every pixel of an object.
    """
    numbers = objects.astype(np.int32)
    side = 2 * gap + 1
    highest = maximum_filter(numbers, side)
    far = np.where(numbers > 0, numbers, np.iinfo(np.int32).max)
    found: NDArray[np.bool_] = (
        (numbers > 0) & (highest == numbers) & (minimum_filter(far, side) == numbers)
    )
    return found
