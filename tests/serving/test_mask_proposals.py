from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("onnx", reason="the tiny test model is made with onnx ([train])")

from mask_model import mask_card, mask_folder, mask_onnx

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_match import LabelMatch
from zooassist_plugin.presenters import PRESENTERS
from zooassist_plugin.proposed_masks import text_to_masks
from zooassist_plugin.workflow import Workflow
from zooassist_serving.dataplane import DataPlane, Item
from zooassist_serving.mask_proposer import read_probabilities
from zooassist_serving.mask_tiles import mask_classes, mask_probabilities, tile_side
from zooassist_serving.model_command import model

NOTHING = LabelMatch((), ())
WORKFLOW = Workflow(
    workflow_id=102,
    project_id=1,
    display_name="Cells",
    version="1.1",
    first_task="T0",
    tasks={
        "T0": {
            "type": "drawing",
            "tools": [
                {"type": "polygon", "label": "Red cell"},
                {"type": "freehandLine", "label": "Green cell"},
            ],
        }
    },
    configuration={"enable_caesar_data_fetching": True},
)


class Colours:
    """Stands for the network: red and green are the probabilities."""

    def __init__(self, answer=None):
        self.sizes, self.answer = [], answer

    def run(self, images):
        self.sizes.append(images.shape)
        found = images[..., :2].transpose(0, 3, 1, 2).astype(np.float32) / 255
        return {"mask": found if self.answer is None else self.answer(found)}


@pytest.fixture(scope="module")
def card():
    return mask_card(mask_onnx())


@pytest.mark.parametrize("shape", [(70, 95), (32, 32), (5, 90), (1, 1), (33, 31)])
def test_tiles_give_every_pixel_its_own_answer_whatever_the_size(shape, card):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    graph = Colours()
    found = mask_probabilities(graph, card, image)
    assert found.shape == (2, *shape)
    assert np.abs(found - image[..., :2].transpose(2, 0, 1) / 255).max() < 1e-5
    # 30 is what it learnt on, and no multiple of the divisor.
    assert set(graph.sizes) == {(1, 32, 32, 3)}


def test_a_graph_of_a_fixed_size_gets_that_size():
    assert tile_side(mask_card(mask_onnx(48), 48)) == 48


def test_pixels_near_a_tiles_border_count_little(card):
    def bordered(found):
        found = np.ones_like(found)
        found[..., :2] = found[..., -2:] = 0
        return found

    image = np.zeros((32, 56, 3), dtype=np.uint8)
    found = mask_probabilities(Colours(bordered), card, image)
    # Columns 24 to 31 are in both tiles: the second's border lies on them, the first's inside.
    assert found[0, 16, 24:26].min() > 0.7


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda found: found[:, :1], "expected a mask of 2 classes and 32 x 32"),
        (lambda found: found * np.nan, "probabilities from 0 to 1, got nan"),
        (lambda found: found + 9, "probabilities from 0 to 1, got 9"),
    ],
)
def test_graphs_that_answer_something_else_are_refused(answer, text, card):
    with pytest.raises(BadInput, match=text):
        mask_probabilities(Colours(answer), card, np.zeros((40, 40, 3), np.uint8))


def test_a_sum_that_rounds_beyond_one_is_a_probability_all_the_same(card):
    found = mask_probabilities(
        Colours(lambda found: np.full_like(found, 1 + 1e-6)), card, np.zeros((40, 40, 3), np.uint8)
    )
    assert found.max() == 1


def test_a_card_has_to_name_its_classes(card):
    assert list(mask_classes(card)) == ["red cell", "green cell"]
    with pytest.raises(BadInput, match="expected its classes and their thresholds"):
        mask_classes(mask_card(mask_onnx(), thresholds={}))


def test_parts_have_their_own_score_and_specks_are_together():
    p = np.zeros((1, 40, 40), np.float32)
    p[0, 2:12, 2:12], p[0, 20:30, 20:30] = 0.9, 0.6
    p[0, 38, 38] = p[0, 38, 2] = 0.8
    frame = read_probabilities(p, {"cell": 0.5}, 3)
    assert [(m.pixels().sum(), m.score) for m in frame.masks] == [(100, 0.9), (100, 0.6), (2, 0.8)]
    assert {m.frame for m in frame.masks} == {3}
    assert 0.9 < frame.confidence < 1
    assert read_probabilities(p * 0, {"cell": 0.5}).masks == ()


def test_no_two_classes_claim_a_pixel():
    p = np.zeros((2, 20, 20), np.float32)
    p[0, 2:12, 2:12], p[1, 2:12, 8:18] = 0.7, 0.9
    masks = read_probabilities(p, {"a": 0.5, "b": 0.5}).masks
    a, b = (mask.pixels() for mask in masks)
    assert not (a & b).any()
    assert b.sum() == 100


def cell(channel, place, shape=(60, 80)):
    image = np.zeros((*shape, 3), dtype=np.uint8)
    y, x = np.indices(shape)
    image[(y - place[0]) ** 2 + (x - place[1]) ** 2 < 144, channel] = 250
    return image


def test_frames_of_a_subject_become_one_proposal_with_marks_on_their_frames(encode, tmp_path):
    plane = DataPlane([mask_folder(tmp_path / "m")], threads=1)
    items = [
        Item("7", encode(cell(0, (30, 30))), 7, 0),
        Item("7", encode(cell(1, (25, 60))), 7, 2),
        Item("8", encode(cell(0, (20, 20), (50, 50))), 8, 0),
        Item("9", encode(cell(0, (20, 20))), 9, 0),
        Item("9", b"", 9, 1),
    ]
    seven, eight, nine = plane.propose("colours", items, WORKFLOW, NOTHING)
    assert seven.sizes == ((80, 60), None, (80, 60))
    assert [m.label for m in text_to_masks(seven.proposal.mask)] == ["red cell", "green cell"]
    shown = PRESENTERS["masks"](seven.proposal, WORKFLOW, frames=3, sizes=seven.sizes)
    assert [(m["toolType"], m["frame"]) for m in shown.payload["data"]] == [
        ("polygon", 0),
        ("freehandLine", 2),
    ]
    assert eight.proposal.subject_id == 8
    assert nine.proposal is None
    assert "0 bytes" in nine.prediction.error
    again = next(iter(plane.propose("colours", items, WORKFLOW, NOTHING)))
    assert again.proposal.proposal_id == seven.proposal.proposal_id


def test_a_mask_model_is_warmed_up_at_a_size_that_it_takes(tmp_path):
    plane = DataPlane([mask_folder(tmp_path / "m", 48)], threads=1)
    plane.warm_up()
    assert plane.ready()


def test_a_mask_model_is_verified_at_a_size_that_it_takes(tmp_path):
    folder = mask_folder(tmp_path / "m", 48)
    done = CliRunner().invoke(model, ["verify", str(folder.path)])
    assert done.exit_code == 0, done.output
    assert "sound" in done.output
