"""What is written beside the graph? `model.json`, and `recipe.json` to train it again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooassist_exporters.training_set import TrainingSet
from zooassist_plugin import __version__
from zooassist_plugin.calibration import NO_CALIBRATION, Calibration
from zooassist_plugin.model_card import Preprocessing, TensorSpec, TrainingSetReference
from zooassist_serving.model_folder import ModelFolder, card_for, write_model_folder
from zooassist_training.evaluate import Scores
from zooassist_training.fit import Fitted

if TYPE_CHECKING:
    from zooassist_training.train_votes import VotesRecipe

RECIPE_FILE = "recipe.json"
# Going on from a model takes these from the model: see "network" there, and model.json.
DECIDED_BY_START = (
    "encoder",
    "encoder_options",
    "pretrained",
    "size",
    "crop",
    "concentrations",
    "dropout",
)


def write_votes_model(
    onnx_bytes: bytes,
    recipe: VotesRecipe,
    fitted: Fitted,
    data: TrainingSet,
    preprocessing: Preprocessing,
    scores: Scores,
    parity: float,
    out: Path,
    *,
    calibration: Calibration = NO_CALIBRATION,
    overwrite: bool = False,
) -> ModelFolder:
    """Write the model folder; it appears whole or not at all.

    Parameters
    ----------
    parity : float
        Largest relative difference between graph and PyTorch, recorded in ``recipe.json``.
    """
    side, features = preprocessing.size, fitted.network.head.linear.in_features
    card = card_for(
        onnx_bytes,
        preprocessing=preprocessing,
        calibration=calibration,
        name=recipe.name,
        kind="votes",
        inputs=(TensorSpec(name="image", dtype="uint8", shape=("batch", side, side, 3)),),
        outputs=(
            TensorSpec(
                name="concentrations",
                dtype="float32",
                shape=("batch", 1, len(data.schema.columns)),
            ),
            TensorSpec(name="embedding", dtype="float32", shape=("batch", features)),
        ),
        label_schema=data.schema,
        training_set=TrainingSetReference(
            name=data.path.resolve().name, sha256=data.sha256, rows=len(data)
        ),
        metrics=scores.flat(),
        licence=recipe.licence,
        credits=recipe.credits,
    )
    content = json.dumps(
        {
            "encoding-type": "zooassist-recipe",
            "encoding-version": "0.1.0",
            "producer": f"zooassist {__version__}",
            "network": fitted.network.spec.to_json(),
            "recipe": _recipe_json(recipe),
            "onnx_parity": parity,
            "history": list(fitted.history),
        },
        indent=2,
        ensure_ascii=False,
    )
    return write_model_folder(
        onnx_bytes,
        card,
        out,
        files={RECIPE_FILE: (content + "\n").encode()},
        overwrite=overwrite,
    )


def _recipe_json(recipe: VotesRecipe) -> dict[str, Any]:
    """Return the options that had a say, and no path of the machine that training ran on."""
    content = asdict(recipe)
    if recipe.start is not None:
        content = {name: x for name, x in content.items() if name not in DECIDED_BY_START}
        content["start"] = Path(recipe.start).name
    return content
