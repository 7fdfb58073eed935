"""What would a careful astronomer measure on a galaxy's picture? Features for the ridge baseline.

Colours, concentration, asymmetry, clumpiness, Gini coefficient, M20 and moments, as in the CAS and
Gini-M20 literature (Conselice 2003; Lotz et al. 2004), and the radial profile of the light.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

RINGS = 12
Floats = NDArray[np.float64]


def features(image: NDArray[np.uint8]) -> Floats:
    """Return the features of one image.

    Parameters
    ----------
    image : array of shape (height, width, 3), uint8
        The galaxy in the middle.

    Returns
    -------
    array of shape (features,)
    """
    pixels = image.astype(np.float64) / 255
    border = np.concatenate([pixels[:4].reshape(-1, 3), pixels[-4:].reshape(-1, 3)])
    pixels = pixels - np.median(border, axis=0)
    light = pixels.mean(2)
    galaxy = _central_object(light)
    weights = np.where(galaxy, np.maximum(light, 0), 0)
    total = max(weights.sum(), 1e-6)
    rows, columns = np.indices(light.shape)
    centre = (rows * weights).sum() / total, (columns * weights).sum() / total
    down, across = rows - centre[0], columns - centre[1]
    radius = np.hypot(down, across)
    return np.concatenate(
        [
            _colours(pixels, galaxy),
            _shape(down, across, weights, total),
            _concentration(radius, weights),
            _structure(light, galaxy, weights, radius),
            _profile(radius, light),
        ]
    )


def _central_object(light: Floats) -> NDArray[np.bool_]:
    """Pixels well above the sky that hang together with the middle of the picture."""
    smooth = ndimage.gaussian_filter(light, 1.5)
    sky = 1.4826 * np.median(np.abs(smooth - np.median(smooth)))
    labels, _ = ndimage.label(smooth > max(3 * sky, 0.15 * smooth.max()))
    half = light.shape[0] // 2
    middle = labels[half - 4 : half + 4, half - 4 : half + 4]
    found = middle[middle > 0]
    if len(found):
        return labels == np.bincount(found).argmax()
    middle_only = np.zeros(light.shape, dtype=bool)  # an empty picture
    middle_only[half - 4 : half + 4, half - 4 : half + 4] = True
    return middle_only


def _colours(pixels: Floats, galaxy: NDArray[np.bool_]) -> Floats:
    inside = pixels[galaxy].mean(0)
    bright = pixels[galaxy & (pixels.mean(2) > np.median(pixels.mean(2)[galaxy]))]
    core = bright.mean(0) if len(bright) else inside
    spread = pixels[galaxy].std(0)
    ratios = (inside[:2] - inside[1:]) / max(inside.sum(), 1e-6)
    gradient = (core[0] - core[2]) / max(core.sum(), 1e-6) - ratios.sum()
    return np.concatenate([inside, spread, ratios, [gradient]])


def _shape(down: Floats, across: Floats, weights: Floats, total: float) -> Floats:
    yy, xx = (down**2 * weights).sum() / total, (across**2 * weights).sum() / total
    xy = (down * across * weights).sum() / total
    root = np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    long, short = (xx + yy) / 2 + root, max((xx + yy) / 2 - root, 1e-6)
    ratio = np.sqrt(short / max(long, 1e-6))
    return np.array([ratio, ratio**2, np.sqrt(long), np.log(total), (weights > 0).mean()])


def _concentration(radius: Floats, weights: Floats) -> Floats:
    order = np.argsort(radius, axis=None)
    grown = np.cumsum(weights.ravel()[order])
    levels = [0.2, 0.5, 0.8, 0.9]
    places = np.searchsorted(grown, np.array(levels) * grown[-1]).clip(max=len(order) - 1)
    radii = radius.ravel()[order][places] + 0.5
    return np.array([np.log(radii[2] / radii[0]), np.log(radii[3] / radii[1]), *radii])


def _structure(light: Floats, galaxy: NDArray[np.bool_], weights: Floats, radius: Floats) -> Floats:
    total = max(weights.sum(), 1e-6)
    asymmetry = np.abs(light - light[::-1, ::-1])[galaxy].sum() / total
    mirror = np.abs(light - light[:, ::-1])[galaxy].sum() / total
    clumps = np.maximum(light - ndimage.gaussian_filter(light, 2.5), 0)[galaxy].sum() / total
    edges = ndimage.gaussian_gradient_magnitude(light, 1.0)[galaxy].sum() / total
    values = np.sort(np.abs(weights[galaxy]))
    count = max(len(values), 2)
    rank = 2 * np.arange(1, len(values) + 1) - count - 1
    gini = (rank * values).sum() / max(values.mean() * count * (count - 1), 1e-6)
    moments = weights * radius**2
    brightest = np.argsort(weights, axis=None)[::-1]
    share = np.cumsum(weights.ravel()[brightest]) <= 0.2 * total
    m20 = np.log10(max(moments.ravel()[brightest][share].sum(), 1e-9) / max(moments.sum(), 1e-6))
    return np.array([asymmetry, mirror, clumps, edges, gini, m20])


def _profile(radius: Floats, light: Floats) -> Floats:
    """Mean light and its scatter in rings."""
    ring = np.minimum((radius / radius.max() * 1.5 * RINGS).astype(int), RINGS - 1).ravel()
    count = np.maximum(np.bincount(ring, minlength=RINGS), 1)
    mean = np.bincount(ring, light.ravel(), RINGS) / count
    square = np.bincount(ring, light.ravel() ** 2, RINGS) / count
    return np.concatenate([mean, np.sqrt(np.maximum(square - mean**2, 0))])
