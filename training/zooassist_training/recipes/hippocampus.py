"""How does `zooassist train volume` learn the two parts of the hippocampus in MRI scans?

From 60 volumes of the Medical Segmentation Decathlon (``hippocampus_mri``, CC BY-SA 4.0), about 36
slices of 50 x 36 voxels. Held back are the volumes whose name hashes to the test split.

    python -m zooassist_training.recipes.hippocampus --data ../shared/data --out hippocampus
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from zooassist_plugin.model_card import MaskClass
from zooassist_training.augment import Augmentation
from zooassist_training.fit_options import FitOptions, Precision
from zooassist_training.segmentation.fit import WindowOptions
from zooassist_training.segmentation.module import AdversaryOptions
from zooassist_training.segmentation.networks import DiscriminatorSpec
from zooassist_training.segmentation.train import MaskRecipe, TrainedMasks, train_masks

NAME = "hippocampus"
FOLDER = "hippocampus_mri"
SEED = 1
CLASSES = (MaskClass(number=1, name="anterior"), MaskClass(number=2, name="posterior"))
LICENCE = "Weights: CC BY-SA 4.0, as the training data."
CREDITS = (
    "Medical Segmentation Decathlon, Task04 Hippocampus: Simpson et al. 2019, arXiv:1902.09063",
)


def hippocampus_recipe(
    threads: int | None = None,
    precision: Precision = "32",
    **changes: Any,  # noqa: ANN401
) -> MaskRecipe:
    """Return how the volumes are learnt.

    Parameters
    ----------
    **changes
        Fields of the recipe that are to be others.
    """
    fields: Mapping[str, Any] = {
        "name": NAME,
        "kind": "volume",
        "network_options": {"hidden": [16, 24, 32]},
        "discriminator": DiscriminatorSpec(width=16, layers=3, normal=True, dropout=0.25),
        "windows": WindowOptions(size=56, depth=32),
        "classes": CLASSES,
        "licence": LICENCE,
        "credits": CREDITS,
        "fit": FitOptions(
            epochs=80,
            batch_size=4,
            learning_rate=4e-3,
            averaging=0.98,
            patience=0,
            seed=SEED,
            threads=threads,
            precision=precision,
            # A scan has an up direction: little turning comes with the zoom alone.
            augmentation=Augmentation(
                rotate=False, flip=False, zoom=0.15, shift=0, brightness=0.15
            ),
        ),
        "adversary": AdversaryOptions(loss="dice-ce", learning_rate=1e-3, epochs=10),
    }
    return MaskRecipe(**{**fields, **changes})


def make(data: Path, out: Path, work: Path, recipe: MaskRecipe) -> TrainedMasks:
    """Train the model; `work` keeps what can be resumed.

    Parameters
    ----------
    data : Path
        Holds ``hippocampus_mri``.
    """
    return train_masks(data / FOLDER, out, recipe, checkpoints=work / "checkpoints", overwrite=True)


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("../shared/data"),
    show_default=True,
    help="Holds hippocampus_mri/.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Model folder.")
@click.option("--work", type=click.Path(path_type=Path), help="Keep what can be resumed here.")
@click.option("--epochs", type=click.IntRange(1), help="Other than the recipe's, to try it out.")
@click.option("--threads", type=click.IntRange(1))
@click.option("--precision", type=click.Choice(["32", "bf16"]), default="32", show_default=True)
def main(
    data: Path,
    out: Path,
    work: Path | None,
    epochs: int | None,
    threads: int | None,
    precision: Precision,
) -> None:
    """Train on the hippocampus volumes."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    recipe = hippocampus_recipe(threads, precision)
    if epochs is not None:
        recipe = replace(recipe, fit=replace(recipe.fit, epochs=epochs))
    with tempfile.TemporaryDirectory() as scratch:
        trained = make(data, out, work or Path(scratch), recipe)
    click.echo(f"{out}: {trained.folder.card.version}, parity {trained.parity:.1e}")
    for name, value in trained.test.items():
        click.echo(f"  test {name}: {value:.4f}")


if __name__ == "__main__":
    main()
