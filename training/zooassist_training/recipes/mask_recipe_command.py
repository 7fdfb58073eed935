"""How is a recipe of masks run from the command line? The same way for each."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from zooassist_training.fit_options import Precision
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.train import TrainedMasks

RecipeOf = Callable[[int | None, Precision], MaskRecipe]
Make = Callable[[Path, Path, Path, MaskRecipe], TrainedMasks]


def recipe_command(about: str, folder: str, recipe_of: RecipeOf, make: Make) -> click.Command:
    """Return the command that trains a recipe.

    Parameters
    ----------
    about : str
        What it does, for ``--help``.
    folder : str
        What ``--data`` has to hold.
    recipe_of : callable
        Threads, precision -> recipe.
    make : callable
        Data, model folder, folder of what can be resumed, recipe -> the trained model.
    """

    @click.command(help=about)
    @click.option(
        "--data",
        type=click.Path(path_type=Path),
        default=Path("../shared/data"),
        show_default=True,
        help=f"Holds {folder}/.",
    )
    @click.option("--out", type=click.Path(path_type=Path), required=True, help="Model folder.")
    @click.option("--work", type=click.Path(path_type=Path), help="Keep what can be resumed here.")
    @click.option("--epochs", type=click.IntRange(1), help="Other than the recipe's, to try it.")
    @click.option("--threads", type=click.IntRange(1))
    @click.option("--precision", type=click.Choice(["32", "bf16"]), default="32", show_default=True)
    def command(
        data: Path,
        out: Path,
        work: Path | None,
        epochs: int | None,
        threads: int | None,
        precision: Precision,
    ) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        recipe = recipe_of(threads, precision)
        if epochs is not None:
            recipe = replace(recipe, fit=replace(recipe.fit, epochs=epochs))
        with tempfile.TemporaryDirectory() as scratch:
            trained = make(data, out, work or Path(scratch), recipe)
        click.echo(f"{out}: {trained.folder.card.version}, parity {trained.parity:.1e}")
        for name, value in trained.test.items():
            click.echo(f"  test {name}: {value:.4f}")

    return command
