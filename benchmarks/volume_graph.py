"""Does the graph of volumes compute the same, and in how much memory? (`make bench-volume-graph`)

Parity: PyTorch's loop over slices against the graph's, for 1, 5, 17 and 60 slices, batches of 1 and
2, two sizes. Memory: 40 and 155 slices of four modalities in chunks, each in a process of its own;
counted is what is added to the process with the model loaded, the volume itself left out.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from bench_record import Figure, record

from zooassist_plugin.model_card import MaskClass, Preprocessing, VolumeScaling
from zooassist_serving.masks.volume_runner import VolumeRunner
from zooassist_serving.model_folder import card_for, load_model_folder, write_model_folder
from zooassist_serving.runtime import OnnxRuntime
from zooassist_training.segmentation.export import (
    check_parity,
    export_segmentation,
    input_specs,
    output_specs,
)
from zooassist_training.segmentation.networks import (
    DiscriminatorSpec,
    SegmentationNetwork,
    SegmentationSpec,
)

SLICES, BATCHES, SIZES = (1, 5, 17, 60), (1, 2), ((64, 64), (96, 32))
HIDDEN = [16, 32, 48, 64, 128]  # as in the BraTS submission
MODALITIES, SIDE, FEW, MANY = 4, 128, 40, 155


def network() -> SegmentationNetwork:
    """Build the network, of random weights."""
    torch.manual_seed(0)
    judge = DiscriminatorSpec(16, 5, normal=True)
    spec = SegmentationSpec("volume", "tcup", 3, MODALITIES, {"hidden": HIDDEN}, judge)
    return SegmentationNetwork(spec).eval()


def worst_parity(made: SegmentationNetwork, graph: bytes) -> float:
    """Return the largest difference over all numbers of slices, batches and sizes."""
    random = np.random.default_rng(0)
    shapes = [(b, s, h, w, MODALITIES) for s in SLICES for b in BATCHES for h, w in SIZES]
    return max(
        check_parity(made, graph, [random.integers(0, 256, shape, dtype=np.uint8)])
        for shape in shapes
    )


def run_slices(folder: Path, slices: int, side: int) -> tuple[float, float]:
    """Run a volume in chunks; return seconds, and the megabytes that this added to the process."""
    found = load_model_folder(folder)
    runtime = OnnxRuntime(found.onnx_path, threads=1)
    volume = np.random.default_rng(0).integers(
        0, 256, (slices, side, side, MODALITIES), dtype=np.uint8
    )
    runner = VolumeRunner(found.card, runtime)
    runtime.session()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    drawn = sum(len(runner.labels(part)) for part in runner.run(volume))
    seconds = time.perf_counter() - start
    assert drawn == slices
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, (peak - before) / 1024


def main() -> int:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs=3, metavar=("MODEL", "SLICES", "SIDE"), help="one run")
    args = parser.parse_args()
    if args.part:
        print(*run_slices(Path(args.part[0]), int(args.part[1]), int(args.part[2])))
        return 0
    made = network()
    graph = export_segmentation(made)
    figures = {"parity": Figure(worst_parity(made, graph), "largest difference", 1e-4)}
    with tempfile.TemporaryDirectory() as scratch:
        classes = tuple(MaskClass(number=n, name=f"class {n}") for n in (1, 2, 3))
        card = card_for(
            graph,
            preprocessing=Preprocessing(size=SIDE, volume=VolumeScaling()),
            name="volume",
            kind="volume",
            inputs=input_specs(made),
            outputs=output_specs(made),
            classes=classes,
            thresholds={each.name: 0.5 for each in classes},
            licence="none",
        )
        folder = write_model_folder(graph, card, Path(scratch) / "volume").path
        added = {}
        for slices, side in ((FEW, SIDE), (MANY, SIDE), (MANY, 64)):
            command = [sys.executable, __file__, "--part", str(folder), str(slices), str(side)]
            said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            seconds, more = map(float, said.split())
            added[slices, side] = more
            figures[f"seconds_{slices}_slices_{side}_px"] = Figure(seconds, "s, one thread")
            figures[f"megabytes_added_{slices}_slices_{side}_px"] = Figure(more, "MB")
    ratio = added[MANY, SIDE] / added[FEW, SIDE]
    figures["memory_155_slices_over_40"] = Figure(ratio, "x", 1.5)
    for name, figure in figures.items():
        print(f"{name}: {figure.value:.4g} {figure.unit} {figure.goal_text}")
    return 0 if record("volume-graph", figures, "make bench-volume-graph") else 1


if __name__ == "__main__":
    sys.exit(main())
