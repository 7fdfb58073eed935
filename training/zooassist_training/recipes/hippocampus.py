"""How does `zooassist train volume` learn the two parts of the hippocampus in MRI scans?

From 60 volumes of the Medical Segmentation Decathlon (``hippocampus_mri``, CC BY-SA 4.0), about 36
slices of 50 x 36 voxels. Held back are the volumes whose name hashes to the test split.

    python -m zooassist_training.recipes.hippocampus --data ../shared/data --out hippocampus
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zooassist_plugin.model_card import MaskClass
from zooassist_training.augment import Augmentation
from zooassist_training.fit_options import FitOptions, Precision
from zooassist_training.recipes.mask_recipe_command import recipe_command
from zooassist_training.segmentation.fit import WindowOptions
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.module import AdversaryOptions
from zooassist_training.segmentation.networks import DiscriminatorSpec
from zooassist_training.segmentation.train import TrainedMasks, train_masks

NAME = "hippocampus"
FOLDER = "hippocampus_mri"
SEED = 1
CLASSES = (MaskClass(number=1, name="anterior"), MaskClass(number=2, name="posterior"))
# A scan has an up direction, and a left and a right.
AUGMENTATION = Augmentation(
    rotate=False, flip=False, zoom=0.15, shift=0.05, brightness=0.15, turn=10
)
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
            batch_size=2,
            learning_rate=3e-3,
            averaging=0.99,
            patience=0,
            seed=SEED,
            threads=threads,
            precision=precision,
            augmentation=AUGMENTATION,
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


main = recipe_command(
    "Train on the hippocampus volumes.", "hippocampus_mri", hippocampus_recipe, make
)


if __name__ == "__main__":
    main()
