from __future__ import annotations

import json
import shutil
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from PIL import Image

from zooassist_plugin.cli import main
from zooassist_serving.model_folder import load_model_folder
from zooassist_training.command import votes

QUICK = ("--encoder", "tiny", "--size", "32", "--epochs", "1", "--threads", "1")


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr("sys.argv", ["zooassist", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_train_votes_writes_a_model(training_set, tmp_path, monkeypatch, capfd, caplog):
    caplog.set_level("INFO")
    out = tmp_path / "first"
    credit = ("--licence", "CC-BY-4.0", "--credit", "the volunteers")
    assert run(monkeypatch, "train", "votes", training_set, "--out", out, *QUICK, *credit) == 0
    card = load_model_folder(out).card
    assert (card.name, card.licence, card.credits) == ("first", "CC-BY-4.0", ("the volunteers",))
    shown = capfd.readouterr()
    assert card.version in shown.out
    assert any("epoch 1 of 1: validation_loss" in line for line in caplog.messages)
    for noise in ("GPU available", "TPU", "litlogger", "Tip", "Warning", "Seed set"):
        assert noise not in shown.err


def test_fine_tuning_from_a_folder(training_set, tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(monkeypatch, "train", "votes", training_set, "--out", first, *QUICK) == 0
    more = ("--from", first, "--epochs", "1", "--head-only", "--name", "better")
    assert run(monkeypatch, "train", "votes", training_set, "--out", second, *more) == 0
    assert load_model_folder(second).card.name == "better"


def test_options_reach_the_recipe_and_the_folder(training_set, tmp_path, monkeypatch):
    out = tmp_path / "model"
    options = ("--samples", "3", "--members", "2", "--store", "float16", "--greyscale")
    options += ("--train", "last:2", "--layer-decay", "0.5", "--accumulate", "2", "--no-flip")
    options += ("--class-weights", "bar_yes=2", "--zoom", "0.2", "--no-inclusion-weights")
    assert run(monkeypatch, "train", "votes", training_set, "--out", out, *QUICK, *options) == 0
    kept = json.loads((out / "recipe.json").read_text())
    recipe, fit = kept["recipe"], kept["recipe"]["fit"]
    assert (recipe["samples"], recipe["members"], recipe["store"]) == (3, 2, "float16")
    assert recipe["inclusion_weights"] is False
    assert kept["network"]["greyscale"] is True
    assert (fit["train"], fit["layer_decay"], fit["accumulate"]) == ("last:2", 0.5, 2)
    assert fit["class_weights"] == {"bar_yes": 2.0}
    assert (fit["augmentation"]["flip"], fit["augmentation"]["zoom"]) == (False, 0.2)
    shapes = {output.name: output.shape for output in load_model_folder(out).card.outputs}
    assert shapes["concentrations"] == ("batch", 6, 5)


def test_few_labels_are_the_default_when_they_are_few(training_set, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    assert run(monkeypatch, "train", "votes", training_set, "--out", first, *QUICK) == 0
    go_on = ("train", "votes", training_set, "--from", first)
    assert run(monkeypatch, *go_on, "--out", second) == 0
    assert any(line.startswith("few labels: ") for line in caplog.messages)
    caplog.clear()
    assert run(monkeypatch, *go_on, "--out", third, "--epochs", "1") == 0
    assert not any(line.startswith("few labels: ") for line in caplog.messages)


def test_several_training_sets(training_set, tmp_path, monkeypatch, capsys):
    twice = (training_set, training_set)
    assert run(monkeypatch, "train", "votes", *twice, "--out", tmp_path / "m", *QUICK) == 2
    assert "the same training set" in capsys.readouterr().err


def test_not_a_training_set(tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, "train", "votes", tmp_path, "--out", tmp_path / "model") == 2
    assert "expected a training set folder" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_changed_votes_are_refused(training_set, tmp_path, monkeypatch, capsys):
    broken = tmp_path / "broken"
    shutil.copytree(training_set, broken)
    with (broken / "votes.parquet").open("ab") as file:
        file.write(b"x")
    assert run(monkeypatch, "train", "votes", broken, "--out", tmp_path / "model", *QUICK) == 2
    assert "votes.parquet" in capsys.readouterr().err


def test_damaged_image_is_named_and_the_rest_is_trained_on(
    training_set, tmp_path, monkeypatch, capsys
):
    damaged = tmp_path / "damaged"
    shutil.copytree(training_set, damaged)
    picture = sorted((damaged / "images").iterdir())[0]
    picture.write_bytes(picture.read_bytes()[:50])
    out = tmp_path / "model"
    assert run(monkeypatch, "train", "votes", damaged, "--out", out, *QUICK) == 1
    assert "error: subject " in capsys.readouterr().err
    assert load_model_folder(out).card.kind == "votes"


def test_lost_image_is_named_and_the_rest_is_trained_on(
    training_set, tmp_path, monkeypatch, capsys
):
    copied = shutil.copytree(training_set, tmp_path / "copied")
    lost = sorted((copied / "images").iterdir())[0]
    lost.unlink()
    out = tmp_path / "model"
    assert run(monkeypatch, "train", "votes", copied, "--out", out, *QUICK) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert line.startswith(f"error: subject {lost.stem}: ")
    assert f"images/{lost.name} is not there" in line
    assert load_model_folder(out).card.kind == "votes"


def test_a_full_disk_is_one_line(training_set, tmp_path):
    """A limit on the size of files stands in for the disk that the images are unpacked on."""
    script = (
        "import resource; from zooassist_plugin.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)); main()"
    )
    out = tmp_path / "model"
    arguments = ("train", "votes", str(training_set), "--out", str(out), *QUICK)
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "cannot be written: File too large; make room there" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_is_laid_out_by_hand():
    shown = CliRunner().invoke(votes, ["--help"]).output
    assert "\\b" not in shown
    assert "\n    zooassist train votes training-set --out models/galaxies\n" in shown
    titles = [line for line in shown.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles[:2] == ["What is written:", "The network:"]
    assert all(option.help for option in votes.params if isinstance(option, click.Option))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--encoder", "no-such-net"), "no-such-net"),
        (("--encoder-options", "channels"), "expected a JSON object"),
        (("--head", "relu"), "head: expected one of"),
        (("--from", "galaxy-zoo"), "--encoder: the model given with --from decides it"),
        (("--dropout", "1.5"), "dropout"),
        (("--precision", "8"), "precision"),
        (("--train", "some"), "expected all, head or last:N"),
        (("--train", "last:9"), "at most the last 5 blocks"),
        (("--head-only", "--train", "last:2"), "the same as --train head, but"),
        (("--class-weights", "bar"), "expected balanced or COLUMN=WEIGHT"),
        (("--few-labels",), "--epochs: --few-labels fits the head alone"),
        (("--learning-rate", "0"), "learning_rate: expected more than 0, got 0.0"),
        (("--dropout", "0", "--samples", "5"), "all 5 would be the same"),
    ],
)
def test_wrong_options(training_set, tmp_path, monkeypatch, capsys, options, message):
    out = tmp_path / "model"
    assert run(monkeypatch, "train", "votes", training_set, "--out", out, *QUICK, *options) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_few_labels_need_an_encoder_that_knows_something(
    training_set, tmp_path, monkeypatch, capsys
):
    options = ("--encoder", "tiny", "--size", "32", "--few-labels")
    out = tmp_path / "model"
    assert run(monkeypatch, "train", "votes", training_set, "--out", out, *options) == 2
    assert "it has to know something" in capsys.readouterr().err


def test_model_to_go_on_from_is_not_there(training_set, tmp_path, monkeypatch, capsys):
    start = ("--from", tmp_path / "nowhere")
    assert run(monkeypatch, "train", "votes", training_set, "--out", tmp_path / "m", *start) == 2
    assert "nowhere" in capsys.readouterr().err


def test_one_pixel_images_are_no_reason_to_fail(training_set, tmp_path, monkeypatch):
    folder = tmp_path / "small"
    shutil.copytree(training_set, folder)
    picture = sorted((folder / "images").iterdir())[0]
    Image.new("L", (1, 1)).save(picture, format="PNG")
    assert run(monkeypatch, "train", "votes", folder, "--out", tmp_path / "model", *QUICK) == 0


def test_values_are_learnt_from_metadata(blob_set, tmp_path, monkeypatch, capfd):
    out = tmp_path / "radii"
    options = ("--regress", "radius=px,tilt", "--samples", "3", "--zoom", "0")
    assert run(monkeypatch, "train", "votes", blob_set, "--out", out, *QUICK, *options) == 0
    card = load_model_folder(out).card
    assert [each.label for each in card.targets] == ["radius (px)", "tilt"]
    shown = capfd.readouterr().out
    assert "test radius/rmse: " in shown
    assert "test tilt/r2: " in shown


@pytest.mark.parametrize("option", [("--head", "softplus"), ("--class-weights", "balanced")])
def test_options_of_answers_are_refused_with_values(blob_set, tmp_path, monkeypatch, capfd, option):
    arguments = ("train", "votes", blob_set, "--out", tmp_path / "m", "--regress", "radius")
    assert run(monkeypatch, *arguments, *option) == 2
    assert f"{option[0]}: --regress learns values" in capfd.readouterr().err
