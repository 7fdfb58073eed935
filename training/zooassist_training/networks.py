"""What is the network that becomes `model.onnx`? Bytes of pixels in, concentrations out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from zooassist_plugin.errors import BadInput
from zooassist_training.encoders import Channels, EncoderSpec, build_encoder, embedding_size
from zooassist_training.heads import CONCENTRATIONS, DirichletHead


@dataclass(frozen=True)
class NetworkSpec:
    """Everything but the weights.

    Attributes
    ----------
    size : int
        Side in pixels of the images.
    answers : int
        Number of label columns.
    concentrations : str
        A key of `heads.CONCENTRATIONS`.
    dropout : float
        Probability with which the head drops a feature.
    samples : int
        Posterior samples, see `heads.DirichletHead`; 1 is deterministic.
    greyscale : bool
        Whether the graph takes the colour out before anything else looks.
    mean, deviation : tuple of float
        Per channel, of pixels scaled to 0-1; subtracted and divided by inside the graph.
    """

    encoder: EncoderSpec
    size: int
    answers: int
    concentrations: str = "exponential"
    dropout: float = 0.2
    samples: int = 1
    greyscale: bool = False
    mean: Channels = (0.5, 0.5, 0.5)
    deviation: Channels = (0.25, 0.25, 0.25)

    def __post_init__(self) -> None:
        if self.concentrations not in CONCENTRATIONS:
            known = ", ".join(CONCENTRATIONS)
            raise BadInput(f"head: expected one of {known}, got {self.concentrations!r}")
        if not 0 <= self.dropout < 1:
            raise BadInput(f"dropout: expected 0 up to but not including 1, got {self.dropout}")
        if self.samples < 1:
            raise BadInput(f"samples: expected 1 or more, got {self.samples}")
        if self.samples > 1 and self.dropout == 0:
            raise BadInput(
                f"samples: without dropout all {self.samples} would be the same; "
                "give a --dropout, or --samples 1"
            )
        if self.answers < 1:
            raise BadInput("the label schema has no answers; nothing can be learnt from it")
        if min(self.deviation) <= 0:
            raise BadInput(f"deviation: expected positive numbers, got {self.deviation}")

    def to_json(self) -> dict[str, Any]:
        """Return the form that the graph carries in its metadata."""
        return {
            "encoder": self.encoder.to_json(),
            "size": self.size,
            "answers": self.answers,
            "concentrations": self.concentrations,
            "dropout": self.dropout,
            "samples": self.samples,
            "greyscale": self.greyscale,
            "mean": list(self.mean),
            "deviation": list(self.deviation),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> NetworkSpec:
        """Read what `to_json` wrote.

        Raises
        ------
        BadInput
            When a part is missing or impossible.
        """
        try:
            return cls(
                encoder=EncoderSpec.from_json(content["encoder"]),
                size=int(content["size"]),
                answers=int(content["answers"]),
                concentrations=str(content["concentrations"]),
                dropout=float(content["dropout"]),
                # Graphs of before there were samples and greyscale do not say so.
                samples=int(content.get("samples", 1)),
                greyscale=bool(content.get("greyscale", False)),
                mean=_channels(content["mean"]),
                deviation=_channels(content["deviation"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"network description: problem at {error}") from error


def _channels(values: Iterable[float]) -> Channels:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _per_channel(values: Channels) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1) * 255


# Weights of red, green and blue in brightness, ITU-R BT.601, as Pillow's mode L has them.
GREY = (0.299, 0.587, 0.114)


class VotesNetwork(nn.Module):
    """Encoder and Dirichlet head behind one door that takes uint8 images.

    Parameters
    ----------
    spec : NetworkSpec
    encoder : nn.Module, optional
        With weights of its own; an untrained one by default.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, spec: NetworkSpec, encoder: nn.Module | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = build_encoder(spec.encoder) if encoder is None else encoder
        self.features = embedding_size(self.encoder, spec.size)
        self.head = DirichletHead(
            self.features, spec.answers, spec.dropout, spec.concentrations, spec.samples
        )
        self.register_buffer("mean", _per_channel(spec.mean))
        self.register_buffer("deviation", _per_channel(spec.deviation))
        self.to(memory_format=torch.channels_last)

    def normalise_by(self, mean: Channels, deviation: Channels) -> None:
        """Expect pixels (scaled to 0-1) of these statistics from now on."""
        self.spec = replace(self.spec, mean=mean, deviation=deviation)
        self.mean.copy_(_per_channel(mean))
        self.deviation.copy_(_per_channel(deviation))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return (concentrations, embedding) for uint8 images (batch, height, width, 3)."""
        return self.from_pixels(image.permute(0, 3, 1, 2).float())

    def from_pixels(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return (concentrations, embedding) for float pixels 0-255 (batch, 3, height, width).

        Returns
        -------
        concentrations : Tensor of shape (batch, samples, answers), float32
        embedding : Tensor of shape (batch, features), float32
        """
        embedding = self.embed(pixels)
        return self.from_embedding(embedding), embedding

    def embed(self, pixels: Tensor) -> Tensor:
        """Return the embedding (batch, features) of float pixels 0-255."""
        if self.spec.greyscale:
            weights = torch.tensor(GREY, device=pixels.device).view(1, 3, 1, 1)
            pixels = (pixels * weights).sum(1, keepdim=True).expand(-1, 3, -1, -1)
        embedding: Tensor = self.encoder((pixels - self.mean) / self.deviation)
        return embedding.float()

    def from_embedding(self, embedding: Tensor) -> Tensor:
        """Return the concentrations (batch, samples, answers) that follow from an embedding."""
        # In full precision: lgamma differences of bfloat16 concentrations are noise.
        with torch.autocast(device_type=embedding.device.type, enabled=False):
            concentrations: Tensor = self.head(embedding)
        return concentrations
