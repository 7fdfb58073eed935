"""What is the network that becomes the graph of a mask model? Generator, discriminator, scaling."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from zooassist_plugin.errors import BadInput
from zooassist_training.segmentation.committee import Committee, member_options
from zooassist_training.segmentation.discriminator import PatchDiscriminator
from zooassist_training.segmentation.encoder_unet import EncoderUNet
from zooassist_training.segmentation.tcup import TcupGenerator, in_stacks
from zooassist_training.segmentation.unet import UNet

Kind = Literal["mask", "volume"]
MONAI, TIMM, COMMITTEE = "monai:", "timm:", "committee"
# Arguments by which MONAI's networks are told what comes in and what goes out.
DIMENSIONS, CHANNELS_IN, CHANNELS_OUT = "spatial_dims", "in_channels", "out_channels"


@dataclass(frozen=True)
class DiscriminatorSpec:
    """Everything of a discriminator but the weights, see `PatchDiscriminator`."""

    width: int = 16
    layers: int = 3
    normal: bool = False
    dropout: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the form that the graph carries in its metadata."""
        return {
            "width": self.width,
            "layers": self.layers,
            "normal": self.normal,
            "dropout": self.dropout,
        }


@dataclass(frozen=True)
class SegmentationSpec:
    """Everything but the weights.

    Attributes
    ----------
    generator : str
        ``unet`` (masks), ``tcup`` (volumes), or for images ``monai:`` and the name of one of
        MONAI's networks, ``timm:`` and the name of an encoder, see `encoder_unet`, or
        ``committee`` of several, see `committee_of`.
    options : mapping
        Arguments of the generator.
    classes : int
        Without the background.
    divisor : int
        Sides of images must be multiples of it. 0: as the generator says, or 32.
    mean, deviation : tuple of float
        Per channel, of pixels scaled to 0-1; subtracted and divided by inside the graph.
    seam : float
        0, or one more class is learnt that is not exported, see `apart`; and that is taken for so
        many times as probable as it was learnt to be: a missed seam makes one object of two.
    """

    kind: Kind
    generator: str
    classes: int
    channels: int = 3
    options: Mapping[str, Any] = field(default_factory=dict)
    discriminator: DiscriminatorSpec = field(default_factory=DiscriminatorSpec)
    divisor: int = 0
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    seam: float = 0.0

    def __post_init__(self) -> None:
        if self.classes < 1 or self.channels < 1:
            raise BadInput(
                f"expected 1 class and 1 channel or more, got {self.classes} and {self.channels}"
            )
        object.__setattr__(self, "mean", tuple(self.mean) or (0.5,) * self.channels)
        object.__setattr__(self, "deviation", tuple(self.deviation) or (0.25,) * self.channels)
        if not len(self.mean) == len(self.deviation) == self.channels or min(self.deviation) <= 0:
            raise BadInput(
                f"expected a mean and a positive deviation of {self.channels} channels, got "
                f"{self.mean} and {self.deviation}"
            )
        if self.seam < 0:
            raise BadInput(f"seam: expected a weight of 0 or more, got {self.seam}")

    @property
    def logits(self) -> int:
        """Channels of the generator's output: of several classes the background has one, too."""
        learnt = self.classes + (self.seam > 0)
        return 1 if learnt == 1 else learnt + 1

    def to_json(self) -> dict[str, Any]:
        """Return the form that the graph carries in its metadata."""
        return {
            "kind": self.kind,
            "generator": self.generator,
            "classes": self.classes,
            "channels": self.channels,
            "options": dict(self.options),
            "discriminator": self.discriminator.to_json(),
            "divisor": self.divisor,
            "mean": list(self.mean),
            "deviation": list(self.deviation),
            "seam": self.seam,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> SegmentationSpec:
        """Read what `to_json` wrote.

        Raises
        ------
        BadInput
            When a part is missing or of another type.
        """
        try:
            fields = dict(content)
            fields["discriminator"] = DiscriminatorSpec(**content["discriminator"])
            return cls(**fields)
        except (TypeError, KeyError, ValueError) as error:
            raise BadInput(f"network description: {error}; train the model again") from error


class SegmentationNetwork(nn.Module):
    """Generator and discriminator of one model.

    Parameters
    ----------
    spec : SegmentationSpec
        With the divisor of its generator, where it has none.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, spec: SegmentationSpec) -> None:
        super().__init__()
        self.generator = build_generator(spec)
        divisor = spec.divisor or int(getattr(self.generator, "divisor", 32))
        self.spec = replace(spec, divisor=divisor)
        judge = spec.discriminator
        if 2**judge.layers > divisor:
            raise BadInput(
                f"discriminator: {judge.layers} layers halve an image more often than its smallest "
                f"side, {divisor} px, allows; give it fewer"
            )
        self.discriminator = PatchDiscriminator(
            spec.channels + spec.classes, judge.width, judge.layers, judge.normal, judge.dropout
        )
        for name in ("mean", "deviation"):
            self.register_buffer(name, torch.tensor(getattr(spec, name)), persistent=False)

    def normalise_by(self, mean: Iterable[float], deviation: Iterable[float]) -> None:
        """Set what is subtracted from, and divides, pixels scaled to 0-1."""
        self.spec = replace(self.spec, mean=tuple(mean), deviation=tuple(deviation))
        self.mean = torch.tensor(self.spec.mean, device=self.mean.device)
        self.deviation = torch.tensor(self.spec.deviation, device=self.deviation.device)

    def normalised(self, pixels: Tensor) -> Tensor:
        """Scale pixels (…, channels, height, width) from 0-255 to what the generator takes."""
        mean, deviation = self.mean[:, None, None], self.deviation[:, None, None]
        return (pixels / 255 - mean) / deviation

    def logits(self, stacks: Tensor) -> Tensor:
        """Return the generator's logits (batch, slices, logits, height, width) of stacks.

        Parameters
        ----------
        stacks : Tensor of shape (batch, slices, channels, height, width)
            Normalised. Images are stacks of one slice.
        """
        if self.spec.kind == "volume":
            volumes: Tensor = self.generator(stacks)
            return volumes
        images: Tensor = self.generator(stacks.flatten(0, 1))
        return in_stacks(images, stacks)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return the probabilities of the classes; what is left of 1 is background, or seam."""
        if self.spec.logits == 1:
            return torch.sigmoid(logits)
        if self.spec.seam not in (0.0, 1.0):
            last = logits.shape[-3] - 1
            seam = logits.narrow(-3, last, 1) + math.log(self.spec.seam)
            logits = torch.cat([logits.narrow(-3, 0, last), seam], -3)
        return torch.softmax(logits, -3).narrow(-3, 1, self.spec.classes)

    def judged(self, stacks: Tensor, masks: Tensor) -> Tensor:
        """Return the discriminator's logits (batch, slices, rows, columns), slice by slice."""
        logits: Tensor = self.discriminator(stacks.flatten(0, 1), masks.flatten(0, 1))
        return in_stacks(logits, stacks)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return (mask, patch realness) of uint8 images (batch, height, width, channels).

        What is exported of a model of images.
        """
        x = self.normalised(image.permute(0, 3, 1, 2).float())
        mask = self.probabilities(self.generator(x))
        return mask, torch.sigmoid(self.discriminator(x, mask))[:, None]


def build_generator(spec: SegmentationSpec) -> nn.Module:
    """Build the untrained generator of a description.

    Raises
    ------
    BadInput
        When there is none of that name, or it does not take these options.
    """
    made: Callable[..., nn.Module]
    fits, made = {"mask": ("unet", UNet), "volume": ("tcup", TcupGenerator)}[spec.kind]
    arguments = dict(spec.options)
    try:
        if spec.generator == fits:
            generator: nn.Module = made(spec.channels, spec.logits, **arguments)
            return generator
        if spec.generator.startswith(TIMM) and spec.kind == "mask":
            encoder = spec.generator.removeprefix(TIMM)
            return EncoderUNet(spec.channels, spec.logits, encoder, **arguments)
        if spec.generator == COMMITTEE and spec.kind == "mask":
            return _committee(spec, **arguments)
        if spec.generator.startswith(MONAI) and spec.kind == "mask":
            return _of_monai(spec.generator.removeprefix(MONAI), spec, arguments)
    except (TypeError, ValueError, NotImplementedError, AssertionError) as error:
        text = " ".join(str(error).split())[:160]
        raise BadInput(
            f"network {spec.generator}: does not take these options ({text}); see --network-options"
        ) from error
    others = ", monai:NAME (such as monai:BasicUNet) or timm:NAME (such as timm:resnet18)"
    other = others if spec.kind == "mask" else ""
    raise BadInput(f"network: expected {fits}{other}, got {spec.generator!r}")


def committee_of(members: Sequence[SegmentationNetwork], **changes: Any) -> SegmentationNetwork:  # noqa: ANN401
    """Return one network of images that draws the mean of several.

    Parameters
    ----------
    **changes
        Fields of its description that are to be others than the first member's.

    Raises
    ------
    BadInput
        When they do not draw the same.
    """
    specs = [each.spec for each in members]
    if not specs:
        raise BadInput("committee: expected one member or more, got none")
    first = specs[0]
    for other in specs:
        if other.kind != "mask" or (other.logits, other.channels) != (first.logits, first.channels):
            raise BadInput(
                f"committee: expected members of kind 'mask' with {first.logits} outputs of "
                f"{first.channels} channels, got kind {other.kind!r} with {other.logits} and "
                f"{other.channels}; train them on the same classes, with a gap or without"
            )
    described = [
        member_options(each.generator, each.options, each.mean, each.deviation) for each in specs
    ]
    spec = replace(
        first,
        generator=COMMITTEE,
        options={"members": described},
        divisor=0,
        mean=(0.0,) * first.channels,
        deviation=(1.0,) * first.channels,
    )
    network = SegmentationNetwork(replace(spec, **changes))
    assert isinstance(network.generator, Committee)
    for own, member in zip(network.generator.members, members, strict=True):
        own.load_state_dict(member.generator.state_dict())
    return network


def _committee(spec: SegmentationSpec, members: Sequence[Mapping[str, Any]]) -> Committee:
    generators = [
        build_generator(replace(spec, generator=each["generator"], options=each["options"]))
        for each in members
    ]
    return Committee(generators, [(each["mean"], each["deviation"]) for each in members])


def _of_monai(name: str, spec: SegmentationSpec, arguments: Mapping[str, Any]) -> nn.Module:
    from monai.networks import nets

    made = getattr(nets, name, None)
    if not (inspect.isclass(made) and issubclass(made, nn.Module)):
        raise BadInput(f"network: MONAI has no network {name!r}; see monai.networks.nets")
    told = {DIMENSIONS: 2, CHANNELS_IN: spec.channels, CHANNELS_OUT: spec.logits}
    taken = inspect.signature(made).parameters
    lacking = [argument for argument in told if argument not in taken]
    if lacking:
        raise BadInput(
            f"network: MONAI's {name} has no argument {lacking[0]!r}, so it is no network that "
            "makes an image of an image; choose another"
        )
    network: nn.Module = made(**told, **arguments)
    return network
