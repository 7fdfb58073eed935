"""Seven people's outlines of real cells against experts' gold standard."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zooassist_exporters.mask_patch import EMPTY, Patch, Size, iou
from zooassist_exporters.reductions.masks.methods import Quorum, method_named
from zooassist_exporters.reductions.masks.overlay import overlay

CROWD = Path(__file__).parents[2] / "../shared/data/crowd_masks"
WORKERS = 7


@pytest.fixture(scope="module")
def cells():
    """Return name, size, the seven workers' masks and the gold standard of each image."""
    if not (CROWD / "index.csv").is_file():
        pytest.skip("the crowd's outlines are not in ../shared/data/crowd_masks")
    found = []
    for path in sorted((CROWD / "masks").glob("*.png")):
        bits = np.asarray(Image.open(path))
        layers = [Patch(0, 0, (bits >> bit & 1).astype(bool)) for bit in range(8)]
        found.append((path.stem, Size(bits.shape[1], bits.shape[0]), layers[:WORKERS], layers[7]))
    return found


def scores(cells, name, k=None):
    method, quorum = method_named(name, k)
    found = []
    for _, size, workers, gold in cells:
        drawn = overlay(workers)
        found.append(iou(drawn.patch(method.decide(drawn, size, quorum).chosen), gold))
    return np.array(found)


def test_the_majority_is_the_one_that_comes_with_the_data(cells):
    with (CROWD / "index.csv").open(newline="") as stream:
        stated = {row["image"]: float(row["majority_iou"]) for row in csv.DictReader(stream)}
    found = dict(zip([name for name, *_ in cells], scores(cells, "majority"), strict=True))
    assert found == pytest.approx(stated, abs=1e-4)


def test_majority_reaches_090_and_staple_is_at_least_as_good(cells):
    majority, staple = scores(cells, "majority").mean(), scores(cells, "staple").mean()
    assert majority >= 0.90
    assert staple >= majority


def test_half_is_the_best_k(cells):
    by_k = [scores(cells, "vote-k", Quorum(count=k)).mean() for k in range(1, WORKERS + 1)]
    assert int(np.argmax(by_k)) + 1 == 4
    singles = [[iou(worker, gold) for worker in workers] for _, _, workers, gold in cells]
    assert by_k[3] > np.mean(singles) + 0.05


def test_staple_finds_out_who_drew_carelessly(cells):
    """Three of the seven draw nothing like the cell: STAPLE loses less than the majority."""
    spoilt = []
    for name, size, workers, gold in cells:
        upside_down = [
            Patch(0, 0, np.roll(workers[k].cells[::-1, ::-1], (9, 9), (0, 1))) for k in range(3)
        ]
        spoilt.append((name, size, [*upside_down, *workers[3:]], gold))
    assert scores(spoilt, "staple").mean() > scores(spoilt, "majority").mean() + 0.02


def test_those_who_passed_the_cell_by_do_not_break_staple(cells):
    empty = [(name, size, [*workers, EMPTY, EMPTY], gold) for name, size, workers, gold in cells]
    assert scores(empty, "staple").mean() > 0.88
