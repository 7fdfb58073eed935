"""Masks of a real, tiny model go through a sandbox and come out as a volunteer sees them."""

from __future__ import annotations

import io

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the tiny test model is made with onnx ([train])")

from mask_model import mask_folder
from PIL import Image
from prefill_project import prefill_project

from zooassist_loop.enable_command import record_probe
from zooassist_loop.ledger import Ledger
from zooassist_loop.propose.hosts import csv_host
from zooassist_loop.propose.pipeline import Order, Sides, propose_subjects
from zooassist_plugin.enable import Wanted, enable
from zooassist_plugin.presenters.choice import presenter_for
from zooassist_plugin.project_building import NewSubject, add_subjects, upload_subjects
from zooassist_plugin.proposed_masks import text_to_masks
from zooassist_serving.dataplane import DataPlane

TASKS = {
    "T0": {
        "type": "drawing",
        "instruction": "Correct the outlines",
        "help": "",
        "tools": [
            {"type": "polygon", "label": "Red cell", "color": "#ff0000", "details": []},
            {"type": "freehandLine", "label": "Green cell", "color": "#00ff00", "details": []},
        ],
    }
}


def picture(channel, place):
    image = np.zeros((60, 80, 3), dtype=np.uint8)
    y, x = np.indices(image.shape[:2])
    image[((y - place[0]) / 12) ** 2 + ((x - place[1]) / 15) ** 2 < 1, channel] = 250
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def test_slices_of_a_flipbook_subject_show_their_own_outlines(tmp_path):
    folder = mask_folder(tmp_path / "model")
    slices = [picture(0, (30, 25 + 3 * z)) for z in range(3)] + [picture(1, (25, 50))]
    with (
        prefill_project(tmp_path / "sandbox", (), TASKS) as sandbox,
        Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger,
    ):
        new = NewSubject("stack", tuple(("image/png", each) for each in slices))
        [subject], failed = upload_subjects(sandbox.panoptes, sandbox.project_id, [new])
        assert not failed
        add_subjects(sandbox.panoptes, sandbox.subject_set_id, [subject.subject_id])
        host = csv_host("local", sandbox.settings)
        sides = Sides(sandbox.panoptes, sandbox.caesar, ledger, host)
        presenter = presenter_for(None, folder.card)
        wanted = Wanted(sandbox.workflow_id, folder.card, presenter)
        report = enable(sandbox.panoptes, sandbox.caesar, wanted, host=host, wait=20)
        assert report.passed
        record_probe(ledger, sandbox.workflow_id, report)
        order = Order(wanted, sandbox.subject_set_id, wait=20.0)
        outcome = propose_subjects(sides, order, DataPlane([folder], threads=1))
        assert (outcome.proposed, outcome.failed) == (1, ())
        assert outcome.published.equal == 1
        answer = sandbox.caesar.visible_proposals(sandbox.workflow_id, subject.subject_id)
        [payload] = answer.payloads
        kept = [each for each in ledger.entries(sandbox.workflow_id) if each.model == "colours"]
    marks = payload["data"]
    assert [(mark["frame"], mark["toolType"]) for mark in marks] == [
        (0, "polygon"),
        (1, "polygon"),
        (2, "polygon"),
        (3, "freehandLine"),
    ]
    middles = [np.mean([point["x"] for point in mark["points"]]) for mark in marks[:3]]
    assert np.diff(middles) == pytest.approx([3, 3], abs=0.5)
    [entry] = kept
    assert [mask.frame for mask in text_to_masks(entry.proposal["mask"])] == [0, 1, 2, 3]
