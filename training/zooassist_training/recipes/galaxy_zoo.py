"""How is the bundled model `galaxy-zoo` made? Three runs of `zooassist train votes`.

1. EfficientNet-lite0 that learnt ImageNet (`imagenet_lite0`) learns the 37 answers of Galaxy Zoo 2
   (``galaxies``, 4,000 images with volunteers' vote fractions; 40 volunteers are assumed, since
   only fractions were published): the teacher.
2. The teacher guesses the votes of ``galaxies_pool`` (23,040 images, one of five classes each, no
   votes), held to the classes (`pseudo_votes`), and goes on with the guesses and the real votes
   together: what the classes say, and that a galaxy turned round is the same galaxy.
3. It ends with real votes alone, and is calibrated on the validation split.

Held back are the galaxies whose id hashes to the test split, a fifth (787 of 4,000): no run sees
them, and the pool has no galaxy of the other set. The validation split is not learnt from either;
it chooses the epoch and the calibration.

Run it with ``make train-galaxy-zoo``, or::

    python -m zooassist_training.recipes.galaxy_zoo --data ../shared/data --out galaxy-zoo
"""

from __future__ import annotations

import csv
import logging
import tempfile
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from zooassist_exporters.digests import Source
from zooassist_exporters.images import ImageSource, Wanted
from zooassist_exporters.votes_csv import VotesTable, read_votes_csv
from zooassist_exporters.votes_csv_export import export_votes_table, open_images
from zooassist_exporters.votes_csv_form import CHALLENGE_TOTAL
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_training.fit_options import FitOptions, Precision
from zooassist_training.recipes.imagenet_lite0 import write_imagenet_encoder
from zooassist_training.recipes.pseudo_votes import pseudo_votes
from zooassist_training.train_votes import Trained, VotesRecipe, train_votes

NAME = "galaxy-zoo"
SEED = 1
# Ways in which the teacher looks at each galaxy of the pool, of the square's eight symmetries.
VIEWS = 2
# The middle 192 of the original 424 pixels; turned views need the rest.
CROP = 0.75
# Posterior samples.
SAMPLES = 20
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
    "Starts from EfficientNet-lite0 with ImageNet weights: Tan and Le 2019, arXiv:1905.11946",
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


def teacher_recipe(encoder: Path, threads: int | None, precision: Precision) -> VotesRecipe:
    """Return the first run: the volunteers' answers, by an encoder that has seen the world."""
    fit = FitOptions(
        epochs=9,
        batch_size=32,
        learning_rate=1.5e-3,
        layer_decay=0.9,
        averaging=0.995,
        patience=0,
    )
    recipe = VotesRecipe(
        name="galaxy-teacher",
        encoder=f"local-dir:{encoder}",
        size=128,
        crop=CROP,
        samples=1,
        fit=fit,
    )
    return _ready(recipe, threads, precision)


def student_recipe(start: Path, threads: int | None, precision: Precision) -> VotesRecipe:
    """Return the second run: the answers, and what the teacher guesses of the pool."""
    fit = FitOptions(
        epochs=2, batch_size=64, learning_rate=1e-3, layer_decay=0.9, averaging=0.995, patience=0
    )
    recipe = VotesRecipe(name="galaxy-student", start=start, samples=SAMPLES, fit=fit)
    return _ready(recipe, threads, precision)


def votes_recipe(start: Path, threads: int | None, precision: Precision) -> VotesRecipe:
    """Return the third run: the answers alone."""
    fit = FitOptions(
        epochs=5, batch_size=32, learning_rate=4e-4, layer_decay=0.9, averaging=0.995, patience=0
    )
    recipe = VotesRecipe(name=NAME, start=start, store="float16", fit=fit)
    return _ready(recipe, threads, precision)


def _ready(recipe: VotesRecipe, threads: int | None, precision: Precision) -> VotesRecipe:
    fit = replace(recipe.fit, seed=SEED, threads=threads, precision=precision)
    return replace(recipe, licence=LICENCE, credits=CREDITS, fit=fit)


def make(
    data: Path, out: Path, work: Path, threads: int | None = None, precision: Precision = "32"
) -> Trained:
    """Run the recipe; a second call with the same `work` goes on where the first was stopped.

    Parameters
    ----------
    data : Path
        Holds the folders ``galaxies`` and ``galaxies_pool``.
    work : Path
        For training sets, checkpoints and the models of the earlier runs.
    """
    votes, guessed = work / "galaxies", work / "guessed"
    teacher, student = work / "teacher", work / "student"
    pool = data / "galaxies_pool"
    classes = class_table(pool)  # first: what is missing should show before hours of training
    if not votes.exists():
        with _images(data / "galaxies") as images:
            table = read_votes_csv(data / "galaxies" / "votes.csv")
            export_votes_table(table, votes, images)
    if not teacher.exists():
        encoder = write_imagenet_encoder(work / "imagenet")
        recipe = teacher_recipe(encoder, threads, precision)
        train_votes(votes, teacher, recipe, checkpoints=work / "1")
    if not guessed.exists():
        with _images(pool) as images:
            files = (
                images.read(Wanted(subject, {}, (file,)))
                for subject, file in zip(classes.subject_ids, classes.files, strict=True)
            )
            table = pseudo_votes(classes, files, str(teacher), CHALLENGE_TOTAL, VIEWS, threads)
            export_votes_table(table, guessed, images)
    if not student.exists():
        recipe = student_recipe(teacher, threads, precision)
        train_votes([votes, guessed], student, recipe, checkpoints=work / "2")
    recipe = votes_recipe(student, threads, precision)
    return train_votes(votes, out, recipe, checkpoints=work / "3", overwrite=True)


def _images(folder: Path) -> AbstractContextManager[ImageSource]:
    return open_images(None, folder / "votes.csv")


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
@click.option("--precision", type=click.Choice(["32", "bf16"]), default="32", show_default=True)
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
