"""How good are consensus masks, and how fast? (`make bench-masks-consensus`)

Seven people outlined each of 61 cells, and experts made a gold standard (`crowd_masks`): measured
is the mean intersection over union of the consensus with it. For CRIA, which takes strokes, each
person's outline is cut into three strokes, shuffled and turned round. Speed: a real export of
freehand outlines (`volunteer_exports`), from the CSV to the finished training set, on one core.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_record import Figure, record
from PIL import Image

from zooassist_exporters.mask_classes import ClassRule
from zooassist_exporters.mask_options import MaskOptions, MasksInput
from zooassist_exporters.mask_patch import EMPTY, Patch, Size, exclusive, iou, trimmed
from zooassist_exporters.masks_export import export_masks
from zooassist_exporters.rasterise import Ring, fill_rings
from zooassist_exporters.reductions.masks.contours import outlined
from zooassist_exporters.reductions.masks.methods import Quorum, method_named
from zooassist_exporters.reductions.masks.overlay import Overlay, overlay
from zooassist_exporters.reductions.masks.staple import background_of, staple
from zooassist_exporters.reductions.masks.strokes import join_strokes
from zooassist_exporters.rules import Rules

WORKERS = 7
SUBJECTS = 30
STROKES = 3
WHOLE_IMAGE = 1e9


@dataclass(frozen=True)
class Cell:
    """One image: what each of the seven covered, and the gold standard."""

    size: Size
    workers: list[Patch]
    gold: Patch


def read_cells(folder: Path) -> list[Cell]:
    """Read the packed masks: bit k is person k + 1, bit 7 the gold standard."""
    cells = []
    for path in sorted((folder / "masks").glob("*.png")):
        bits = np.asarray(Image.open(path))
        layers = [trimmed(Patch(0, 0, (bits >> bit & 1).astype(np.bool_))) for bit in range(8)]
        cells.append(Cell(Size(bits.shape[1], bits.shape[0]), layers[:WORKERS], layers[7]))
    return cells


def mean_iou(cells: list[Cell], decide: Callable[[Cell], Patch]) -> float:
    """Return the mean IoU with the gold standard."""
    return float(np.mean([iou(decide(cell), cell.gold) for cell in cells]))


def by_method(name: str, k: int | None = None) -> Callable[[Cell], Patch]:
    """Return what a method of `export masks` makes of a cell."""
    method, quorum = method_named(name, None if k is None else Quorum(count=k))

    def decide(cell: Cell) -> Patch:
        drawn = overlay(cell.workers)
        return drawn.patch(method.decide(drawn, cell.size, quorum).chosen)

    return decide


def by_plain_staple(cell: Cell) -> Patch:
    """Return the result of the algorithm of 2004 on the whole image."""
    drawn: Overlay = overlay(cell.workers)
    found = staple(drawn, background_of(drawn, cell.size, WHOLE_IMAGE), prior_weight=0.0)
    return drawn.patch(found.probability >= 0.5)


def by_cria(cell: Cell) -> Patch:
    """Cut every outline into strokes, join them again, fill, average."""
    rng = np.random.default_rng(0)
    filled = []
    for worker in cell.workers:
        rings = join_strokes(shuffled_strokes(worker, rng))
        patches = [fill_rings([ring], cell.size) for ring in rings]
        filled.append(exclusive(patches) if patches else EMPTY)
    drawn = overlay(filled)
    return drawn.patch(drawn.counts >= Quorum(share=0.5).needed(drawn.volunteers))


def shuffled_strokes(worker: Patch, rng: np.random.Generator) -> list[Ring]:
    """Return a mask's outlines in strokes of any order and direction, a little apart."""
    region = outlined(worker)
    strokes = []
    for polygon in getattr(region, "geoms", [region]):
        for line in (polygon.exterior, *polygon.interiors):
            points = np.asarray(line.coords)[:-1]
            strokes += [part for part in np.array_split(points, STROKES) if len(part)]
    order = rng.permutation(len(strokes))
    return [strokes[i][:: rng.choice([1, -1])] for i in order]


def time_export(file: Path) -> tuple[int, float]:
    """Return how many subjects of a real export get a mask, and masks per second."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        report = export_masks(
            MasksInput(file),
            Path(folder) / "set",
            Rules(),
            MaskOptions(method="staple", classes=ClassRule("task")),
        )
        return report.subjects, report.masks / (time.perf_counter() - start)


def measure(data: Path) -> dict[str, Figure]:
    """Return the figures."""
    cells = read_cells(data / "crowd_masks")
    majority = mean_iou(cells, by_method("majority"))
    singles = [iou(worker, cell.gold) for cell in cells for worker in cell.workers]
    figures = {
        "majority_iou": Figure(majority, "IoU", 0.90, "higher"),
        "staple_iou": Figure(mean_iou(cells, by_method("staple")), "IoU", majority, "higher"),
        "staple_of_2004_iou": Figure(mean_iou(cells, by_plain_staple), "IoU"),
        "cria_of_strokes_iou": Figure(mean_iou(cells, by_cria), "IoU"),
        "single_person_iou": Figure(float(np.mean(singles)), "IoU"),
    }
    for k in range(1, WORKERS + 1):
        figures[f"vote_{k}_of_7_iou"] = Figure(mean_iou(cells, by_method("vote-k", k)), "IoU")
    file = data / "volunteer_exports" / "freehand_classifications.csv"
    time_export(file)  # the first one also imports the libraries
    subjects, speed = time_export(file)
    figures["cat_subjects_with_mask"] = Figure(subjects, "subjects", SUBJECTS, "higher")
    figures["cat_masks_per_second"] = Figure(speed, "masks/s")
    return figures


def main() -> int:
    """Measure and record; 1 when a goal is missed, 2 without the data."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with crowd_masks")
    data = parser.parse_args().data
    if not (data / "crowd_masks" / "index.csv").is_file():
        print(f"{data}: expected crowd_masks and volunteer_exports, found none", file=sys.stderr)
        return 2
    figures = measure(data)
    for name, figure in figures.items():
        print(f"{name:24} {figure.value:.4f} {figure.unit} {figure.goal_text}")
    return 0 if record("masks_consensus", figures, "make bench-masks-consensus") else 1


if __name__ == "__main__":
    sys.exit(main())
