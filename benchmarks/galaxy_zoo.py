"""How well does the bundled model know galaxies that it never saw? (`make bench-galaxy-zoo`)

The held-back fifth is the test split: the hash of the galaxy's id decides, as in every training
set, and `zooassist train` never trains on it. Measured are its `natural_mix` rows, which have the
mix of galaxies that volunteers really saw, against the volunteers' published vote fractions.
In the same run: the best constant guess, and ridge regression on hand-made features.
"""

from __future__ import annotations

import argparse
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_record import Figure, record
from galaxy_features import features
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from zooassist_exporters.splits import split_of
from zooassist_exporters.votes_csv import read_votes_csv
from zooassist_plugin.label_schema import LabelSchema
from zooassist_serving.calibration import calibrate
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.preprocessing import decode_image, prepare
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.evaluate import cumulative, fractions_of_votes, score
from zooassist_training.evaluation.metrics import fractions_of_samples

SMOOTH = "smooth-or-featured_smooth"
# Question -> short name of its figures, and the goal for accuracy on confident galaxies.
QUESTIONS = {
    "smooth-or-featured": "smooth",
    "disk-edge-on": "edge_on",
    "has-spiral-arms": "spiral",
    "how-rounded": "rounded",
}
BATCH = 64
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Galaxies:
    """The galaxies with the volunteers' cumulative fractions (galaxies, label columns)."""

    schema: LabelSchema
    images: list[NDArray[np.uint8]]
    published: Floats
    held_back: NDArray[np.bool_]
    natural: NDArray[np.bool_]


def read_galaxies(folder: Path) -> Galaxies:
    """Read `votes.csv` and `images.zip`."""
    table = read_votes_csv(folder / "votes.csv")
    with zipfile.ZipFile(folder / "images.zip") as archive:
        names = {Path(name).name: name for name in archive.namelist()}
        images = [decode_image(archive.read(names[Path(file).name])) for file in table.files]
    return Galaxies(
        schema=table.schema,
        images=images,
        published=np.asarray(table.published, dtype=np.float64),
        held_back=np.array([split_of(subject) == "test" for subject in table.subject_ids]),
        natural=np.array([row.get("natural_mix") == 1 for row in table.metadata]),
    )


def predict(model: str, images: list[NDArray[np.uint8]], threads: int) -> tuple[Floats, float]:
    """Return expected fractions among those asked, and images per second (decoded to answered)."""
    folder = load_model_folder(model)
    runtime = OnnxRuntime(folder.onnx_path, threads=threads, sha256=folder.card.sha256)
    runtime.session()
    schema = folder.card.schema_of_votes
    start = time.perf_counter()
    parts = []
    for first in range(0, len(images), BATCH):
        batch = [prepare(image, folder.card.preprocessing) for image in images[first:][:BATCH]]
        raw = runtime.run(np.stack(batch))["concentrations"]
        alphas = calibrate(raw, schema, folder.card.calibration).astype(np.float64)
        parts.append(fractions_of_samples(alphas, schema))
    seconds = time.perf_counter() - start
    return np.concatenate(parts), len(images) / seconds


def ridge_guess(galaxies: Galaxies, rows: NDArray[np.bool_]) -> Floats:
    """Predict the smooth fraction of some galaxies by ridge regression on the training galaxies."""
    table = np.stack([features(image) for image in galaxies.images])
    target = galaxies.published[:, galaxies.schema.columns.index(SMOOTH)]
    model = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(-2, 4, 13)))
    known = ~galaxies.held_back
    model.fit(table[known], target[known])
    guess: Floats = np.clip(model.predict(table[rows]), 0, 1)
    return guess


def rmse(predicted: Floats | float, observed: Floats) -> float:
    """Root mean square difference."""
    return float(np.sqrt(np.mean((predicted - observed) ** 2)))


def measure(model: str, galaxies: Galaxies, threads: int) -> dict[str, Figure]:
    """Return all figures of a model and of the two baselines."""
    rows = galaxies.held_back & galaxies.natural
    chosen = [image for image, wanted in zip(galaxies.images, rows, strict=True) if wanted]
    predicted, rate = predict(model, chosen, threads)
    observed = fractions_of_votes(galaxies.published[rows], galaxies.schema)
    scores = score(predicted, observed, galaxies.schema)
    smooth = galaxies.schema.columns.index(SMOOTH)
    truth = galaxies.published[rows][:, smooth]
    known = galaxies.published[~galaxies.held_back & galaxies.natural][:, smooth]
    constant = rmse(float(known.mean()), truth)
    ridge = rmse(ridge_guess(galaxies, rows), truth)
    own = rmse(cumulative(predicted, galaxies.schema)[:, smooth], truth)
    figures = {
        "smooth_fraction_rmse": Figure(own, "fraction", goal=min(ridge, constant)),
        "smooth_fraction_rmse_constant_guess": Figure(constant, "fraction"),
        "smooth_fraction_rmse_ridge_on_features": Figure(ridge, "fraction"),
        "all_columns_rmse": Figure(scores.rmse, "fraction"),
    }
    for question, name in QUESTIONS.items():
        result = scores.questions[question]
        figures[f"{name}_accuracy"] = Figure(result.accuracy, f"of {result.galaxies}")
        figures[f"{name}_accuracy_confident"] = Figure(
            result.confident_accuracy, f"of {result.confident}"
        )
    figures["galaxies"] = Figure(float(rows.sum()), "galaxies")
    figures["held_back_share"] = Figure(float(galaxies.held_back.mean()), "of all galaxies")
    figures["images_per_second"] = Figure(rate, f"images/s, {threads} threads")
    return figures


def main() -> int:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/galaxies"))
    parser.add_argument("--model", default="galaxy-zoo")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-record", action="store_true", help="Print only.")
    options = parser.parse_args()
    if not (options.data / "votes.csv").is_file():
        print(f"{options.data}: no votes.csv there; give the galaxies' folder with --data")
        return 2
    figures = measure(options.model, read_galaxies(options.data), options.threads)
    for name, figure in figures.items():
        goal = f"   goal {figure.goal_text}: {figure.holds}" if figure.goal is not None else ""
        print(f"{name:42} {figure.value:9.4f} {figure.unit}{goal}")
    if options.no_record:
        return 0
    command = f"python benchmarks/galaxy_zoo.py --data {options.data}"
    return 0 if record("galaxy_zoo", figures, command) else 1


if __name__ == "__main__":
    sys.exit(main())
