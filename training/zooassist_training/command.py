"""`zooassist train …`: a training set in, a model folder out."""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from pydantic import ValidationError

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import Stretch, first_problem
from zooassist_training.segmentation.command import mask, volume
from zooassist_training.votes_options import AVERAGING, SectionedCommand, sectioned_options

if TYPE_CHECKING:
    from zooassist_training.train_votes import VotesRecipe

# Highest learning rates: for new weights, and for weights that know something already.
SCRATCH_RATE, TUNING_RATE = 2e-3, 5e-4
DECIDED_BY_MODEL = {
    "encoder": "--encoder",
    "encoder_options": "--encoder-options",
    "pretrained": "--pretrained",
    "size": "--size",
    "crop": "--crop",
    "stretch": "--stretch",
    "concentrations": "--head",
    "dropout": "--dropout",
    "greyscale": "--greyscale",
}


@click.group()
def train() -> None:
    """Turn a training set into a model folder."""


train.add_command(mask)
train.add_command(volume)


@train.command(
    cls=SectionedCommand,
    epilog="""\b
Examples:
  zooassist train votes training-set --out models/galaxies
  zooassist train votes training-set --out models/next --from galaxy-zoo --epochs 8
  zooassist train votes training-set --out models/probe --from galaxy-zoo --train head
  zooassist train votes training-set --out models/five --members 5 --store float16
  zooassist train votes decals hubble --out models/both
  zooassist train votes training-set --out models/z --from galaxy-zoo --regress redshift""",
)
@click.argument("training_sets", nargs=-1, required=True, type=click.Path(path_type=Path))
@sectioned_options
def votes(training_sets: tuple[Path, ...], out: Path, **given: Any) -> None:  # noqa: ANN401
    """Learn vote fractions from TRAINING_SETS, folders that `zooassist export` wrote.

    Questions that several sets ask in the same words are learnt as one. With --regress numbers of
    the subjects' metadata are learnt instead.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Imported here: `zooassist train --help` needs no torch.
    from zooassist_training.train_votes import train_votes

    if given["few_labels"] is None and (given["head_only"] or _was_given("train", "epochs")):
        given["few_labels"] = False
    if given["few_labels"]:
        _refuse_what_few_labels_do_not_use()
    if given["start"] is not None:
        _refuse_what_the_model_decides()
    if given["regress"]:
        _refuse_what_values_do_not_use()
    checkpoints, overwrite = given.pop("checkpoints"), given.pop("overwrite")
    recipe = _recipe(name=given.pop("name") or out.resolve().name, **given)
    trained = train_votes(training_sets, out, recipe, checkpoints=checkpoints, overwrite=overwrite)
    for problem in trained.problems:
        click.echo(f"error: {problem}", err=True)
    click.echo(
        f"{out}: model {trained.folder.card.name} {trained.folder.card.version}, "
        f"images: {trained.images}, epochs: {trained.epochs}, ONNX parity {trained.parity:.1e}"
    )
    if recipe.start is not None:
        click.echo(f"  went on from {recipe.start}: {', '.join(trained.carried_over) or 'none'}")
        click.echo(f"  started new: {', '.join(trained.started_new) or 'none'}")
    shown = ("/rmse", "/r2") if recipe.regress else ("/accuracy",)
    for survey, scores in trained.tests.items():
        of = f" {survey}" if len(trained.tests) > 1 else ""
        for name, value in scores.flat().items():
            if name.endswith(shown) or name == "rmse":
                click.echo(f"  test{of} {name}: {value:.4f}")
    if trained.problems:
        raise SystemExit(1)


def _was_given(*names: str) -> bool:
    """Say whether an option was given on the command line."""
    source = click.get_current_context().get_parameter_source
    return any(source(name) is ParameterSource.COMMANDLINE for name in names)


def _refuse_what_few_labels_do_not_use() -> None:
    """Stop when an option was given that fitting the head alone would silently not use."""
    for name in ("train", "epochs", "patience", "learning_rate", "layer_decay", "checkpoints"):
        if _was_given(name):
            raise BadInput(
                f"--{name.replace('_', '-')}: --few-labels fits the head alone, in one go, and has "
                "no use for it; leave one of them out"
            )


def _refuse_what_the_model_decides() -> None:
    """Stop when an option was given that going on from a model would silently not use."""
    for name, option in DECIDED_BY_MODEL.items():
        if _was_given(name):
            raise BadInput(
                f"{option}: the model given with --from decides it; leave one of them out"
            )


def _refuse_what_values_do_not_use() -> None:
    """Stop when an option was given that is about answers, which values do not have."""
    for name, option in (("concentrations", "--head"), ("class_weights", "--class-weights")):
        if _was_given(name):
            raise BadInput(
                f"{option}: --regress learns values, which have no answers to use it for; leave "
                "one of them out"
            )


def _recipe(
    *,
    learning_rate: float | None,
    averaging: float | None,
    upright: bool,
    no_flip: bool,
    still: bool,
    zoom: float,
    shift: float,
    brightness: float,
    head_only: bool,
    train: str,
    class_weights: str | None,
    regress: tuple[str, ...],
    stretch: tuple[float, float, float] | None,
    train_on_validation: bool,
    **options: Any,  # noqa: ANN401 - the fields of FitOptions and VotesRecipe
) -> VotesRecipe:
    """Sort the options into those of the fit and those of the model."""
    from zooassist_training.augment import Augmentation
    from zooassist_training.class_weights import parse_class_weights
    from zooassist_training.fit_options import FitOptions
    from zooassist_training.target_values import parse_wishes
    from zooassist_training.train_votes import VotesRecipe

    if head_only and train not in ("all", "head"):
        raise BadInput(f"--head-only: the same as --train head, but --train {train} was given")
    still_image = Augmentation(rotate=False, flip=False, zoom=0, shift=0, brightness=0)
    changed = Augmentation(
        rotate=not upright, flip=not no_flip, zoom=zoom, shift=shift, brightness=brightness
    )
    fit_names = {each.name for each in fields(FitOptions)}
    chosen = {name: options.pop(name) for name in list(options) if name in fit_names}
    usual_rate = SCRATCH_RATE if options["start"] is None else TUNING_RATE
    fit = FitOptions(
        **chosen,
        train="head" if head_only else train,
        class_weights=None if class_weights is None else parse_class_weights(class_weights),
        learning_rate=usual_rate if learning_rate is None else learning_rate,
        averaging=AVERAGING if averaging is None else averaging,
        augmentation=still_image if still else changed,
    )
    train_on: tuple[Any, ...] = ("train", "validation") if train_on_validation else ("train",)
    chosen_stretch = Stretch() if stretch is None else _stretch(*stretch)
    return VotesRecipe(
        **options,
        stretch=chosen_stretch,
        train_on=train_on,
        fit=fit,
        regress=parse_wishes(regress),
    )


def _stretch(q: float, low: float, high: float) -> Stretch:
    try:
        return Stretch(q=q, low=low, high=high)
    except ValidationError as error:
        raise BadInput(
            f"--stretch {q:g} {low:g} {high:g}: expected Q above 0 and percentiles LOW < HIGH "
            f"from 0 to 100; {first_problem(error)}"
        ) from error
