"""`zooassist train mask` and `zooassist train volume`: the doors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from pydantic import ValidationError

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import MaskClass, Stretch, VolumeScaling, first_problem
from zooassist_training.segmentation.options import MASK_SECTIONS, VOLUME_SECTIONS
from zooassist_training.votes_options import SectionedCommand, with_sections

if TYPE_CHECKING:
    from zooassist_training.segmentation.mask_recipe import MaskRecipe


@click.command(
    cls=SectionedCommand,
    epilog="""\b
Examples:
  zooassist train mask cells --out models/cells
  zooassist train mask cells --out models/light --network monai:BasicUNet --loss dice-ce
  zooassist train mask cells --out models/next --from models/other-project""",
)
@click.argument("training_set", type=click.Path(path_type=Path))
@with_sections(MASK_SECTIONS)
def mask(training_set: Path, out: Path, **given: Any) -> None:  # noqa: ANN401
    """Learn to draw the masks of TRAINING_SET, a folder that `zooassist export masks` wrote."""
    stretch = given.pop("stretch")
    given["stretch"] = Stretch()
    if stretch is not None:
        given["stretch"] = checked(
            Stretch, "--stretch", q=stretch[0], low=stretch[1], high=stretch[2]
        )
    _train(training_set, out, "mask", given)


@click.command(
    cls=SectionedCommand,
    epilog="""\b
Examples:
  zooassist train volume scans --out models/scans
  zooassist train volume hippocampus --out models/mri --class 1=anterior --class 2=posterior
  zooassist train volume scans --out models/deep --network-options '{"hidden": [16, 32, 48]}'""",
)
@click.argument("volumes", type=click.Path(path_type=Path))
@with_sections(VOLUME_SECTIONS)
def volume(volumes: Path, out: Path, **given: Any) -> None:  # noqa: ANN401
    """Learn to draw the masks of VOLUMES.

    VOLUMES is a training set whose images are volumes, with a mask of every slice, or a folder with
    images/ and labels/ that hold NIfTI files, tiff stacks or folders of slices, of the same names.
    """
    low, high = given.pop("scaling")
    given["scaling"] = checked(VolumeScaling, "--scaling", low=low, high=high)
    given["classes"] = _named(given.pop("classes"))
    _train(volumes, out, "volume", given)


def _train(data: Path, out: Path, kind: str, given: dict[str, Any]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Imported here: `zooassist train --help` needs no torch.
    from zooassist_training.segmentation.train import train_masks

    source = click.get_current_context().get_parameter_source("network")
    if given.get("members") and source is ParameterSource.DEFAULT:
        given["network"] = ""  # the usual one is for who has none yet
    checkpoints, overwrite = given.pop("checkpoints"), given.pop("overwrite")
    recipe = mask_recipe(kind=kind, name=given.pop("name") or out.resolve().name, **given)
    trained = train_masks(data, out, recipe, checkpoints=checkpoints, overwrite=overwrite)
    for problem in trained.problems:
        click.echo(f"error: {problem}", err=True)
    click.echo(
        f"{out}: model {trained.folder.card.name} {trained.folder.card.version}, "
        f"{kind}s: {trained.images}, epochs: {trained.epochs}, ONNX parity {trained.parity:.1e}"
    )
    for name, value in trained.test.items():
        click.echo(f"  test {name}: {value:.4f}")
    if trained.problems:
        raise SystemExit(1)


def mask_recipe(
    *,
    size: int,
    windows: int,
    upright: bool,
    turn: float,
    shift: float,
    flip: bool,
    zoom: float,
    brightness: float,
    judge_width: int,
    judge_layers: int,
    judge_rate: float,
    judge_after: int,
    judge_every: int,
    judge_epochs: int,
    seg_alpha: float,
    loss: str,
    train_on_validation: bool = False,
    depth: int = 1,
    **options: Any,  # noqa: ANN401 - the fields of FitOptions and MaskRecipe
) -> MaskRecipe:
    """Sort the options into those of the fit and those of the model."""
    from zooassist_training.augment import Augmentation
    from zooassist_training.fit_options import FitOptions
    from zooassist_training.segmentation.fit import WindowOptions
    from zooassist_training.segmentation.mask_recipe import MaskRecipe
    from zooassist_training.segmentation.module import AdversaryOptions
    from zooassist_training.segmentation.networks import DiscriminatorSpec

    fit_names = {each.name for each in fields(FitOptions)}
    chosen = {name: options.pop(name) for name in fit_names & options.keys()}
    change = Augmentation(
        rotate=not upright, flip=flip, zoom=zoom, shift=shift, brightness=brightness, turn=turn
    )
    adversary = AdversaryOptions(
        loss=loss,
        seg_alpha=seg_alpha,
        learning_rate=judge_rate,
        after=judge_after,
        every=judge_every,
        epochs=judge_epochs,
    )
    of_volumes = options["kind"] == "volume"
    judge = DiscriminatorSpec(
        judge_width, judge_layers, normal=of_volumes, dropout=0.25 if of_volumes else 0.0
    )
    return MaskRecipe(
        **options,
        discriminator=judge,
        windows=WindowOptions(size, depth, windows),
        train_on=("train", "validation") if train_on_validation else ("train",),
        fit=FitOptions(**chosen, augmentation=change),
        adversary=adversary,
    )


def checked(
    made: type[Stretch] | type[VolumeScaling], option: str, **values: float
) -> Stretch | VolumeScaling:
    """Build what the values of an option describe.

    Raises
    ------
    BadInput
        When they are no percentiles.
    """
    try:
        return made(**values)
    except ValidationError as error:
        given = " ".join(f"{value:g}" for value in values.values())
        raise BadInput(
            f"{option} {given}: expected percentiles LOW < HIGH from 0 to 100; "
            f"{first_problem(error)}"
        ) from error


def _named(given: Sequence[str]) -> tuple[MaskClass, ...]:
    classes = []
    for text in given:
        number, _, name = text.partition("=")
        if not number.isdigit() or not 1 <= int(number) <= 255 or not name:
            raise BadInput(
                f"--class {text}: expected NUMBER=NAME with a number from 1 to 255, such as "
                "1=anterior"
            )
        classes.append(MaskClass(number=int(number), name=name))
    return tuple(classes)
