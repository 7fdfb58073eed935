"""How does an encoder that learnt to tell images apart draw masks? As the first half of a UNet.

The encoder is any of timm's that gives its features at several sizes. Mirrored levels enlarge them
again (to the nearest pixel, then convolve), each beside the encoder's features of its size; the
last one sees the image itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from zooassist_plugin.errors import BadInput


class EncoderUNet(nn.Module):
    """Images (batch, channels, height, width) to logits of the same size.

    Parameters
    ----------
    outputs : int
        Channels of the logits.
    encoder : str
        Name of one of timm's models.
    levels : int
        How many of its feature sizes are used, from the largest on.
    width : int
        Channels of the last level of the decoder; each level before has twice as many, up to 8
        times.
    encoder_options : mapping, optional
        Further arguments for timm.
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        encoder: str = "resnet18",
        levels: int = 4,
        width: int = 16,
        encoder_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if width < 1 or not 1 <= levels <= 6:
            raise BadInput(
                f"encoder: expected a width of 1 or more and 1 to 6 levels, got {width}, {levels}"
            )
        try:
            self.encoder = timm.create_model(
                encoder,
                pretrained=False,
                features_only=True,
                in_chans=channels,
                out_indices=tuple(range(levels)),
                **(encoder_options or {}),
            )
        except (RuntimeError, TypeError, ValueError, IndexError, AssertionError) as error:
            text = " ".join(str(error).split())[:160]
            raise BadInput(
                f"network timm:{encoder}: expected one of timm's models that gives features of "
                f"{levels} sizes ({text}); choose another"
            ) from error
        _leave_out_unused(self.encoder)
        about: Any = self.encoder.feature_info
        found, reductions = about.channels(), about.reduction()
        self.divisor = int(reductions[-1])
        larger = [1, *reductions[:-1]]
        self._steps = [after // each for each, after in zip(larger, reductions, strict=True)]
        self.decoder = nn.ModuleList()
        coming = found[-1]
        for level in reversed(range(levels)):
            out = width * min(2**level, 8)
            beside = found[level - 1] if level else channels
            self.decoder.append(
                nn.Sequential(
                    nn.Conv2d(coming + beside, out, 3, 1, 1, bias=False),
                    nn.GroupNorm(1, out, affine=True),
                    nn.ReLU(inplace=True),
                )
            )
            coming = out
        self.head = nn.Conv2d(coming, outputs, 3, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits (batch, outputs, height, width)."""
        features = [image, *self.encoder(image)]
        x = features.pop()
        for level, step in zip(self.decoder, reversed(self._steps), strict=True):
            x = functional.interpolate(x, scale_factor=float(step), mode="nearest")
            x = level(torch.cat([x, features.pop()], 1))
        logits: Tensor = self.head(x)
        return logits

    def take_encoder(self, weights: Mapping[str, Tensor]) -> int:
        """Take over an encoder's weights by name and shape; return how many.

        Raises
        ------
        BadInput
            When none fits.
        """
        own = self.encoder.state_dict()
        fitting = {
            name: weights[name]
            for name, value in own.items()
            if name in weights and weights[name].shape == value.shape
        }
        if not fitting:
            raise BadInput("encoder: none of the weights fits this one; give those of its name")
        self.encoder.load_state_dict(own | fitting)
        return len(fitting)


def _leave_out_unused(encoder: nn.Module) -> None:
    """Cut what lies behind the last features: timm's EfficientNets compute it and give it away."""
    blocks = getattr(encoder, "blocks", None)
    if isinstance(blocks, nn.Sequential) and hasattr(encoder, "feature_info"):
        about: Any = encoder.feature_info
        last = max(each["stage"] for each in about.get_dicts())
        encoder.blocks = blocks[:last]
