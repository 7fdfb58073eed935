"""How is the bundled model `galaxy-zoo` made? Four runs of `zooassist train votes`.

The folder shipped today is older: the second run's network of an earlier form of this recipe (60
epochs, with the validation split learnt from, too; its own `recipe.json` says so). All four runs
have not been made together yet.

1. A small ResNet learns to tell five classes of SDSS galaxies apart (``galaxies_pool``, 23,040
   images, one class each, no votes). One class is one vote on one question, so this is the same
   training with the same loss.
2. It goes on to the 37 answers of Galaxy Zoo 2 (``galaxies``, 4,000 images with volunteers' vote
   fractions; 40 volunteers are assumed, since only fractions were published): the teacher.
3. The teacher guesses the votes of the pool, held to the classes (`pseudo_votes`), and two
   students go on from it with the guesses and the real votes together.
4. The students learn from real votes alone. They are shipped as one ensemble, calibrated on the
   validation split.

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
from zooassist_training.recipes.pseudo_votes import pseudo_votes
from zooassist_training.train_votes import Trained, VotesRecipe, train_votes

NAME = "galaxy-zoo"
SEED = 1
MEMBERS = 2
# Posterior samples of each member.
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
    recipe = VotesRecipe(
        name="galaxy-classes",
        encoder="small",
        size=96,
        crop=0.75,  # the middle 192 of the original 424 pixels; turned views need the rest
        dropout=0.1,
        samples=1,
        fit=FitOptions(epochs=6, batch_size=128, learning_rate=3e-3),
    )
    return _ready(recipe, threads, precision)


def teacher_recipe(start: Path, threads: int | None, precision: Precision) -> VotesRecipe:
    """Return the second run: the volunteers' answers."""
    fit = FitOptions(epochs=45, batch_size=64, learning_rate=3e-3, averaging=0.999, patience=0)
    recipe = VotesRecipe(name="galaxy-teacher", start=start, samples=1, fit=fit)
    return _ready(recipe, threads, precision)


def student_recipe(start: Path, threads: int | None, precision: Precision) -> VotesRecipe:
    """Return the third run: the answers, and what the teacher guesses of the pool."""
    fit = FitOptions(epochs=7, batch_size=128, learning_rate=3e-3, averaging=0.999, patience=0)
    recipe = VotesRecipe(
        name="galaxy-students", start=start, members=MEMBERS, samples=SAMPLES, fit=fit
    )
    return _ready(recipe, threads, precision)


def votes_recipe(start: Path, threads: int | None, precision: Precision) -> VotesRecipe:
    """Return the fourth run: the answers alone."""
    fit = FitOptions(epochs=20, batch_size=64, learning_rate=6e-4, averaging=0.999, patience=0)
    recipe = VotesRecipe(name=NAME, start=start, store="float16", fit=fit)
    return _ready(recipe, threads, precision)


def _ready(recipe: VotesRecipe, threads: int | None, precision: Precision) -> VotesRecipe:
    fit = replace(recipe.fit, seed=SEED, threads=threads, precision=precision)
    return replace(recipe, licence=LICENCE, credits=CREDITS, fit=fit)


def make(
    data: Path, out: Path, work: Path, threads: int | None = None, precision: Precision = "bf16"
) -> Trained:
    """Run the recipe; a second call with the same `work` goes on where the first was stopped.

    Parameters
    ----------
    data : Path
        Holds the folders ``galaxies`` and ``galaxies_pool``.
    work : Path
        For training sets, checkpoints and the models of the earlier runs.
    """
    pool, votes, guessed = work / "galaxies_pool", work / "galaxies", work / "guessed"
    classes, teacher, students = work / "classes", work / "teacher", work / "students"
    tables = {pool: class_table, votes: _votes_table}
    for folder, read in tables.items():
        if not folder.exists():
            with _images(data / folder.name) as images:
                export_votes_table(read(data / folder.name), folder, images)
    if not classes.exists():
        train_votes(pool, classes, class_recipe(threads, precision), checkpoints=work / "1")
    if not teacher.exists():
        recipe = teacher_recipe(classes, threads, precision)
        train_votes(votes, teacher, recipe, checkpoints=work / "2")
    if not guessed.exists():
        table = class_table(data / pool.name)
        with _images(data / pool.name) as images:
            files = (
                images.read(Wanted(subject, {}, (file,)))
                for subject, file in zip(table.subject_ids, table.files, strict=True)
            )
            table = pseudo_votes(table, files, str(teacher), CHALLENGE_TOTAL, threads)
            export_votes_table(table, guessed, images)
    if not students.exists():
        recipe = student_recipe(teacher, threads, precision)
        train_votes([votes, guessed], students, recipe, checkpoints=work / "3")
    recipe = votes_recipe(students, threads, precision)
    return train_votes(votes, out, recipe, checkpoints=work / "4", overwrite=True)


def _images(folder: Path) -> AbstractContextManager[ImageSource]:
    return open_images(None, folder / "votes.csv")


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
