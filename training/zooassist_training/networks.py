"""What is the network that becomes `model.onnx`? Bytes of pixels in, votes or values out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zooassist_plugin.errors import BadInput
from zooassist_training.encoders import Channels, EncoderSpec, build_encoder, embedding_size
from zooassist_training.heads import CONCENTRATIONS, DirichletHead, GaussianHead, SampledHead

Kind = Literal["votes", "values"]
Floats: TypeAlias = NDArray[np.floating]


@dataclass(frozen=True)
class NetworkSpec:
    """Everything but the weights.

    Attributes
    ----------
    size : int
        Side in pixels of the images.
    answers : int
        Number of label columns, or of targets.
    concentrations : str
        A key of `heads.CONCENTRATIONS`; of no use to values.
    dropout : float
        Probability with which the head drops a feature.
    samples : int
        Posterior samples, see `heads.DirichletHead`; 1 is deterministic.
    greyscale : bool
        Whether the graph takes the colour out before anything else looks.
    mean, deviation : tuple of float
        Per channel, of pixels scaled to 0-1; subtracted and divided by inside the graph.
    kind : str
        What is answered; the kind of the model in `model.json`.
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
    kind: Kind = "votes"

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise BadInput(f"kind: expected one of {', '.join(get_args(Kind))}, got {self.kind!r}")
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
        """Return the form that the graph carries in its metadata.

        Of votes it says no kind: their graphs are, byte by byte, those of before there was another.
        """
        content = {
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
        return content if self.kind == "votes" else content | {"kind": self.kind}

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
                kind=content.get("kind", "votes"),
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


class HeadedNetwork(nn.Module, ABC):
    """Encoder and head behind one door that takes uint8 images.

    Parameters
    ----------
    spec : NetworkSpec
    encoder : nn.Module, optional
        With weights of its own; an untrained one by default.
    """

    mean: Tensor
    deviation: Tensor
    head: SampledHead
    kind: ClassVar[Kind]

    def __init__(self, spec: NetworkSpec, encoder: nn.Module | None = None) -> None:
        super().__init__()
        if spec.kind != self.kind:
            raise BadInput(f"{type(self).__name__}: expected kind {self.kind!r}, got {spec.kind!r}")
        self.spec = spec
        self.encoder = build_encoder(spec.encoder) if encoder is None else encoder
        self.features = embedding_size(self.encoder, spec.size)
        self.head = self.build_head()
        self.register_buffer("mean", _per_channel(spec.mean))
        self.register_buffer("deviation", _per_channel(spec.deviation))
        self.to(memory_format=torch.channels_last)

    @abstractmethod
    def build_head(self) -> SampledHead:
        """Build an untrained head for `spec` and `features`."""

    @property
    @abstractmethod
    def answer_shape(self) -> tuple[int, ...]:
        """Shape of one sample's answers for one image."""

    @abstractmethod
    def difference(self, answers: Floats, expected: Floats) -> float:
        """Return the largest difference between two arrays of answers, in units that compare."""

    def normalise_by(self, mean: Channels, deviation: Channels) -> None:
        """Expect pixels (scaled to 0-1) of these statistics from now on."""
        self.spec = replace(self.spec, mean=mean, deviation=deviation)
        self.mean.copy_(_per_channel(mean))
        self.deviation.copy_(_per_channel(deviation))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return (answers, embedding) for uint8 images (batch, height, width, 3)."""
        return self.from_pixels(image.permute(0, 3, 1, 2).float())

    def from_pixels(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return (answers, embedding) for float pixels 0-255 (batch, 3, height, width).

        Returns
        -------
        answers : Tensor of shape (batch, samples, *answer_shape), float32
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
        """Return the answers (batch, samples, *answer_shape) that follow from an embedding."""
        # In full precision: lgamma differences of bfloat16 concentrations are noise.
        with torch.autocast(device_type=embedding.device.type, enabled=False):
            answers: Tensor = self.head(embedding)
        return answers


class VotesNetwork(HeadedNetwork):
    """A network whose answers are concentrations, one per label column."""

    kind = "votes"
    head: DirichletHead

    def build_head(self) -> DirichletHead:
        """Build a Dirichlet head."""
        spec = self.spec
        return DirichletHead(
            self.features, spec.answers, spec.dropout, spec.concentrations, spec.samples
        )

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """One number per label column."""
        return (self.spec.answers,)

    def difference(self, answers: Floats, expected: Floats) -> float:
        """Return the largest relative difference."""
        return float(np.abs(answers / expected - 1).max())


class ValuesNetwork(HeadedNetwork):
    """A network whose answers are mean and deviation of every target, in its own unit."""

    kind = "values"
    head: GaussianHead

    def build_head(self) -> GaussianHead:
        """Build a Gaussian head."""
        return GaussianHead(self.features, self.spec.answers, self.spec.dropout, self.spec.samples)

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """Mean and deviation per target."""
        return (self.spec.answers, 2)

    def difference(self, answers: Floats, expected: Floats) -> float:
        """Return the largest difference, in the spread that each target had in training."""
        scale = self.head.target_scale.cpu().numpy()[:, None]
        return float((np.abs(answers - expected) / scale).max())


# Kind -> the network that answers it.
NETWORKS: dict[str, type[HeadedNetwork]] = {"votes": VotesNetwork, "values": ValuesNetwork}


def network_of(spec: NetworkSpec, encoder: nn.Module | None = None) -> HeadedNetwork:
    """Build the network of a description; see `HeadedNetwork`."""
    return NETWORKS[spec.kind](spec, encoder)
