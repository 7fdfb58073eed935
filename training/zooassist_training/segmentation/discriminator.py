"""Does this mask look as if a person drew it? Judged patch by patch, each slice by itself.

The patch discriminators of patchGAN (Isola et al. 2017) and of TCuP-GAN (Mantha et al. 2023).
Nothing is normalised over slices, so that a slice's score is a function of that slice alone and
can be used to choose slices.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from zooassist_plugin.errors import BadInput

WIDEST = 8


class PatchDiscriminator(nn.Module):
    """Images beside masks (batch, channels, height, width) to logits per patch: person or network.

    Parameters
    ----------
    width : int
        Channels of the first layer.
    layers : int
        How often the image is halved: a score is of about ``2 ** layers`` pixels and their
        surroundings.
    normal : bool
        Whether each slice's features are normalised (over the slice, all channels together).
    dropout : float
        In training, before the last two layers.
    """

    def __init__(
        self,
        channels: int,
        width: int = 16,
        layers: int = 3,
        normal: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if width < 1 or not 1 <= layers <= 10 or not 0 <= dropout < 1:
            raise BadInput(
                "discriminator: expected a width of 1 or more, 1 to 10 layers and a dropout from 0 "
                f"up to 1, got {width}, {layers}, {dropout}"
            )
        widths = [width * min(2**layer, WIDEST) for layer in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for before, after in itertools.pairwise(widths[:-1]):
            parts.append(nn.Conv2d(before, after, 4, 2, 1))
            parts += [nn.GroupNorm(1, after)] if normal else []
            parts.append(nn.Tanh())
        parts += [nn.Dropout(dropout)] if dropout else []
        parts.append(nn.Conv2d(widths[-2], widths[-1], 3, 1, 1))
        parts += [nn.GroupNorm(1, widths[-1])] if normal else []
        parts += [nn.Tanh(), nn.Conv2d(widths[-1], 1, 3, 1, 1)]
        self.layers = nn.Sequential(*parts)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return logits (batch, rows, columns), high for masks that people drew.

        Parameters
        ----------
        image : Tensor of shape (batch, channels, height, width)
        mask : Tensor of shape (batch, classes, height, width)
            Probabilities, or zeros and ones.
        """
        logits: Tensor = self.layers(torch.cat([image, mask], 1))
        return logits[:, 0]
