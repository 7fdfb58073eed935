"""How do objects that touch come apart in what is learnt? By a seam along where they meet.

A label map says of each pixel which class it is of, so that two objects of a class that touch are
one. A network that learns from it draws them as one, and a volunteer gets one outline for both. A
seam is learnt as a class of its own, which is not exported: as mere background its few pixels would
hardly count (Ronneberger et al. 2015, arXiv:1505.04597, give them a weight for the same reason).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter


def seams(objects: NDArray[np.integer[Any]], gap: int) -> NDArray[np.bool_]:
    """Return where two objects or more lie within `gap` pixels, diagonals counting as one.

    That is the border of objects that touch, on both sides, and what little lies between others.

    Parameters
    ----------
    objects : array of shape (height, width)
        A number per object, 0 for none.
    gap : int
        0: nowhere.
    """
    numbers = objects.astype(np.int32)
    side = 2 * gap + 1
    far = np.where(numbers > 0, numbers, np.iinfo(np.int32).max)
    found: NDArray[np.bool_] = minimum_filter(far, side) < maximum_filter(numbers, side)
    return found
