"""`zooassist demo` as a newcomer runs it, small: every room takes part, nothing is half done."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest
from PIL import Image

from zooassist_exporters.training_set import read_training_set
from zooassist_loop.ledger import Ledger
from zooassist_serving.model_folder import load_model_folder


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("work") / "demo"
    command = [sys.executable, "-m", "zooassist_plugin.cli", "demo", "--out", str(out)]
    options = ["--subjects", "14", "--volunteers", "3", "--epochs", "1"]
    run = subprocess.run([*command, *options], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return out


@pytest.fixture(scope="module")
def summary(demo):
    return json.loads((demo / "summary.json").read_text())


def test_the_figures_agree_with_what_lies_in_the_folder(demo, summary):
    assert summary["subjects"] == 14
    assert summary["proposals_written"] == summary["proposals_read_back"] == 28
    assert summary["classifications"] == 3 * 14 == sum(summary["actions"].values())
    assert summary["model_versions"] == len(set(summary["versions"])) == 2
    with (demo / "exports" / "classifications.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == summary["classifications"]
    training_set = read_training_set(demo / "training-set")
    assert len(training_set) == summary["votes_rows"] == 14
    assert 0 <= summary["retired"] <= 14
    assert summary["problems"] == []


def test_the_second_version_is_a_sound_model_folder(demo, summary):
    second = load_model_folder(demo / "model-2")
    assert second.card.version == summary["versions"][1]
    assert load_model_folder("galaxy-zoo").card.version == summary["versions"][0]


def test_the_ledger_remembers_both_rounds(demo, summary):
    with Ledger(f"sqlite:///{demo / 'ledger.sqlite'}") as ledger:
        counts = ledger.counts(1)
    assert counts["presented"] == summary["proposals_written"]


def test_page_and_picture_are_there_and_whole(demo, summary):
    page = (demo / "index.html").read_text()
    assert page.rstrip().endswith("</html>")
    assert page.count("<tr>") == 1 + summary["subjects"]
    with Image.open(demo / "contact-sheet.png") as sheet:
        sheet.load()
        assert sheet.width > 1000
    assert [path.name for path in demo.parent.iterdir()] == ["demo"], "nothing half done beside it"
