"""How was the bundled model `galaxy-zoo` made? Two runs of `zooassist train votes`.

1. A small ResNet learns to tell five classes of SDSS galaxies apart (``galaxies_pool``, 23,040
   images, one class each, no votes). One class is one vote on one question, so this is the same
   training with the same loss.
2. It goes on to the 37 answers of Galaxy Zoo 2 (``galaxies``, 4,000 images with volunteers' vote
   fractions; 40 volunteers are assumed, since only fractions were published).

Held back are the galaxies whose id hashes to the test split, a fifth (787 of 4,000); neither run
sees them: the pool has no galaxy of the other set. All others are trained on, so that there is no
validation split left to stop early by, and the number of epochs is part of the recipe.

Run it with ``make train-galaxy-zoo``, or::

    python -m zooassist_training.recipes.galaxy_zoo --data ../shared/data --out galaxy-zoo

What was tried to make a better one is told in ``docs/decisions/0016-the-bundled-galaxy-model.md``.
"""

from __future__ import annotations

import csv
import logging
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
import numpy as np

from zooassist_exporters.digests import Source
from zooassist_exporters.votes_csv import VotesTable, read_votes_csv
from zooassist_exporters.votes_csv_export import export_votes_table, open_images
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_training.fit_options import FitOptions, Precision
from zooassist_training.train_votes import Trained, VotesRecipe, train_votes

NAME = "galaxy-zoo"
SEED = 1
# The middle 192 of the original 424 pixels; turned views need the rest.
CROP = 0.75
CLASSES = ("round", "in-between", "cigar", "edge-on", "spiral")
CLASS_SCHEMA = LabelSchema(
    (
        Question(
            "class",
            "T0",
            "single",
            (),
            tuple(Answer(name, index, f"class_{name}") for index, name in enumerate(CLASSES)),
        ),
    )
)
LICENCE = (
    "Weights: Apache-2.0. Training data: licence not stated where it was found; Galaxy Zoo 2 was "
    "released for anyone to use (data.galaxyzoo.org)."
)
CREDITS = (
    "Votes: the volunteers of Galaxy Zoo 2, Willett et al. 2013, MNRAS 435, 2835",
    "Vote fractions and image cut-outs as in the Kaggle Galaxy Zoo challenge (2013-14)",
    "Images: Sloan Digital Sky Survey (SDSS)",
)


def class_table(folder: Path) -> VotesTable:
    """Read ``classes.csv`` as votes: one for the class of each galaxy.

    Raises
    ------
    BadInput
        When the file is missing or names another class.
    """
    path = folder / "classes.csv"
    if not path.is_file():
        raise BadInput(f"{path}: expected the classes of the galaxy pool, found none; see --data")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    unknown = sorted({row["class"] for row in rows} - set(CLASSES))
    if unknown:
        raise BadInput(f"{path}: expected one of {', '.join(CLASSES)}, got {unknown[0]!r}")
    chosen = np.array([CLASSES.index(row["class"]) for row in rows])
    counts = (chosen[:, None] == np.arange(len(CLASSES))).astype(np.int64)
    return VotesTable(
        subject_ids=[int(row["GalaxyID"]) for row in rows],
        files=[row["file"] for row in rows],
        metadata=[{} for _ in rows],
        schema=CLASS_SCHEMA,
        counts=counts,
        totals=None,
        published=counts.astype(np.float64),
        form="counts",
        assumed_total=None,
        source=Source.of(path),
    )


def class_recipe(threads: int | None, precision: Precision) -> VotesRecipe:
    """Return the first run: features that tell galaxies apart."""
    return VotesRecipe(
        name="galaxy-classes",
        encoder="small",
        size=96,
        crop=CROP,
        dropout=0.1,
        train_on=("train", "validation"),
        licence=LICENCE,
        credits=CREDITS,
        fit=FitOptions(
            epochs=6,
            batch_size=128,
            learning_rate=3e-3,
            seed=SEED,
            threads=threads,
            precision=precision,
        ),
    )


def votes_recipe(start: Path, threads: int | None, precision: Precision) -> VotesRecipe:
    """Return the second run: the volunteers' answers."""
    return VotesRecipe(
        name=NAME,
        start=start,
        train_on=("train", "validation"),
        licence=LICENCE,
        credits=CREDITS,
        fit=FitOptions(
            epochs=60,
            batch_size=64,
            learning_rate=3e-3,
            averaging=0.999,
            seed=SEED,
            threads=threads,
            precision=precision,
        ),
    )


def make(
    data: Path, out: Path, work: Path, threads: int | None = None, precision: Precision = "bf16"
) -> Trained:
    """Run the recipe; a second call with the same `work` goes on where the first was stopped.

    Parameters
    ----------
    data : Path
        Holds the folders ``galaxies`` and ``galaxies_pool``.
    work : Path
        For training sets, checkpoints and the model of the first run.
    """
    tables = {"galaxies_pool": class_table, "galaxies": _votes_table}
    for name, read in tables.items():
        if not (work / name).exists():
            table = read(data / name)
            with ExitStack() as stack:
                images = stack.enter_context(open_images(None, data / name / "votes.csv"))
                export_votes_table(table, work / name, images)
    start = work / "galaxy-classes"
    if not start.exists():
        recipe = class_recipe(threads, precision)
        train_votes(work / "galaxies_pool", start, recipe, checkpoints=work / "1")
    recipe = votes_recipe(start, threads, precision)
    return train_votes(work / "galaxies", out, recipe, checkpoints=work / "2", overwrite=True)


def _votes_table(folder: Path) -> VotesTable:
    return read_votes_csv(folder / "votes.csv")


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("../shared/data"),
    show_default=True,
    help="Holds galaxies/ and galaxies_pool/.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Model folder.")
@click.option("--work", type=click.Path(path_type=Path), help="Keep what can be resumed here.")
@click.option("--threads", type=click.IntRange(1))
@click.option("--precision", type=click.Choice(["32", "bf16"]), default="bf16", show_default=True)
def main(
    data: Path, out: Path, work: Path | None, threads: int | None, precision: Precision
) -> None:
    """Train the bundled galaxy model."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    with tempfile.TemporaryDirectory() as scratch:
        trained = make(data, out, work or Path(scratch), threads, precision)
    click.echo(f"{out}: {trained.folder.card.version}, parity {trained.parity:.1e}")
    for name, value in trained.test.flat().items():
        click.echo(f"  test {name}: {value:.4f}")


if __name__ == "__main__":
    main()
