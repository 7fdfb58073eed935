from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from classifier_model import assert_intact, submitted
from PIL import Image

from zooassist_exporters.mask_patch import Size
from zooassist_exporters.rasterise import rasterise
from zooassist_plugin.dialects.classifier_v2 import marks_from_v2
from zooassist_plugin.presenters import PRESENTERS, Unpresentable
from zooassist_plugin.presenters.masks import tool_of
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.proposed_masks import make_mask, masks_to_text
from zooassist_plugin.workflow import Workflow

NUCLEI = Path(__file__).parents[2] / "../shared/data/nuclei"


def resource(*tools):
    made = [{"type": kind, "label": label, "details": []} for kind, label in tools]
    return {
        "id": "102",
        "version": "1.1",
        "first_task": "T0",
        "tasks": {"T0": {"type": "drawing", "tools": made}},
        "configuration": {"enable_caesar_data_fetching": True},
        "links": {"project": "1"},
    }


def proposal(masks, **fields):
    return Proposal(
        **{
            "proposal_id": "p",
            "workflow_id": 102,
            "subject_id": 7,
            "model": "nuclei",
            "model_version": "3f2a",
            "created_at": datetime(2026, 6, 1, tzinfo=UTC),
            "confidence": 0.9,
            "uncertainty": 0.1,
            "mask": masks_to_text(masks),
            **fields,
        }
    )


def present(masks, workflow, **options):
    fields = {key: options.pop(key) for key in ("arm",) if key in options}
    given = proposal(masks, **fields)
    return PRESENTERS["masks"](given, Workflow.from_json(workflow), **options)


def square(top, left, side, shape=(50, 60)):
    mask = np.zeros(shape, dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_classes_go_to_the_tools_of_their_names_and_slices_to_their_frames():
    workflow = resource(("polygon", "Lipid droplet"), ("freehandLine", "**Cell wall**"))
    masks = [
        make_mask(square(3, 4, 12), label="cell wall", frame=2),
        make_mask(square(20, 30, 10), label="lipid-droplet", frame=0, score=0.25),
    ]
    presented = present(masks, workflow, frames=3, sizes=[(60, 50)] * 3)
    wall, droplet = presented.payload["data"]
    assert (wall["toolIndex"], wall["toolType"], wall["frame"]) == (1, "freehandLine", 2)
    assert (droplet["toolIndex"], droplet["frame"]) == (0, 0)
    assert_intact(workflow, presented.payload, frames=3)


def test_holes_are_drawn_by_a_tool_of_the_other_type():
    ring = square(5, 5, 30) & ~square(12, 12, 10)
    workflow = resource(("polygon", "Nucleus"), ("polygon", "Hole"), ("freehandLine", "Holes"))
    presented = present([make_mask(ring)], workflow)
    assert [mark["toolIndex"] for mark in presented.payload["data"]] == [0, 2]
    alone = present([make_mask(ring)], resource(("polygon", "Nucleus"), ("polygon", "Hole")))
    assert len(alone.payload["data"]) == 1
    assert "1 holes not drawn, 100 px" in alone.notes[0]


def test_a_hole_tool_of_another_class_draws_none_of_this():
    ring = square(5, 5, 30) & ~square(12, 12, 10)
    tools = ("polygon", "Cell"), ("polygon", "Nucleus"), ("freehandLine", "Cell hole")
    workflow = Workflow.from_json(resource(*tools))
    assert tool_of("cell", workflow).hole_index == 2
    assert tool_of("nucleus", workflow).hole_index is None
    presented = present([make_mask(ring, label="nucleus")], resource(*tools))
    assert len(presented.payload["data"]) == 1


def test_a_workflow_of_one_tool_is_meant_whatever_it_is_called():
    presented = present([make_mask(square(1, 1, 9), label="x")], resource(("polygon", "Draw")))
    assert len(presented.payload["data"]) == 1


def test_a_class_without_a_tool_is_refused_and_the_tools_are_named():
    workflow = resource(("polygon", "A"), ("polygon", "B"), ("point", "C"))
    with pytest.raises(Unpresentable, match=r"class 'c': .*got T0 'A', T0 'B'"):
        present([make_mask(square(1, 1, 9), label="c")], workflow)


def test_a_mask_of_another_size_than_its_frame_is_refused():
    with pytest.raises(Unpresentable, match="expected the frame's 60 x 40 px, got 60 x 50"):
        present([make_mask(square(1, 1, 9))], resource(("polygon", "A")), sizes=[(60, 40)])


def test_a_frame_that_the_subject_lacks_is_refused():
    with pytest.raises(Unpresentable, match="frame 4: expected 0 to 2"):
        present([make_mask(square(1, 1, 9), frame=4)], resource(("polygon", "A")), frames=3)


def test_specks_and_an_empty_mask_leave_nothing_and_the_control_arm_shows_nothing():
    workflow = resource(("polygon", "A"))
    speck = present([make_mask(square(1, 1, 3))], workflow)
    assert speck.payload["data"] == []
    assert "1 specks left out, 9 px" in speck.notes[0]
    assert present([make_mask(square(1, 1, 0))], workflow).payload["data"] == []
    control = present([make_mask(square(1, 1, 9))], workflow, arm="control")
    assert control.payload["data"] == []


@pytest.mark.parametrize("tool", ["polygon", "freehandLine"])
def test_real_nuclei_are_shown_and_come_back_whole(tool):
    if not NUCLEI.is_dir():
        pytest.skip("the nuclei are not in ../shared/data/nuclei")
    workflow = resource((tool, "Nucleus"))
    overlaps = []
    for path in sorted((NUCLEI / "nucleus_ids").glob("*.png"))[:20]:
        ids = np.asarray(Image.open(path))
        size = Size(ids.shape[1], ids.shape[0])
        masks = [make_mask(ids == n, label="nucleus") for n in np.unique(ids[ids > 0])]
        presented = present(masks, workflow, sizes=[size])
        assert_intact(workflow, presented.payload)
        back = [rasterise(m.shape, size).in_frame(size) for m in returned(workflow, presented)]
        assert len(back) == len(presented.payload["data"])
        for shown in back:
            # The object that was proposed is the one that it covers most of.
            n = np.bincount(ids[shown], minlength=2)[1:].argmax() + 1
            if (ids == n).sum() > 100:
                overlaps.append((shown & (ids == n)).sum() / (shown | (ids == n)).sum())
    assert len(overlaps) > 300
    assert np.quantile(overlaps, 0.01) >= 0.97


def returned(workflow, presented):
    """What a volunteer submits who presses Done at once."""
    return marks_from_v2("T0", submitted(workflow, presented.payload))
