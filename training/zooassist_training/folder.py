"""What is written beside the graph? `model.json`, and `recipe.json` to train it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooassist_plugin import __version__
from zooassist_plugin.calibration import NO_CALIBRATION, Calibration
from zooassist_plugin.model_card import (
    MAIN_OUTPUT,
    Preprocessing,
    TensorSpec,
    TrainingSetReference,
)
from zooassist_serving.model_folder import ModelFolder, card_for, write_model_folder
from zooassist_training.encoders import LOCAL
from zooassist_training.ensemble import Network, members_of, number_of_samples
from zooassist_training.evaluate import Scores
from zooassist_training.evaluation.value_metrics import ValueMetrics
from zooassist_training.surveys import Surveys
from zooassist_training.value_surveys import ValueSurveys

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
    "stretch",
    "concentrations",
    "dropout",
    "greyscale",
)


@dataclass(frozen=True)
class Report:
    """What came out of a training.

    Attributes
    ----------
    histories : tuple
        For every member one dict of losses per epoch.
    tests : mapping
        Scores on the test split, by the name of the training set.
    parity : float
        Largest difference between graph and PyTorch (`onnx_export.largest_difference`), recorded
        in ``recipe.json``.
    """

    network: Network
    histories: tuple[tuple[dict[str, float], ...], ...]
    tests: Mapping[str, Scores | ValueMetrics]
    parity: float
    calibration: Calibration = NO_CALIBRATION

    def metrics(self) -> dict[str, float]:
        """Return the scores as `model.json` keeps them: of several sets, each under its name."""
        if len(self.tests) == 1:
            return next(iter(self.tests.values())).flat()
        return {
            f"{name}/{metric}": value
            for name, scores in self.tests.items()
            for metric, value in scores.flat().items()
        }


def write_trained_model(
    onnx_bytes: bytes,
    report: Report,
    recipe: VotesRecipe,
    data: Surveys | ValueSurveys,
    preprocessing: Preprocessing,
    out: Path,
    *,
    overwrite: bool = False,
) -> ModelFolder:
    """Write the model folder; it appears whole or not at all."""
    side, network = preprocessing.size, report.network
    kind, shape = network.spec.kind, members_of(network)[0].answer_shape
    samples = number_of_samples(network)
    if isinstance(data, Surveys):
        learnt: dict[str, object] = {"label_schema": data.schema}
    else:
        learnt = {"targets": data.taught.targets}
    references = tuple(
        TrainingSetReference(name=each.name, sha256=each.data.sha256, rows=len(each.data))
        for each in data.surveys
    )
    card = card_for(
        onnx_bytes,
        preprocessing=preprocessing,
        calibration=report.calibration,
        name=recipe.name,
        kind=kind,
        inputs=(TensorSpec(name="image", dtype="uint8", shape=("batch", side, side, 3)),),
        outputs=(
            TensorSpec(name=MAIN_OUTPUT[kind], dtype="float32", shape=("batch", samples, *shape)),
            TensorSpec(name="embedding", dtype="float32", shape=("batch", network.features)),
        ),
        **learnt,
        training_set=references[0],
        training_sets=references if len(references) > 1 else (),
        metrics=report.metrics(),
        licence=recipe.licence,
        credits=recipe.credits,
    )
    members = len(report.histories)
    content = json.dumps(
        {
            "encoding-type": "zooassist-recipe",
            "encoding-version": "0.1.0",
            "producer": f"zooassist {__version__}",
            "network": network.spec.to_json(),
            "recipe": _recipe_json(recipe),
            "onnx_parity": report.parity,
            "history": list(report.histories[0]),
        }
        | ({"members": [list(each) for each in report.histories]} if members > 1 else {}),
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
    content = asdict(recipe) | {"stretch": recipe.stretch.model_dump()}
    if not recipe.regress:
        del content["regress"]
    if recipe.start is not None:
        content = {name: x for name, x in content.items() if name not in DECIDED_BY_START}
        content["start"] = Path(recipe.start).name
    elif recipe.encoder.startswith(LOCAL):
        content["encoder"] = LOCAL + Path(recipe.encoder.removeprefix(LOCAL)).name
    return content
