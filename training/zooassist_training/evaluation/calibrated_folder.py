"""How does a model folder get a calibration? As a new folder; the old one stays as it is."""

from __future__ import annotations

from pathlib import Path

from zooassist_plugin.model_card import CARD_FILE
from zooassist_serving.model_folder import ONNX_FILE, ModelFolder, card_for, write_model_folder
from zooassist_training.evaluation.run import Evaluation

# These follow from the graph and what is done to its answers.
MADE_ANEW = {"sha256", "version", "preprocessing", "calibration", "metrics", "producer"}


def write_calibrated(evaluation: Evaluation, out: Path, *, overwrite: bool = False) -> ModelFolder:
    """Write the evaluated model with the calibration that was found.

    The metrics of the card are those measured with it when the whole test split was measured;
    otherwise the new folder has none, since the old ones are of another version.

    Raises
    ------
    BadInput
        When `out` is taken.
    """
    folder, request = evaluation.folder, evaluation.request
    on_test = request.split == "test" and not request.where
    onnx_bytes = folder.onnx_path.read_bytes()
    fields = {
        name: getattr(folder.card, name)
        for name in type(folder.card).model_fields
        if name not in MADE_ANEW
    }
    card = card_for(
        onnx_bytes,
        preprocessing=folder.card.preprocessing,
        calibration=evaluation.calibration,
        metrics=evaluation.after.scores.flat() if on_test else {},
        **fields,
    )
    files = {
        path.name: path.read_bytes()
        for path in sorted(folder.path.iterdir())
        if path.is_file() and path.name not in (CARD_FILE, ONNX_FILE)
    }
    return write_model_folder(onnx_bytes, card, out, files=files, overwrite=overwrite)
