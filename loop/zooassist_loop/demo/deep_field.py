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
    "(sep); votes are simulated from measured shape and concentration, not from people"
)
STAMP_PIXELS = 256
SMALLEST_STAMP = 24  # native pixels; below this nothing can be seen after enlarging
DETECTION_SIGMA = 2.5
SMALLEST_SOURCE = 60  # connected pixels above the threshold


@dataclass(frozen=True)
class Source:
    """One detected galaxy; lengths in native pixels of the deep field picture."""

    x: float
    y: float
    a: float
    b: float
    r20: float
    r80: float

    @property
    def axis_ratio(self) -> float:
        """Minor over major axis, 0 to 1."""
        return self.b / self.a

    @property
    def concentration(self) -> float:
        """Return 5 log10(r80 / r20): about 2.7 for a disk, above 3.5 for an elliptical."""
        return 5 * math.log10(max(self.r80, 1e-3) / max(self.r20, 1e-3))

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
    radii, _flags = sep.flux_radius(
        sky, found["x"], found["y"], 6.0 * found["a"], [0.2, 0.8], subpix=5
    )
    height, width = grey.shape
    sources = []
    for index in np.argsort(-found["flux"]):
        row, (r20, r80) = found[index], radii[index]
        x, y, a, b = (float(row[key]) for key in ("x", "y", "a", "b"))
        source = Source(x, y, a, b, float(r20), float(r80))
        half = source.half_stamp
        inside = half <= source.x < width - half and half <= source.y < height - half
        # Diffraction spikes of the one bright star come out as needles.
        if inside and source.axis_ratio > 0.15 and source.a > 1.5:
            sources.append(source)
    return sources


def simulated_fractions(source: Source) -> dict[str, tuple[float, ...]]:
    """Invent what a crowd would answer, from measured shape: a stand-in for people, not a truth.

    Smooth falls with low concentration and rises with it; edge-on needs an axis ratio under about
    0.4; a face-on, weakly concentrated disk shows spiral arms. Logistic in each case.
    """
    featured = 1 / (1 + math.exp(2.5 * (source.concentration - 2.9)))
    edge_on = 1 / (1 + math.exp(18 * (source.axis_ratio - 0.42)))
    featured = min(0.95, max(featured, 0.9 * edge_on))
    artifact = 0.02
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
