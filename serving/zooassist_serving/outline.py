"""Where is the object, and how large and inclined? An ellipse from the image's own moments.

For the proposal of a mark when the model says what an object is but not where: the object at the
centre of the image stands out from the image's border, be it brighter, darker or of another colour.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zooassist_plugin.shapes import Ellipse
from zooassist_serving.preprocessing import Rgb

Plane: TypeAlias = NDArray[np.float64]

# Images are measured at about this many pixels on the longer side.
WORKING_SIDE = 256
# How often pixels that are no background are left out of the border.
CLIPPINGS = 4
# The object is what exceeds so many times the border's scatter, or this share of its own peak.
SIGMAS = 3.0
PEAK_SHARE = 0.08
# And of the typical value inside it: an object with a sharp edge ends at that edge, not where the
# smoothing has carried it.
MEDIAN_SHARE = 0.4
# Noise reaches three sigmas somewhere; an object also has a peak of so many.
PEAK_SIGMAS = 6.0
# An object whose typical value is below this share of its peak has a centre to be symmetric about.
PEAKED = 0.45
# What is so many times brighter than its mirror image belongs to a neighbour.
ASYMMETRY = 3.5
# The least that is left of an object without its neighbours.
MOST = 0.65
# The object has to lie within this share of the shorter side from the centre.
CENTRAL = 0.2
# An object that covers more of the border than this has run into its neighbours: look higher.
BORDER_COVERED = 0.08
# The classifier drops an ellipse whose rx is 5 px or less; a thin ry is legal but hard to grab.
MINIMUM_RX = 6.0
MINIMUM_RY = 3.0


def outline_ellipse(image: Rgb) -> Ellipse | None:
    """Find the outline of the object at the centre of an image.

    The isophote at which the object leaves the background gives the area, the flux-weighted second
    moments inside it axis ratio and angle.

    Parameters
    ----------
    image : array of shape (height, width, 3), uint8

    Returns
    -------
    Ellipse or None
        In natural pixels, `rx` the longer half axis, `angle` clockwise on the screen from the x
        axis, in (-90, 90]; None when nothing stands out.
    """
    height, width = image.shape[:2]
    if min(height, width) < 8:
        return None
    step = max(1, round(max(height, width) / WORKING_SIDE))
    signal, scatter = _signal(_shrink(image, step))
    found = _object(signal, scatter)
    if found is None:
        return None
    return _ellipse(signal, found, step)


def _shrink(image: Rgb, step: int) -> Plane:
    """Average blocks of step x step pixels; an incomplete last row or column is left out."""
    if step == 1:
        return image.astype(np.float64)
    height, width = (size // step * step for size in image.shape[:2])
    small = Image.fromarray(np.ascontiguousarray(image[:height, :width])).reduce(step)
    return np.asarray(small, dtype=np.float64)


def _signal(image: Plane) -> tuple[Plane, float]:
    """Project the colours on the direction in which the centre differs from the border.

    One linear projection serves bright, dark and coloured objects, and leaves noise symmetric
    about zero, as moments need it. Returns the smoothed signal and the border's scatter.
    """
    # Imported here: who asks for no outline need not wait for scipy's image filters.
    from scipy import ndimage

    height, width = image.shape[:2]
    border = _border_mask(height, width)
    image, clean = _without_background(image, border)
    y, x = np.mgrid[0:height, 0:width]
    radius = max(2.0, CENTRAL / 2 * min(height, width))
    centre = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2) <= radius
    difference = image[centre].mean(0)
    length = float(np.linalg.norm(difference))
    direction = difference / length if length > 0 else np.full(3, 1 / math.sqrt(3))
    signal = image @ direction
    smooth = ndimage.gaussian_filter(signal, max(1.0, min(height, width) / 128))
    level, scatter = _robust(smooth[clean])
    # Grey values are integers: below one the scatter says nothing.
    return smooth - level, max(scatter, 1.0)


def _without_background(image: Plane, border: NDArray[np.bool_]) -> tuple[Plane, NDArray[np.bool_]]:
    """Subtract the plane through the border of every channel: images are lit unevenly.

    Returns also the part of the border that was found to be background: stars and neighbours on it
    are left out step by step.
    """
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    terms = np.stack([np.ones(x.shape), x / width - 0.5, y / height - 0.5], axis=-1)
    clean = border.copy()
    residual = image - np.median(image[border], axis=0)
    for _ in range(CLIPPINGS):
        offset = np.abs(residual).max(-1)
        level, scatter = _robust(offset[clean])
        closer = clean & (offset <= level + 2.5 * max(scatter, 1.0))
        if closer.sum() < border.sum() / 4:
            break
        clean = closer
        plane, *_ = np.linalg.lstsq(terms[clean], image[clean], rcond=None)
        residual = image - terms @ plane
    return residual, clean


def _robust(values: Plane) -> tuple[float, float]:
    """Median, and the standard deviation that the median absolute deviation stands for."""
    level = float(np.median(values))
    return level, 1.4826 * float(np.median(np.abs(values - level)))


def _border_mask(height: int, width: int) -> NDArray[np.bool_]:
    edge = max(2, min(height, width) // 16)
    mask = np.ones((height, width), dtype=bool)
    mask[edge:-edge, edge:-edge] = False
    return mask


def _object(signal: Plane, scatter: float) -> NDArray[np.bool_] | None:
    """Return the mask of the object nearest the centre, freed from neighbours it runs into."""
    height, width = signal.shape
    border = _border_mask(height, width)
    top, left = round(height * (0.5 - CENTRAL)), round(width * (0.5 - CENTRAL))
    middle = signal[top : height - top, left : width - left]
    threshold = max(SIGMAS * scatter, PEAK_SHARE * float(middle.max()))
    while threshold < float(middle.max()):
        found = _central_component(signal > threshold)
        if found is None:
            return None
        if found[border].mean() <= BORDER_COVERED:
            return _sharpened(signal, found, scatter, threshold)
        threshold *= 1.25
    return None


def _sharpened(
    signal: Plane, found: NDArray[np.bool_], scatter: float, threshold: float
) -> NDArray[np.bool_] | None:
    inside = signal[found]
    if float(inside.max()) < PEAK_SIGMAS * scatter:
        return None
    typical = float(np.median(inside))
    found = found & (signal > MEDIAN_SHARE * typical)
    if typical < PEAKED * float(inside.max()):
        alone = _central_component(found & ~_foreign(signal, found, threshold))
        # Where much would go, it is the object itself that is lopsided.
        if alone is not None and alone.sum() > MOST * found.sum():
            return alone
    return _central_component(found)


def _foreign(signal: Plane, found: NDArray[np.bool_], threshold: float) -> NDArray[np.bool_]:
    """Return what shines far brighter than its mirror image through the object's peak.

    Galaxies look alike after half a turn, stars and neighbours beside them don't (the idea of the
    SDSS deblender).
    """
    # Imported here: who asks for no outline need not wait for scipy's image filters.
    from scipy import ndimage

    height, width = signal.shape
    y, x = np.mgrid[0:height, 0:width]
    # The peak is sought at the object's own scale, so that no knot in an arm is taken for it.
    radius = math.sqrt(found.sum() / math.pi)
    coarse = ndimage.gaussian_filter(np.where(found, signal, 0.0), radius / 4)
    distance = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2)
    coarse *= np.exp(-0.5 * (distance / (CENTRAL / 2 * min(height, width))) ** 2)
    top, left = np.unravel_index(int(coarse.argmax()), signal.shape)
    mirror_y, mirror_x = 2 * int(top) - y, 2 * int(left) - x
    outside = (mirror_y < 0) | (mirror_y >= height) | (mirror_x < 0) | (mirror_x >= width)
    mirrored = signal[np.clip(mirror_y, 0, height - 1), np.clip(mirror_x, 0, width - 1)]
    brighter = (signal > ASYMMETRY * np.maximum(mirrored, threshold)) & ~outside
    grown: NDArray[np.bool_] = ndimage.binary_dilation(brighter, iterations=2)
    return grown


def _central_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    # Imported here: who asks for no outline need not wait for scipy's image filters.
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if count == 0:
        return None
    height, width = mask.shape
    y, x = np.nonzero(mask)
    distance = np.hypot(x - (width - 1) / 2, y - (height - 1) / 2)
    nearest = int(distance.argmin())
    if distance[nearest] > CENTRAL * min(height, width):
        return None
    found: NDArray[np.bool_] = ndimage.binary_fill_holes(labels == labels[y[nearest], x[nearest]])
    return found


def _ellipse(signal: Plane, found: NDArray[np.bool_], step: int) -> Ellipse | None:
    y, x = np.nonzero(found)
    weight = np.maximum(signal[found], 1e-6)
    weight /= weight.sum()
    x_mean, y_mean = float(weight @ x), float(weight @ y)
    # 1/12: a pixel is a square, not a point; keeps one-pixel-wide objects from having no width.
    xx = float(weight @ (x - x_mean) ** 2) + 1 / 12
    yy = float(weight @ (y - y_mean) ** 2) + 1 / 12
    xy = float(weight @ ((x - x_mean) * (y - y_mean)))
    middle, spread = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    ratio = math.sqrt(max(middle - spread, 1e-9) / (middle + spread))
    # y grows downwards, so this angle is clockwise on the screen.
    angle = math.degrees(math.atan2(2 * xy, xx - yy) / 2)
    major = math.sqrt(len(x) / (math.pi * ratio)) * step
    return Ellipse(
        x_center=(x_mean + 0.5) * step,
        y_center=(y_mean + 0.5) * step,
        rx=max(major, MINIMUM_RX),
        ry=max(major * ratio, MINIMUM_RY),
        angle=angle,
    )
