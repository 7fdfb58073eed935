"""Cut real galaxies out of the Hubble Deep Field picture that scikit-image carries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sep
from PIL import Image
from skimage.data import hubble_deep_field

from zooassist_loop.demo.galaxies import DemoData, DemoGalaxy
from zooassist_plugin.errors import BadInput

SOURCE = (
    "Hubble Deep Field (NASA/ESA/STScI, public domain), galaxies found with SExtractor's algorithm "
    "(sep); votes are simulated from measured colour and shape, not from people"
)
STAMP_PIXELS = 256
SMALLEST_STAMP = 24  # native pixels; below this nothing can be seen after enlarging
DETECTION_SIGMA = 2.5
SMALLEST_SOURCE = 60  # connected pixels above the threshold
REDNESS_EVEN = 0.05  # about the median of the picture's larger galaxies: as many say smooth as not


# In this picture the two bright stars, and no galaxy, are round and white to the very centre.
STAR_CORE, STAR_AXIS_RATIO = 244, 0.9


@dataclass(frozen=True)
class Source:
    """One detected source; lengths in native pixels of the deep field picture.

    Attributes
    ----------
    redness : float
        (red - blue) / (red + blue) of its light above the sky, -1 to 1.
    core : float
        Darkest channel of its central nine pixels, 0 to 255.
    """

    x: float
    y: float
    a: float
    b: float
    redness: float
    core: float

    @property
    def axis_ratio(self) -> float:
        """Minor over major axis, 0 to 1."""
        return self.b / self.a

    @property
    def is_star(self) -> bool:
        """Whether it looks like a saturated star."""
        return self.core >= STAR_CORE and self.axis_ratio >= STAR_AXIS_RATIO

    @property
    def half_stamp(self) -> int:
        """Half the side of the cut-out."""
        return max(SMALLEST_STAMP // 2, round(4.5 * self.a))


def find_sources(picture: npt.NDArray[np.uint8]) -> list[Source]:
    """Detect galaxies, brightest first, whose cut-out lies wholly inside the picture.

    Parameters
    ----------
    picture : (height, width, 3) uint8
    """
    grey = np.ascontiguousarray(picture.astype(np.float32).mean(axis=2))
    background = sep.Background(grey, bw=64, bh=64)
    sky = grey - background.back()
    found = sep.extract(sky, DETECTION_SIGMA, err=background.globalrms, minarea=SMALLEST_SOURCE)
    height, width = grey.shape
    sources = []
    for row in found[np.argsort(-found["flux"])]:
        x, y, a, b, theta = (float(row[key]) for key in ("x", "y", "a", "b", "theta"))
        red, blue = (_light(picture[..., channel], x, y, a, b, theta) for channel in (0, 2))
        centre = picture[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
        core = float(centre.mean(axis=(0, 1)).min()) if centre.size else 0.0
        source = Source(x, y, a, b, (red - blue) / max(red + blue, 1.0), core)
        half = source.half_stamp
        inside = half <= source.x < width - half and half <= source.y < height - half
        # Diffraction spikes of the one bright star come out as needles.
        if inside and source.axis_ratio > 0.15 and source.a > 1.5:
            sources.append(source)
    return sources


def _light(
    channel: npt.NDArray[np.uint8], x: float, y: float, a: float, b: float, theta: float
) -> float:
    """Sum one channel within twice the source's ellipse, less the channel's median."""
    plane = np.ascontiguousarray(channel.astype(np.float32) - np.median(channel))
    total, _error, _flag = sep.sum_ellipse(plane, [x], [y], [a], [b], [theta], 2.0)
    return max(float(total[0]), 0.0)


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def simulated_fractions(source: Source) -> dict[str, tuple[float, ...]]:
    """Invent what a crowd would answer, from colour and shape: a stand-in for people, not a truth.

    Red galaxies tend to be smooth and blue ones to have features (the colours of the Hubble
    sequence); edge-on needs an axis ratio under about 0.4; a face-on featured galaxy shows spiral
    arms. Logistic in each case.
    """
    edge_on = _logistic(18 * (0.42 - source.axis_ratio))
    featured = _logistic(16 * (REDNESS_EVEN - source.redness))
    featured = min(0.97, max(featured, 0.9 * edge_on))
    artifact = 0.93 if source.is_star else 0.02
    spiral = min(0.9, featured * source.axis_ratio)
    odd = 0.08
    return {
        "smooth-or-featured": (
            (1 - artifact) * (1 - featured),
            (1 - artifact) * featured,
            artifact,
        ),
        "disk-edge-on": (edge_on, 1 - edge_on),
        "has-spiral-arms": (spiral, 1 - spiral),
        "something-odd": (odd, 1 - odd),
    }


def cut_galaxies(folder: Path, count: int) -> DemoData:
    """Write `count` cut-outs as PNG files into `folder` and describe them.

    Raises
    ------
    BadInput
        When fewer galaxies than asked for can be cut.
    """
    picture = hubble_deep_field()  # type: ignore[no-untyped-call]
    sources = find_sources(picture)
    if len(sources) < count:
        raise BadInput(
            f"the deep field holds {len(sources)} galaxies that can be cut, {count} were asked "
            f"for; use --subjects {len(sources)} or fewer"
        )
    folder.mkdir(parents=True, exist_ok=True)
    galaxies = []
    for number, source in enumerate(sources[:count], start=1):
        half = source.half_stamp
        x, y = round(source.x), round(source.y)
        stamp = Image.fromarray(picture[y - half : y + half, x - half : x + half])
        image = folder / f"hdf-{number:03d}.png"
        stamp.resize((STAMP_PIXELS, STAMP_PIXELS), Image.Resampling.BICUBIC).save(image)
        galaxies.append(
            DemoGalaxy(
                name=image.name,
                image=image,
                fractions=simulated_fractions(source),
                metadata={
                    "field": "Hubble Deep Field",
                    "credit": "NASA, ESA, STScI (public domain)",
                    "position": f"x={source.x:.1f} y={source.y:.1f}",
                },
            )
        )
    return DemoData(source=SOURCE, galaxies=tuple(galaxies), votes_are_real=False)
