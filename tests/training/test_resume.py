"""A run that was killed ends as the unbroken one; a run is never mixed with another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from zooassist_plugin.errors import BadInput
from zooassist_training.fit_module import FitModule
from zooassist_training.fit_options import FitOptions
from zooassist_training.run_state import DONE, HISTORY, LAST, read_state
from zooassist_training.train_votes import VotesRecipe, train_votes

FIT = FitOptions(epochs=4, batch_size=8, averaging=0.9, threads=1, patience=0)
RECIPE = VotesRecipe(name="discs", encoder="tiny", size=32, fit=FIT)
# Trains in another process; at a given step it says so and waits to be killed.
SCRIPT = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[1].split(":")
from zooassist_training.fit_options import FitOptions
from zooassist_training.train_votes import VotesRecipe, train_votes
from zooassist_training.fit_module import FitModule
training_set, out, checkpoints, epoch, batch = sys.argv[2:]
original = FitModule.training_step
def step(self, images, batch_idx):
    loss = original(self, images, batch_idx)
    if (self.current_epoch, batch_idx) == (int(epoch), int(batch)):
        print("here", flush=True)
        time.sleep(300)
    return loss
FitModule.training_step = step
fit = FitOptions(epochs=4, batch_size=8, averaging=0.9, threads=1, patience=0)
recipe = VotesRecipe(name="discs", encoder="tiny", size=32, fit=fit)
train_votes(Path(training_set), Path(out), recipe, checkpoints=Path(checkpoints))
"""


def killed_at(epoch: int, batch: int, training_set: Path, folder: Path) -> None:
    """Start a training and end it with SIGKILL at a step."""
    paths = ":".join(path for path in sys.path if path)
    arguments = (training_set, folder / "broken", folder / "checkpoints", epoch, batch)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, paths, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "here\n"
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def validation_losses(trained) -> list[float]:
    recipe = (trained.folder.path / "recipe.json").read_text()
    return [epoch["validation_loss"] for epoch in json.loads(recipe)["history"]]


class PowerCut(Exception):
    pass


@pytest.mark.slow
def test_killed_and_broken_again_and_resumed_is_the_unbroken_run(
    training_set, tmp_path, monkeypatch
):
    """In the middle of an epoch: first by a signal that no process can catch, then by an error."""
    unbroken = train_votes(training_set, tmp_path / "whole", RECIPE)
    killed_at(1, 2, training_set, tmp_path)
    assert not (tmp_path / "broken").exists()
    checkpoints = tmp_path / "checkpoints"
    assert len(read_state(checkpoints / LAST)[HISTORY]) == 1
    original = FitModule.training_step

    def dies(self, batch, batch_idx):
        if (self.current_epoch, batch_idx) == (3, 1):
            raise PowerCut
        return original(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(FitModule, "training_step", dies)
        with pytest.raises(PowerCut):
            train_votes(training_set, tmp_path / "broken", RECIPE, checkpoints=checkpoints)
    assert len(read_state(checkpoints / LAST)[HISTORY]) == 3
    resumed = train_votes(training_set, tmp_path / "resumed", RECIPE, checkpoints=checkpoints)
    assert resumed.folder.card.version == unbroken.folder.card.version
    assert validation_losses(resumed) == validation_losses(unbroken)


@pytest.fixture(scope="module")
def finished(training_set, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    recipe = replace(RECIPE, fit=replace(FIT, epochs=1))
    train_votes(training_set, folder / "model", recipe, checkpoints=folder / "c")
    return folder


def test_a_finished_run_is_not_trained_again(finished, training_set, tmp_path, monkeypatch):
    monkeypatch.setattr("zooassist_training.fit.FitModule", lambda *_: 1 / 0)
    recipe = replace(RECIPE, fit=replace(FIT, epochs=1))
    again = train_votes(training_set, tmp_path / "model", recipe, checkpoints=finished / "c")
    assert again.epochs == 1


def test_a_run_that_was_broken_after_early_stopping_learns_no_more(
    training_set, tmp_path, monkeypatch
):
    """The rate is so high that the loss soon gets worse; then the end is cut off."""
    fit_options = replace(FIT, epochs=12, patience=1, learning_rate=0.3)
    recipe, checkpoints = replace(RECIPE, fit=fit_options), tmp_path / "c"
    whole = train_votes(training_set, tmp_path / "whole", recipe, checkpoints=checkpoints)
    assert whole.epochs < 12, "did not stop early"
    (checkpoints / DONE).unlink()
    monkeypatch.setattr(FitModule, "training_step", lambda *_: 1 / 0)
    again = train_votes(training_set, tmp_path / "again", recipe, checkpoints=checkpoints)
    assert again.folder.card.version == whole.folder.card.version
    assert again.epochs == whole.epochs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dropout": 0.4}, "network: dropout: expected 0.4, the checkpoint has 0.2"),
        ({"fit": replace(FIT, epochs=1, seed=5)}, "option seed: expected 5"),
        ({"train_on": ("train", "validation")}, "images and votes|network: mean"),
    ],
)
def test_checkpoints_of_another_training_are_refused(
    finished, training_set, tmp_path, changes, message
):
    recipe = replace(RECIPE, **({"fit": replace(FIT, epochs=1)} | changes))
    with pytest.raises(BadInput, match=f"another training; ({message})"):
        train_votes(training_set, tmp_path / "m", recipe, checkpoints=finished / "c")
    (finished / "c" / DONE).rename(finished / "done")
    try:
        with pytest.raises(BadInput, match=f"{LAST}: a checkpoint of another training"):
            train_votes(training_set, tmp_path / "m", recipe, checkpoints=finished / "c")
    finally:
        (finished / "done").rename(finished / "c" / DONE)


def test_checkpoints_from_another_beginning_are_refused(finished, training_set, tmp_path):
    """Two models of one kind: only their weights tell them apart."""
    recipe = replace(RECIPE, fit=replace(FIT, epochs=1, seed=3))
    train_votes(training_set, tmp_path / "other", recipe)
    on = replace(RECIPE, start=finished / "model", fit=replace(FIT, epochs=1))
    train_votes(training_set, tmp_path / "a", on, checkpoints=tmp_path / "c")
    with pytest.raises(BadInput, match="another training; weights to begin with: expected digest"):
        train_votes(
            training_set,
            tmp_path / "b",
            replace(on, start=tmp_path / "other"),
            checkpoints=tmp_path / "c",
        )


class Bomb:
    def __reduce__(self):
        return (time.sleep, (600,))


def damaged(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 half a file")


def pickled(path: Path) -> None:
    torch.save({"state_dict": Bomb()}, path)


def foreign(path: Path) -> None:
    torch.save({"state_dict": {}}, path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (damaged, "cannot be read"),
        (pickled, "cannot be read"),
        (foreign, "does not say which training"),
    ],
)
def test_checkpoints_that_are_none(training_set, tmp_path, write, message):
    write(tmp_path / LAST)
    with pytest.raises(BadInput, match=message):
        train_votes(training_set, tmp_path / "m", RECIPE, checkpoints=tmp_path)
