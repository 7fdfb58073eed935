"""How may an image be changed without changing its answers? Galaxies have no up direction."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import Preprocessing


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training image, all within one resampling.

    Attributes
    ----------
    rotate : bool
        By any angle; off for images that have an up direction.
    flip : bool
        Left to right, half the time.
    zoom : float
        Largest natural logarithm of the scale: 0.1 is 0.90 to 1.11.
    shift : float
        Largest shift as a fraction of the image's side.
    brightness : float
        Largest relative change.
    """

    rotate: bool = True
    flip: bool = True
    zoom: float = 0.1
    shift: float = 0.04
    brightness: float = 0.1

    @property
    def changes_nothing(self) -> bool:
        """Whether every view is the image itself."""
        return not (self.rotate or self.flip or self.zoom or self.shift or self.brightness)

    def __post_init__(self) -> None:
        for name in ("zoom", "shift", "brightness"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise BadInput(f"augmentation {name}: expected 0 to 1, got {value}")


def with_margin(spec: Preprocessing) -> Preprocessing:
    """Widen a crop so that a turned square still lies inside the picture, at the same scale.

    The network's own view is the middle of the wider one, so that an image that is not changed is
    the image that will be served.
    """
    crop = min(1.0, spec.crop * math.sqrt(2))
    side = round(spec.size * crop / spec.crop)
    side += (side - spec.size) % 2  # the two squares share their centre
    return spec.model_copy(update={"crop": crop, "size": side})


def augment(images: Tensor, size: int, options: Augmentation, generator: torch.Generator) -> Tensor:
    """Cut a changed view of `size` pixels out of the middle of every image.

    Parameters
    ----------
    images : Tensor of shape (batch, side, side, 3), uint8
        With the margin of `with_margin`.
    generator : torch.Generator
        On the CPU, whatever the images' device: the same seed gives the same views.

    Returns
    -------
    Tensor of shape (batch, 3, size, size), float32
        Pixels 0-255 (brightness may exceed them).
    """
    pixels = images.permute(0, 3, 1, 2).float()
    batch, side = pixels.shape[0], pixels.shape[-1]
    angle = torch.rand(batch, generator=generator) * (2 * math.pi if options.rotate else 0.0)
    mirror = torch.where(torch.rand(batch, generator=generator) < 0.5, -1.0, 1.0)
    if not options.flip:
        mirror = torch.ones(batch)
    scale = torch.exp(_symmetric(batch, 1, generator)[:, 0] * options.zoom) * (size / side)
    # affine_grid's unit is half the side.
    shift = _symmetric(batch, 2, generator) * options.shift * 2 * (size / side)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    across = torch.stack([cosine * mirror, -sine, shift[:, 0]], 1)
    down = torch.stack([sine * mirror, cosine, shift[:, 1]], 1)
    transform = torch.stack([across, down], 1).to(pixels.device)
    grid = functional.affine_grid(transform, [batch, 3, size, size], align_corners=False)
    views = functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    gain = 1 + _symmetric(batch, 1, generator) * options.brightness
    return views * gain.view(batch, 1, 1, 1).to(views.device)


def _symmetric(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return uniform random numbers between -1 and 1."""
    return torch.rand(rows, columns, generator=generator) * 2 - 1
