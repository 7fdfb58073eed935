"""What draws masks of images? The UNet of pix2pix that Zooniverse's patchGAN used.

Isola et al. 2017 (https://arxiv.org/abs/1611.07004), as in Mantha et al. 2022
(https://arxiv.org/abs/2211.03937): every level is one convolution of stride 2, and back. Different
from there: the deepest level has no normalisation (at the smallest image it is a single pixel, and
nothing is left of a pixel less itself), and the last layer sees the image itself, too, so that
borders are as sharp as the image.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zooassist_plugin.errors import BadInput

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "leakyrelu": lambda: nn.LeakyReLU(0.2, inplace=True),
    "tanh": nn.Tanh,
}
# Channels do not grow beyond so many times the width.
WIDEST = 8


class UNet(nn.Module):
    """Images (batch, channels, height, width) to logits of the same size.

    Parameters
    ----------
    outputs : int
        Channels of the logits.
    width : int
        Channels of the first level; 32 in the publications.
    levels : int
        How often the image is halved; its sides must be multiples of ``2 ** levels``.
    dropout : float
        Probability with which a value behind a level is dropped in training.
    activation : str
        A key of `ACTIVATIONS`.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        width: int = 32,
        levels: int = 7,
        dropout: float = 0.2,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            known = ", ".join(ACTIVATIONS)
            raise BadInput(f"activation: expected one of {known}, got {activation!r}")
        if width < 1 or not 1 <= levels <= 10 or not 0 <= dropout < 1:
            raise BadInput(
                "unet: expected a width of 1 or more, 1 to 10 levels and a dropout from 0 up to "
                f"1, got {width}, {levels}, {dropout}"
            )
        self.divisor = 2**levels
        widths = [width * min(2**level, WIDEST) for level in range(levels)]
        self.down = nn.ModuleList()
        for level, out in enumerate(widths):
            before = channels if level == 0 else widths[level - 1]
            normal = level < levels - 1
            convolution = nn.Conv2d(before, out, 4, 2, 1, bias=not normal)
            self.down.append(_stage(convolution, out, activation, dropout, normal))
        self.up = nn.ModuleList()
        for level in reversed(range(levels)):
            out = widths[level - 1] if level else width
            before = widths[level] * (1 if level == levels - 1 else 2)
            normal = level < levels - 1
            enlarging = nn.ConvTranspose2d(before, out, 4, 2, 1, bias=not normal)
            self.up.append(_stage(enlarging, out, activation, dropout if level else 0, normal))
        self.head = nn.Conv2d(width + channels, outputs, 3, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (batch, outputs, height, width)."""
        kept = []
        x = image
        for down in self.down:
            x = down(x)
            kept.append(x)
        x = self.up[0](kept.pop())
        for up in list(self.up)[1:]:
            x = up(torch.cat([x, kept.pop()], 1))
        logits: Tensor = self.head(torch.cat([x, image], 1))
        return logits


def _stage(
    convolution: nn.Module, channels: int, activation: str, dropout: float, normal: bool
) -> nn.Sequential:
    parts = [convolution]
    parts += [nn.InstanceNorm2d(channels)] if normal else []
    parts.append(ACTIVATIONS[activation]())
    parts += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*parts)
