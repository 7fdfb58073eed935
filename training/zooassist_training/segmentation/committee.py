"""How do several networks draw one mask? The mean of what each takes for probable.

Networks that share neither architecture nor start err at different places: their mean draws better
than the best of them (deep ensembles, Lakshminarayanan et al. 2017, arXiv:1612.01474). Together
they are one generator, with logits like any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zooassist_plugin.errors import BadInput

# Below this a probability's logarithm says no more.
LEAST = 1e-7


class Committee(nn.Module):
    """Images (batch, channels, height, width), scaled to 0-1, to logits of the same size.

    Parameters
    ----------
    members : sequence of Module
        Generators of the same outputs.
    pixels : sequence of (mean, deviation)
        What each takes off an image, and divides it by, channel by channel.
    """

    def __init__(
        self,
        members: Sequence[nn.Module],
        pixels: Sequence[tuple[Sequence[float], Sequence[float]]],
    ) -> None:
        super().__init__()
        if not members:
            raise BadInput("committee: expected one member or more, got none")
        self.members = nn.ModuleList(members)
        self.divisor = math.lcm(*(int(getattr(each, "divisor", 32)) for each in members))
        self._pixels = [
            tuple(torch.tensor(part)[:, None, None] for part in each) for each in pixels
        ]

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (batch, outputs, height, width)."""
        drawn = []
        for member, (mean, deviation) in zip(self.members, self._pixels, strict=True):
            seen = (image - mean.to(image.device)) / deviation.to(image.device)
            logits = member(seen)
            drawn.append(torch.sigmoid(logits) if logits.shape[1] == 1 else logits.softmax(1))
        mean_of_all = torch.stack(drawn).mean(0)
        if mean_of_all.shape[1] == 1:
            certain = mean_of_all.clamp(LEAST, 1 - LEAST)
            return certain.log() - (1 - certain).log()
        return mean_of_all.clamp_min(LEAST).log()


def member_options(
    generator: str, options: Mapping[str, Any], mean: Sequence[float], deviation: Sequence[float]
) -> dict[str, Any]:
    """Return how a committee's options describe a member."""
    return {
        "generator": generator,
        "options": dict(options),
        "mean": list(mean),
        "deviation": list(deviation),
    }
