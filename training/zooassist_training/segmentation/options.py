"""Which options do `zooassist train mask` and `train volume` take? Grouped as their help shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import click

from zooassist_training.votes_options import MACHINE, RESULT, JsonObject

Option: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]
LOSSES = ("focal-tversky", "dice-ce", "weighted-bce")


def _network(usual: str, others: str) -> tuple[Option, ...]:
    return (
        click.option(
            "--from",
            "start",
            metavar="MODEL",
            help="Take over whatever fits of this model's weights (transfer).",
        ),
        click.option("--network", default=usual, show_default=True, help=others),
        click.option(
            "--network-options",
            type=JsonObject(),
            default="{}",
            help="Arguments of the network, as JSON.",
        ),
        click.option(
            "--judge-width",
            type=click.IntRange(1),
            default=16,
            show_default=True,
            help="Channels of the discriminator's first layer.",
        ),
        click.option(
            "--judge-layers",
            type=click.IntRange(1, 10),
            default=3,
            show_default=True,
            help="How often the discriminator halves an image.",
        ),
        click.option(
            "--store",
            type=click.Choice(["float32", "float16", "int8"]),
            default="float32",
            show_default=True,
            help="How weights are kept; float16 halves the file, int8 quarters it.",
        ),
    )


def _fitting(loss: str, rate: float, batch: int) -> tuple[Option, ...]:
    return (
        click.option(
            "--epochs", type=click.IntRange(1), default=60, show_default=True, help="At most."
        ),
        click.option(
            "--patience",
            type=click.IntRange(0),
            default=20,
            show_default=True,
            help="Stop after so many epochs without a lower validation loss; 0: never.",
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(1),
            default=batch,
            show_default=True,
            help="Windows per step and device.",
        ),
        click.option(
            "--windows",
            type=click.IntRange(1),
            default=1,
            show_default=True,
            help="Windows of every image and epoch: more than 1 for large images.",
        ),
        click.option(
            "--learning-rate",
            type=float,
            default=rate,
            show_default=True,
            help="The generator's highest.",
        ),
        click.option(
            "--averaging",
            type=float,
            default=0.99,
            show_default=True,
            help="Decay of the averaged weights, per step.",
        ),
        click.option(
            "--loss",
            type=click.Choice(LOSSES),
            default=loss,
            show_default=True,
            help="What masks are measured by.",
        ),
        click.option("--train-on-validation", is_flag=True, help="Learn from validation, too."),
        click.option("--seed", type=int, default=1, show_default=True, help="Of all randomness."),
    )


ADVERSARY: tuple[Option, ...] = (
    click.option(
        "--seg-alpha",
        type=click.FloatRange(0, min_open=True),
        default=200.0,
        show_default=True,
        help="How much masks count beside what the discriminator says of them.",
    ),
    click.option(
        "--judge-rate",
        type=float,
        default=1e-3,
        show_default=True,
        help="The discriminator's highest learning rate.",
    ),
    click.option(
        "--judge-after",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Epochs before the generator listens to the discriminator.",
    ),
    click.option(
        "--judge-every",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="The discriminator learns at every n-th step.",
    ),
    click.option(
        "--judge-epochs",
        type=click.IntRange(0),
        default=5,
        show_default=True,
        help="In which the discriminator goes on alone when the generator is done.",
    ),
)


def _augmentation(still: str) -> tuple[Option, ...]:
    return (
        click.option(
            "--upright/--any-direction",
            default=still == "upright",
            show_default=True,
            help="Whether images have an up direction, and are turned a little only.",
        ),
        click.option(
            "--turn",
            type=click.FloatRange(0, 90),
            default=10.0,
            show_default=True,
            help="Largest angle in degrees by which upright images are turned.",
        ),
        click.option(
            "--shift",
            type=click.FloatRange(0, 1, max_open=True),
            default=0.05,
            show_default=True,
            help="Largest shift, as a fraction of the squares that are learnt from.",
        ),
        click.option("--flip/--no-flip", default=True, show_default=True, help="Mirror images."),
        click.option(
            "--zoom",
            type=click.FloatRange(0, 1, max_open=True),
            default=0.1,
            show_default=True,
            help="Largest change of scale, as a natural logarithm.",
        ),
        click.option(
            "--brightness",
            type=click.FloatRange(0, 1, max_open=True),
            default=0.1,
            show_default=True,
            help="Largest relative change of brightness.",
        ),
    )


# Of networks of images alone.
BEGINNINGS: tuple[Option, ...] = (
    click.option(
        "--encoder-weights",
        metavar="NAME",
        help="hf_hub:OWNER/NAME or local-dir:FOLDER: what the encoder of --network timm:… knows.",
    ),
    click.option(
        "--member",
        "members",
        multiple=True,
        metavar="MODEL",
        help="Draw the mean of these models, and train nothing but a discriminator; repeat it.",
    ),
)
IMAGES: tuple[Option, ...] = (
    click.option(
        "--size",
        type=click.IntRange(8, 4096),
        default=256,
        show_default=True,
        help="Side of the squares that are learnt from.",
    ),
    click.option(
        "--tile",
        type=click.IntRange(0, 8192),
        default=0,
        help="Side of the squares in which large images are seen when served; usually --size.",
    ),
    click.option(
        "--scale",
        type=click.FloatRange(0, 8, min_open=True),
        default=1.0,
        show_default=True,
        help="Make images so much larger first (0.5: half as wide), label maps with them.",
    ),
    click.option(
        "--gap",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Objects that lie within so many pixels have a seam between them, so that they come "
        "apart.",
    ),
    click.option(
        "--seam",
        type=click.FloatRange(0, min_open=True),
        default=2.0,
        show_default=True,
        help="With --gap: how many times as probable as learnt a seam is taken for.",
    ),
    click.option(
        "--stretch",
        type=(float, float, float),
        metavar="Q LOW HIGH",
        help="FITS: arcsinh(Q x flux), then the percentiles LOW and HIGH become black and white.",
    ),
)
VOLUMES: tuple[Option, ...] = (
    click.option(
        "--size",
        type=click.IntRange(8, 4096),
        default=64,
        show_default=True,
        help="Side of the windows that are learnt from.",
    ),
    click.option(
        "--depth",
        type=click.IntRange(1),
        default=32,
        show_default=True,
        help="Slices of the windows that are learnt from.",
    ),
    click.option(
        "--scaling",
        type=(float, float),
        default=(0.5, 99.5),
        show_default=True,
        metavar="LOW HIGH",
        help="Percentiles of each volume and modality that become 0 and 255.",
    ),
    click.option(
        "--class",
        "classes",
        multiple=True,
        metavar="NUMBER=NAME",
        help="Name a label of a folder of volumes; may be repeated.",
    ),
)
MASK_SECTIONS: Mapping[str, Sequence[Option]] = {
    "What is written": RESULT,
    "The network": (
        *_network("unet", "unet, monai:NAME (monai:BasicUNet), or timm:ENCODER in a UNet."),
        *BEGINNINGS,
    ),
    "What it sees": IMAGES,
    "How it learns": _fitting("focal-tversky", 1e-3, 8),
    "The discriminator": ADVERSARY,
    "How images are changed in training": _augmentation("any"),
    "The machine": MACHINE,
}
VOLUME_SECTIONS: Mapping[str, Sequence[Option]] = {
    "What is written": RESULT,
    "The network": _network("tcup", "tcup."),
    "What it sees": VOLUMES,
    "How it learns": _fitting("dice-ce", 2e-3, 4),
    "The discriminator": ADVERSARY,
    "How volumes are changed in training": _augmentation("upright"),
    "The machine": MACHINE,
}


def _without(options: Sequence[Option], *names: str) -> tuple[Option, ...]:
    return tuple(option for option in options if _name_of(option) not in names)


def _name_of(option: Option) -> str | None:
    # click hands out no option before it is on a command.
    name: str | None = vars(option(lambda: None))["__click_params__"][-1].name
    return name


# Nothing is kept of a simulation's networks, and no volume is spared to choose an epoch.
SIMULATION_SECTIONS: Mapping[str, Sequence[Option]] = {
    "The networks": _without(
        _network("tcup", "tcup; or unet, monai:NAME, timm:NAME, which see single slices."),
        "start",
        "store",
    ),
    "What they see": _without(VOLUMES, "classes"),
    "How they learn": _without(
        _fitting("dice-ce", 2e-3, 4), "patience", "train_on_validation", "seed"
    ),
    "The discriminator": ADVERSARY,
    "How volumes are changed in training": _augmentation("upright"),
    "The machine": _without(MACHINE, "devices", "strategy", "checkpoints"),
}
