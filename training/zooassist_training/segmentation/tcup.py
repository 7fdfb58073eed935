"""What draws masks of volumes? A UNet over slices whose levels remember: TCuP-GAN's generator.

Mantha, Sankar and Fortson 2023 (https://arxiv.org/abs/2311.14148), in our words. Convolutions are
those of single slices; slices know of each other by ConvLSTM layers (Shi et al. 2015,
https://arxiv.org/abs/1506.04214), which go through them once, forwards. What a layer of the
encoder remembers at the last slice is where the mirrored layer of the decoder begins: a second kind
of skip connection. Different from there, each for a reason:

- Normalisation is of one slice at a time and over all channels together. A mean over slices would
  make a volume's mask depend on how it was cut into chunks; one per channel would take away from an
  empty slice that it is empty.
- The last layer is as wide as the first and sees the slice itself, too: with as many channels as
  classes, half as large as the image, borders were blurred.
- Gates have a bias, and forgetting begins small (Jozefowicz et al. 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from zooassist_plugin.errors import BadInput

# (hidden, cell) of every layer.
States: TypeAlias = list[tuple[Tensor, Tensor]]
SLOPE = 0.2
GATES = 4


class ConvLstm(nn.Module):
    """A layer that goes through the slices of a volume and remembers.

    Parameters
    ----------
    channels, hidden : int
        Coming in, and remembered.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        # One convolution of (slice, hidden), in two: that of the slices needs no loop.
        self.of_slice = nn.Conv2d(channels, GATES * hidden, 3, 1, 1)
        self.of_hidden = nn.Conv2d(hidden, GATES * hidden, 3, 1, 1, bias=False)
        with torch.no_grad():
            assert self.of_slice.bias is not None
            self.of_slice.bias.zero_()
            self.of_slice.bias[hidden : 2 * hidden] = 1.0

    def forward(
        self, slices: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return what is put out at each slice, and the state at the last.

        Parameters
        ----------
        slices : Tensor of shape (batch, slices, channels, height, width)
        state : tuple of Tensor
            Hidden and cell, each (batch, hidden, height, width).

        Returns
        -------
        Tensor of shape (batch, slices, hidden, height, width)
        """
        hidden, cell = state
        gates = each_slice(self.of_slice, slices)
        outputs = []
        for gate in gates.unbind(1):
            let_in, forget, out, new = (gate + self.of_hidden(hidden)).chunk(GATES, 1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(let_in) * torch.tanh(new)
            hidden = torch.sigmoid(out) * torch.tanh(cell)
            outputs.append(hidden)
        return torch.stack(outputs, 1), (hidden, cell)


def each_slice(layer: nn.Module, slices: Tensor) -> Tensor:
    """Put every slice of (batch, slices, …) through a layer of images."""
    return in_stacks(layer(slices.flatten(0, 1)), slices)


def in_stacks(images: Tensor, stacks: Tensor) -> Tensor:
    """Split the first axis of images as the first two of stacks (batch, slices, …)."""
    return images.reshape(*stacks.shape[:2], *images.shape[1:])


@dataclass(frozen=True)
class Level:
    """How one layer of the generator is made.

    Attributes
    ----------
    channels, hidden : int
        Coming in, and remembered.
    halvings : int
        How often the slices were halved where the layer works.
    """

    channels: int
    hidden: int
    halvings: int


class TcupGenerator(nn.Module):
    """Volumes (batch, slices, channels, height, width) to logits of the same size.

    Parameters
    ----------
    outputs : int
        Channels of the logits.
    hidden : sequence of int
        What each level of the encoder remembers; slices are halved behind each, so that their
        sides must be multiples of ``2 ** len(hidden)``.
    """

    def __init__(self, channels: int, outputs: int, hidden: Sequence[int] = (16, 32, 64)) -> None:
        super().__init__()
        if not hidden or min(hidden) < 1 or len(hidden) > 10:
            raise BadInput(f"hidden: expected 1 to 10 positive numbers, got {list(hidden)}")
        levels = len(hidden)
        self.divisor = 2**levels
        before = [channels, *hidden[:-1]]
        self.encoder_levels = [
            Level(before[level], hidden[level], level) for level in range(levels)
        ]
        out = [*reversed(hidden[:-1]), hidden[0]]
        self.decoder_levels = []
        for step in range(levels):
            mirrored = levels - 1 - step
            coming = hidden[-1] if step == 0 else out[step - 1] + hidden[mirrored]
            self.decoder_levels.append(Level(coming, out[step], mirrored + 1))
        self.encoder = nn.ModuleList(ConvLstm(x.channels, x.hidden) for x in self.encoder_levels)
        self.decoder = nn.ModuleList(ConvLstm(x.channels, x.hidden) for x in self.decoder_levels)
        self.skip = nn.ModuleList(
            nn.Conv2d(hidden[levels - 1 - step], out[step], 1, bias=False) for step in range(levels)
        )
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(each, each, 2, 2) for each in out)
        self.norm = nn.ModuleList(nn.GroupNorm(1, each) for each in out)
        self.blend = nn.Conv2d(hidden[0] + channels, hidden[0], 3, 1, 1)
        self.head = nn.Conv2d(hidden[0], outputs, 3, 1, 1)

    def forward(self, volume: Tensor) -> Tensor:
        """Return logits (batch, slices, outputs, height, width) of whole volumes."""
        features, encoded = self.encode(volume, self.nothing(self.encoder_levels, volume))
        cells = self.first_cells(encoded)
        begun = [(torch.zeros_like(cell), cell) for cell in cells]
        return self.decode(volume, features, begun)[0]

    @staticmethod
    def nothing(levels: Sequence[Level], volume: Tensor) -> States:
        """Return the state of layers that saw nothing yet."""
        batch, _, _, height, width = volume.shape
        states = []
        for level in levels:
            part = 2**level.halvings
            empty = volume.new_zeros(batch, level.hidden, height // part, width // part)
            states.append((empty, empty))
        return states

    def encode(self, volume: Tensor, states: States) -> tuple[list[Tensor], States]:
        """Return the halved outputs of each level of the encoder, and the states after them."""
        features, after = [], []
        x = volume
        for layer, state in zip(self.encoder, states, strict=True):
            x, kept = layer(x, state)
            x = each_slice(nn.MaxPool2d(2), x)
            features.append(x)
            after.append(kept)
        return features, after

    def first_cells(self, encoded: States) -> list[Tensor]:
        """Return the cells with which the decoder begins, of the encoder's states at the end."""
        return [
            functional.max_pool2d(project(cell), 2)
            for project, (_, cell) in zip(self.skip, reversed(encoded), strict=True)
        ]

    def decode(
        self, volume: Tensor, features: Sequence[Tensor], states: States
    ) -> tuple[Tensor, States]:
        """Return logits of the slices, and the decoder's states after them."""
        after = []
        x = features[-1]
        layers = zip(self.decoder, self.enlarge, self.norm, strict=True)
        for step, (layer, enlarge, norm) in enumerate(layers):
            if step:
                x = torch.cat([x, features[-1 - step]], 2)
            x, kept = layer(x, states[step])
            x = functional.leaky_relu(each_slice(norm, each_slice(enlarge, x)), SLOPE)
            after.append(kept)
        x = functional.leaky_relu(each_slice(self.blend, torch.cat([x, volume], 2)), SLOPE)
        return each_slice(self.head, x), after
