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
    turn : float
        Largest angle in degrees of images that have an up direction; up to 90.
    """

    rotate: bool = True
    flip: bool = True
    zoom: float = 0.1
    shift: float = 0.04
    brightness: float = 0.1
    turn: float = 0.0

    @property
    def changes_nothing(self) -> bool:
        """Whether every view is the image itself."""
        return self.turns_nothing and not self.brightness

    @property
    def turns_nothing(self) -> bool:
        """Whether every pixel stays where it is."""
        return not (self.rotate or self.flip or self.zoom or self.shift or self.turn)

    @property
    def largest_angle(self) -> float:
        """Radians by which an image is turned at most, to either side."""
        return math.pi if self.rotate else math.radians(self.turn)

    def __post_init__(self) -> None:
        for name in ("zoom", "shift", "brightness"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise BadInput(f"augmentation {name}: expected 0 to 1, got {value}")
        if not 0 <= self.turn <= 90:
            raise BadInput(f"augmentation turn: expected 0 to 90 degrees, got {self.turn}")


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
    grid = _turned_grid(len(pixels), pixels.shape[-1], size, options, generator)
    views = functional.grid_sample(
        pixels, grid.to(pixels.device), padding_mode="reflection", align_corners=False
    )
    return views * _gain(len(pixels), options, generator).to(views.device)


def augment_stacks(
    images: Tensor,
    labels: Tensor,
    size: int,
    options: Augmentation,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Cut a changed view of `size` pixels out of the middle of every stack and of its labels.

    All slices of a stack are changed alike. Labels are taken from the nearest pixel, so that no
    class appears between two others.

    Parameters
    ----------
    images : Tensor of shape (batch, slices, side, side, channels), uint8
        With the margin of `margin_side`.
    labels : Tensor of shape (batch, slices, side, side), uint8

    Returns
    -------
    Tensor of shape (batch, slices, channels, size, size), float32
        Pixels 0-255 (brightness may exceed them).
    Tensor of shape (batch, slices, size, size), int64
    """
    batch, slices, side = images.shape[:3]
    pixels = images.permute(0, 1, 4, 2, 3).flatten(1, 2).float()
    classes = labels.float()
    if side == size and options.turns_nothing:
        gain = _gain(batch, options, generator).to(pixels.device)
        return (pixels * gain).reshape(batch, slices, -1, size, size), labels.long()
    grid = _turned_grid(batch, side, size, options, generator).to(pixels.device)
    views = functional.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False)
    nearest = functional.grid_sample(
        classes, grid, mode="nearest", padding_mode="reflection", align_corners=False
    )
    views = views * _gain(batch, options, generator).to(views.device)
    return views.reshape(batch, slices, -1, size, size), nearest.round().long()


def margin_side(size: int, options: Augmentation) -> int:
    """Return the side of a square out of which every changed view of `size` pixels can be cut."""
    if options.turns_nothing:
        return size
    # The diagonal is the most that a turned square is wide.
    angle = min(options.largest_angle, math.pi / 4)
    turned = math.cos(angle) + math.sin(angle)
    side = math.ceil(size * (turned * math.exp(options.zoom) + 2 * options.shift))
    return side + (side - size) % 2  # the two squares share their centre


def _turned_grid(
    batch: int, side: int, size: int, options: Augmentation, generator: torch.Generator
) -> Tensor:
    """Return where each pixel of the views lies in images of `side` pixels."""
    # A full turn begins at 0, a part of one on the other side.
    begin = 0.0 if options.rotate else -options.largest_angle
    angle = begin + torch.rand(batch, generator=generator) * 2 * options.largest_angle
    mirror = torch.where(torch.rand(batch, generator=generator) < 0.5, -1.0, 1.0)
    if not options.flip:
        mirror = torch.ones(batch)
    scale = torch.exp(_symmetric(batch, 1, generator)[:, 0] * options.zoom) * (size / side)
    # affine_grid's unit is half the side.
    shift = _symmetric(batch, 2, generator) * options.shift * 2 * (size / side)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    across = torch.stack([cosine * mirror, -sine, shift[:, 0]], 1)
    down = torch.stack([sine * mirror, cosine, shift[:, 1]], 1)
    transform = torch.stack([across, down], 1)
    return functional.affine_grid(transform, [batch, 1, size, size], align_corners=False)


def _gain(batch: int, options: Augmentation, generator: torch.Generator) -> Tensor:
    """Return by how much each image is to be brighter, shape (batch, 1, 1, 1)."""
    return (1 + _symmetric(batch, 1, generator) * options.brightness).view(batch, 1, 1, 1)


def _symmetric(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """Return uniform random numbers between -1 and 1."""
    return torch.rand(rows, columns, generator=generator) * 2 - 1
