"""`zooassist train …`: a training set in, a model folder out."""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from zooassist_plugin.errors import BadInput

if TYPE_CHECKING:
    from zooassist_training.train_votes import VotesRecipe

# Highest learning rates: for new weights, and for weights that know something already.
SCRATCH_RATE, TUNING_RATE = 2e-3, 5e-4
AVERAGING = 0.998
DECIDED_BY_MODEL = {
    "encoder": "--encoder",
    "encoder_options": "--encoder-options",
    "pretrained": "--pretrained",
    "size": "--size",
    "crop": "--crop",
    "concentrations": "--head",
    "dropout": "--dropout",
}


class _JsonObject(click.ParamType[dict[str, Any]]):
    name = "JSON"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        """Read a JSON object such as ``{"channels": [24, 48, 96, 176]}``."""
        if isinstance(value, dict):
            return value
        try:
            content = json.loads(str(value))
        except ValueError as error:
            self.fail(f"expected a JSON object, got {value!r} ({error})", param, ctx)
        if not isinstance(content, dict):
            self.fail(f"expected a JSON object, got {value!r}", param, ctx)
        return content


@click.group()
def train() -> None:
    """Turn a training set into a model folder."""


@train.command(
    epilog="""\b
Examples:
  zooassist train votes training-set --out models/galaxies
  zooassist train votes training-set --out models/next --from galaxy-zoo --epochs 8
  zooassist train votes training-set --out models/probe --from galaxy-zoo --head-only"""
)
@click.argument("training_set", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--name", help="Name of the model; by default that of the folder.")
@click.option(
    "--from",
    "start",
    metavar="MODEL",
    help="Go on from this model folder or bundled model (fine-tuning).",
)
@click.option(
    "--encoder",
    default="small",
    show_default=True,
    help="small, tiny, any timm name, hf_hub:owner/name, or local-dir:folder.",
)
@click.option("--encoder-options", type=_JsonObject(), default="{}", help="Arguments for timm.")
@click.option("--pretrained", is_flag=True, help="Start from the weights that timm publishes.")
@click.option("--size", type=click.IntRange(8, 2048), default=96, show_default=True, help="Pixels.")
@click.option(
    "--crop",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Side of the centre that is kept, of the image's shorter side.",
)
@click.option(
    "--head",
    "concentrations",
    default="exponential",
    show_default=True,
    help="How concentrations are made: exponential, softplus, sigmoid-100.",
)
@click.option(
    "--dropout", type=float, default=0.2, show_default=True, help="Of the head, in training."
)
@click.option("--epochs", type=click.IntRange(1), default=30, show_default=True, help="At most.")
@click.option(
    "--patience",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Stop after so many epochs without a lower validation loss; 0: never.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(2),
    default=64,
    show_default=True,
    help="Images per step.",
)
@click.option("--learning-rate", type=float, help="Highest; default 2e-3, with --from 5e-4.")
@click.option(
    "--averaging",
    type=float,
    help=f"Decay of the averaged weights, per step; default {AVERAGING}.",
)
@click.option("--head-only", is_flag=True, help="Leave the encoder as it is.")
@click.option("--upright", is_flag=True, help="Images have an up direction: do not turn them.")
@click.option(
    "--precision",
    type=click.Choice(["32", "bf16", "16"]),
    default="32",
    show_default=True,
    help="Bits; bf16 is faster where the processor or card has it.",
)
@click.option("--train-on-validation", is_flag=True, help="Learn from the validation split too.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of all randomness.")
@click.option("--threads", type=click.IntRange(1), help="Processor threads. Default: all cores.")
@click.option("--licence", default="not stated", help="Of the data, for model.json.")
@click.option("--credit", "credits", multiple=True, help="Whom to thank; may be repeated.")
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path),
    help="Keep checkpoints here, and go on from the last one after a break.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing model folder.")
def votes(training_set: Path, out: Path, **options: Any) -> None:  # noqa: ANN401 - see _recipe
    """Learn vote fractions from TRAINING_SET, a folder that `zooassist export` wrote."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # Imported here: `zooassist train --help` needs no torch.
    from zooassist_training.train_votes import train_votes

    if options["start"] is not None:
        _refuse_what_the_model_decides()
    checkpoints, overwrite = options.pop("checkpoints"), options.pop("overwrite")
    recipe = _recipe(name=options.pop("name") or out.resolve().name, **options)
    trained = train_votes(training_set, out, recipe, checkpoints=checkpoints, overwrite=overwrite)
    for problem in trained.problems:
        click.echo(f"error: {problem}", err=True)
    click.echo(
        f"{out}: model {trained.folder.card.name} {trained.folder.card.version}, "
        f"images: {trained.images}, epochs: {trained.epochs}, ONNX parity {trained.parity:.1e}"
    )
    if recipe.start is not None:
        click.echo(f"  went on from {recipe.start}: {', '.join(trained.carried_over) or 'none'}")
        click.echo(f"  started new: {', '.join(trained.started_new) or 'none'}")
    for name, value in trained.test.flat().items():
        if name.endswith("/accuracy") or name == "rmse":
            click.echo(f"  test {name}: {value:.4f}")
    if trained.problems:
        raise SystemExit(1)


def _refuse_what_the_model_decides() -> None:
    """Stop when an option was given that going on from a model would silently not use."""
    context = click.get_current_context()
    for name, option in DECIDED_BY_MODEL.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise BadInput(
                f"{option}: the model given with --from decides it; leave one of them out"
            )


def _recipe(
    *,
    learning_rate: float | None,
    averaging: float | None,
    upright: bool,
    train_on_validation: bool,
    **options: Any,  # noqa: ANN401 - the fields of FitOptions and VotesRecipe
) -> VotesRecipe:
    """Sort the options into those of the fit and those of the model."""
    from zooassist_training.augment import Augmentation
    from zooassist_training.fit_options import FitOptions
    from zooassist_training.train_votes import VotesRecipe

    fit_names = {each.name for each in fields(FitOptions)}
    chosen = {name: options.pop(name) for name in list(options) if name in fit_names}
    tuning = options["start"] is not None
    fit = FitOptions(
        **chosen,
        learning_rate=learning_rate or (TUNING_RATE if tuning else SCRATCH_RATE),
        averaging=AVERAGING if averaging is None else averaging,
        augmentation=Augmentation(rotate=not upright),
    )
    train_on: tuple[Any, ...] = ("train", "validation") if train_on_validation else ("train",)
    return VotesRecipe(**options, train_on=train_on, fit=fit)
