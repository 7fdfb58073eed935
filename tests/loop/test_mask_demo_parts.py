"""The parts of the demo on masks: its images, the crowd, scores, and what is agreed on."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zooassist_exporters.splits import split_of
from zooassist_loop.demo.masks.images import BUNDLED, read_micrographs
from zooassist_loop.demo.masks.scores import proposed_objects, score_image, score_images
from zooassist_loop.demo.masks.tasks import DRAWING_TASK, HOLE_TOOL, NUCLEUS, TASKS
from zooassist_plugin.errors import BadInput
from zooassist_plugin.presenters.masks import tool_of
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.proposed_masks import make_mask, masks_to_text
from zooassist_plugin.workflow import Workflow

pytest.importorskip("torch", reason="the hash that splits images by name lies in [train]")
from zooassist_training.segmentation.sources import number_of


def test_images_that_come_along_are_real_small_and_unseen_by_the_bundled_model(tmp_path):
    data = read_micrographs(None, tmp_path, 24, seed=1)
    assert data.unseen
    assert not data.problems
    assert len({each.image.read_bytes() for each in data.images}) == 24
    assert {each.metadata["kind"] for each in data.images} == {"fluorescence", "stained_colour"}
    for each in data.images:
        assert split_of(number_of(each.image.stem)) == "test"
        assert each.count >= 3
        assert each.image.is_relative_to(tmp_path)
    assert sum(p.stat().st_size for p in BUNDLED.rglob("*.png")) < 2_000_000


def test_the_seed_chooses_which_images_are_shown(tmp_path):
    def names(seed, out):
        return [each.name for each in read_micrographs(None, tmp_path / out, 12, seed).images]

    assert names(1, "a") == names(1, "b")
    assert names(1, "a") != names(2, "c")
    with pytest.raises(BadInput, match="24 images come along, 30 were asked for"):
        read_micrographs(None, tmp_path / "d", 30, 1)


def test_a_folder_names_what_it_cannot_use(tmp_path):
    folder = tmp_path / "mine"
    for name in ("images", "nucleus_ids"):
        (folder / name).mkdir(parents=True)
    for name in ("good", "lonely", "small"):
        Image.new("RGB", (20, 10)).save(folder / "images" / f"{name}.png")
    numbers = np.zeros((10, 20), dtype=np.uint16)
    numbers[2:5, 3:9], numbers[6:9, 12:18] = 4, 700
    Image.fromarray(numbers).save(folder / "nucleus_ids" / "good.png")
    Image.fromarray(numbers[:5]).save(folder / "nucleus_ids" / "small.png")
    data = read_micrographs(folder, tmp_path / "out", 50, seed=1)
    [image] = data.images
    assert (image.name, image.count, image.size) == ("good.png", 2, (20, 10))
    assert not data.unseen
    assert sorted(problem.split(":")[0] for problem in data.problems) == ["lonely.png", "small.png"]
    with pytest.raises(BadInput, match=r"found no images/"):
        read_micrographs(tmp_path, tmp_path / "out", 12, 1)


def test_the_workflow_draws_what_the_bundled_model_proposes():
    workflow = Workflow(1, 1, "", "1.1", DRAWING_TASK, TASKS)
    tool = tool_of("nucleus", workflow)
    assert (tool.task, tool.tool_index) == (NUCLEUS.task, NUCLEUS.index)
    assert tool.hole_index == HOLE_TOOL


def test_a_proposal_is_scored_piece_by_piece():
    truth = np.zeros((30, 40), dtype=np.int32)
    truth[2:10, 2:10], truth[15:25, 20:35], truth[2:6, 30:36] = 1, 2, 3
    masks = [make_mask(truth == 1), make_mask(truth == 2)]
    proposal = Proposal(
        proposal_id="p",
        workflow_id=1,
        subject_id=7,
        model="m",
        model_version="v",
        created_at="2026-01-01T00:00:00Z",
        confidence=0.9,
        uncertainty=0.1,
        mask=masks_to_text(masks),
    )
    score = score_image(proposed_objects(proposal, (40, 30)), truth)
    assert (score.objects.found, score.objects.false, score.objects.missed) == (2, 0, 1)
    assert score.dice == pytest.approx(2 * 214 / (2 * 214 + 24))
    whole = score_images({7: score, 8: score_image(truth, truth)}, {7, 8, 9})
    assert whole.images == 2
    assert whole.f1 == pytest.approx(2 * 5 / (2 * 5 + 1))
    assert score_images({}, {1}).dice is None
    with pytest.raises(BadInput, match="expected a mask of 30x40 px, got 40x30"):
        proposed_objects(proposal, (30, 40))
