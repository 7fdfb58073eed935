"""What do twenty posterior samples cost, and does the graph say what PyTorch says?

(`make bench-samples`) The bundled model's weights are read back, and exported twice: with a head
of S posterior samples and with a head of one. Through ONNX Runtime, both graphs run the same real
galaxies in turns, each first as often as second, so that both see the same moments of the machine;
the figure is the median of the pairs' ratios. The parity is that of the bundled graph as it is
shipped, and of the graph with S samples, over galaxies of the test split.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from bench_record import Figure, record
from numpy.typing import NDArray

from zooassist_exporters.splits import split_of
from zooassist_exporters.votes_csv import read_votes_csv
from zooassist_plugin.model_card import Preprocessing
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.preprocessing import decode_image, prepare
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.ensemble import Network, members_of, together
from zooassist_training.onnx_export import TOLERANCE, export_onnx, largest_difference
from zooassist_training.restore import restore_network, with_samples

BATCHES, THREADS = (1, 64), (1, 2)
GOAL = 1.1
# Runs of one measurement: a single galaxy takes a millisecond, too little to be timed alone.
RUNS = {1: 20, 64: 1}
WARM_UP = 3


def with_samples_each(network: Network, samples: int) -> Network:
    """Give every member of a network so many posterior samples."""
    return together([with_samples(member, samples) for member in members_of(network)])


def held_back_galaxies(data: Path, count: int, spec: Preprocessing) -> NDArray[np.uint8]:
    """Return prepared galaxies of the test split, shape (count, size, size, 3)."""
    table = read_votes_csv(data / "votes.csv")
    rows = zip(table.subject_ids, table.files, strict=True)
    names = [file for subject, file in rows if split_of(subject) == "test"][:count]
    with zipfile.ZipFile(data / "images.zip") as archive:
        return np.stack([prepare(decode_image(archive.read(name)), spec) for name in names])


def seconds_of(runtime: OnnxRuntime, images: NDArray[np.uint8], runs: int) -> float:
    """Return how long some runs take."""
    start = time.perf_counter()
    for _ in range(runs):
        runtime.run(images)
    return time.perf_counter() - start


def paired_ratio(
    many: OnnxRuntime, one: OnnxRuntime, images: NDArray[np.uint8], pairs: int, runs: int
) -> tuple[float, float]:
    """Return the median ratio of the pairs, and the median seconds of one run of `one`."""
    for runtime in (many, one):
        seconds_of(runtime, images, WARM_UP)
    ratios, alone = [], []
    for pair in range(pairs):
        if pair % 2:
            first = seconds_of(many, images, runs)
            second = seconds_of(one, images, runs)
        else:
            second = seconds_of(one, images, runs)
            first = seconds_of(many, images, runs)
        ratios.append(first / second)
        alone.append(second / runs)
    return statistics.median(ratios), statistics.median(alone)


def measure(model: str, data: Path, samples: int, pairs: int, galaxies: int) -> dict[str, Figure]:
    """Return ratios for every batch and number of threads, and the parities."""
    network, card = restore_network(model)
    images = held_back_galaxies(data, galaxies, card.preprocessing)
    with tempfile.TemporaryDirectory() as scratch:
        paths = {}
        for count in (samples, 1):
            paths[count] = Path(scratch) / f"{count}.onnx"
            paths[count].write_bytes(export_onnx(with_samples_each(network, count)))
        figures = {}
        for threads in THREADS:
            many, one = (OnnxRuntime(paths[count], threads=threads) for count in (samples, 1))
            for batch in BATCHES:
                ratio, seconds = paired_ratio(many, one, images[:batch], pairs, RUNS[batch])
                name = f"batch_{batch}_threads_{threads}"
                figures[f"{name}_ratio"] = Figure(ratio, f"x, S = {samples} against 1", GOAL)
                figures[f"{name}_one_sample"] = Figure(1000 * seconds, "ms per batch")
    shipped = load_model_folder(model).onnx_path.read_bytes()
    sampled = with_samples_each(network, samples)
    unit = f"relative, largest over {len(images)} galaxies"
    figures["parity_bundled"] = Figure(
        largest_difference(network, shipped, images, threads=2), unit, TOLERANCE
    )
    figures["parity_samples"] = Figure(
        largest_difference(sampled, export_onnx(sampled), images, threads=2), unit, TOLERANCE
    )
    return figures


def main() -> int:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/galaxies"))
    parser.add_argument("--model", default="galaxy-zoo")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--galaxies", type=int, default=500, help="To compare the graph on.")
    parser.add_argument("--no-record", action="store_true", help="Print only.")
    asked = parser.parse_args()
    if not (asked.data / "votes.csv").is_file():
        print(f"{asked.data}: no votes.csv there; give the galaxies' folder with --data")
        return 2
    figures = measure(asked.model, asked.data, asked.samples, asked.pairs, asked.galaxies)
    for name, figure in figures.items():
        goal = f"   goal {figure.goal_text}: {figure.holds}" if figure.goal is not None else ""
        print(f"{name:32} {figure.value:12.5g} {figure.unit}{goal}")
    if asked.no_record:
        return 0
    command = f"python benchmarks/samples.py --data {asked.data} --samples {asked.samples}"
    return 0 if record("samples", figures, command) else 1


if __name__ == "__main__":
    sys.exit(main())
