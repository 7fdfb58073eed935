from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_plugin.calibration import METHOD, Calibration
from zooassist_plugin.cli import main
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.model_card import TensorSpec
from zooassist_serving.model_folder import card_for, load_model_folder, write_model_folder
from zooassist_training.evaluation.report.charts import answer_bars, density
from zooassist_training.evaluation.run import Request, evaluate_model
from zooassist_training.fit_options import FitOptions
from zooassist_training.train_votes import VotesRecipe, train_votes

FIT = FitOptions(epochs=3, batch_size=16, learning_rate=5e-3, averaging=0.9, threads=1)
WARM = {"map": "temperature", "temperature": 2.0, "sharpness": 0.5}


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr("sys.argv", ["zooassist", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def model(training_set, tmp_path_factory):
    recipe = VotesRecipe(name="discs", encoder="tiny", size=32, fit=FIT, licence="CC0")
    out = tmp_path_factory.mktemp("models") / "discs"
    return train_votes(training_set, out, recipe).folder


@pytest.fixture(scope="module")
def many(training_set, tmp_path_factory):
    """Enough subjects to fit a calibration, whose volunteers agree less than any image shows."""
    data = read_training_set(training_set)
    random = np.random.default_rng(0)
    pictures = [data.image_path(row) for row in range(len(data))]
    rows = [SubjectRow(subject, pictures[subject % 60]) for subject in range(1000, 1400)]
    yes = random.binomial(20, random.beta(1, 1, 400))
    counts = np.stack([20 - yes, yes, yes * 0, yes // 2, yes - yes // 2], axis=1)
    return write_training_set(tmp_path_factory.mktemp("sets") / "many", rows, counts, data.schema)


def rewritten(training_set, out, schema=None, change=None, keep=lambda row: True):
    """The same pictures with other questions or votes."""
    data = read_training_set(training_set)
    rows = [row for row in range(len(data)) if keep(row)]
    counts = data.counts[rows].copy()
    subjects = [
        SubjectRow(int(data.subject_ids[row]), data.image_path(row), metadata={"half": row % 2})
        for row in rows
    ]
    if change is not None:
        counts = change(counts)
    return write_training_set(out, subjects, counts, schema or data.schema)


def test_writes_a_page_and_every_figure(model, training_set, tmp_path, monkeypatch, capsys):
    out = tmp_path / "evaluation"
    assert run(monkeypatch, "evaluate", model.path, training_set, "--out", out) == 0
    shown = capsys.readouterr().out
    assert model.card.version in shown
    assert "coverage error at 80 %" in shown
    content = json.loads((out / "metrics.json").read_text())
    assert content["encoding-type"] == "zooassist-evaluation"
    assert content["model"]["version"] == model.card.version
    data = read_training_set(training_set)
    assert content["training_set"]["sha256"] == data.sha256
    assert content["subjects"] == len(data.rows_of("test"))
    root = content["uncalibrated"]["questions"]["smooth-or-featured"]
    assert root["accuracy"] == pytest.approx(model.card.metrics["smooth-or-featured/accuracy"])
    assert content["uncalibrated"]["cumulative_rmse"] == pytest.approx(
        model.card.metrics["rmse"], abs=1e-5
    )
    page = (out / "report.html").read_text()
    assert len(re.findall("<img ", page)) == len(re.findall('src="data:image/jpeg', page)) > 4
    # Nothing is fetched: the page is whole wherever it is taken.
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert data.sha256 in page
    assert [path.name for path in sorted(out.iterdir())] == ["metrics.json", "report.html"]


def test_a_page_by_name_and_one_split(model, training_set, tmp_path, monkeypatch, capsys):
    out = tmp_path / "looks.html"
    arguments = ("evaluate", model.path, training_set, "--split", "train", "--out", out)
    assert run(monkeypatch, *arguments) == 0
    assert "learnt from these subjects" in capsys.readouterr().out
    assert json.loads((tmp_path / "looks-metrics.json").read_text())["learnt_from"] == "yes"
    assert "remembers" in out.read_text()


def test_the_split_that_chose_the_model_is_said_to(
    model, training_set, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "chosen.html"
    arguments = ("evaluate", model.path, training_set, "--split", "validation", "--out", out)
    assert run(monkeypatch, *arguments) == 0
    assert "chose the model's epoch" in capsys.readouterr().out
    assert "chose the epoch and the calibration" in out.read_text()
    content = json.loads((tmp_path / "chosen-metrics.json").read_text())
    assert (content["learnt_from"], content["chosen_by"]) == ("no", True)
    assert not evaluate_model(Request(model.path, training_set)).chosen_by


def test_a_calibrated_model_is_measured_before_and_after(model, training_set, tmp_path):
    made = Calibration.model_validate({"method": METHOD, "questions": {"bar": WARM}})
    card = card_for(
        model.onnx_path.read_bytes(),
        **{
            name: getattr(model.card, name)
            for name in type(model.card).model_fields
            if name not in ("sha256", "version", "calibration")
        },
        calibration=made,
    )
    warm = write_model_folder(model.onnx_path.read_bytes(), card, tmp_path / "warm")
    found = evaluate_model(Request(warm.path, training_set))
    assert found.calibration == made
    then, now = (each.questions for each in (found.before, found.after))
    assert then[0].log_likelihood == now[0].log_likelihood
    assert then[1].log_likelihood != now[1].log_likelihood
    assert then[1].score == now[1].score  # of two answers a temperature keeps the first


def test_fitting_writes_a_new_folder_and_leaves_the_old_one(
    model, many, tmp_path, monkeypatch, capsys
):
    before = {path.name: path.read_bytes() for path in model.path.iterdir()}
    out, new = tmp_path / "evaluation", tmp_path / "calibrated"
    arguments = ("evaluate", model.path, many, "--out", out, "--fit-calibration")
    assert run(monkeypatch, *arguments, "--out-model", new) == 0
    made = load_model_folder(new)
    assert made.card.calibration
    assert made.card.version != model.card.version
    assert made.card.version in capsys.readouterr().out
    assert made.card.sha256 == model.card.sha256
    assert (new / "recipe.json").read_bytes() == before["recipe.json"]
    assert {path.name: path.read_bytes() for path in model.path.iterdir()} == before
    content = json.loads((out / "metrics.json").read_text())
    assert content["calibrated"]["log_likelihood"] > content["uncalibrated"]["log_likelihood"]
    assert content["calibration"] == made.card.calibration.to_json()
    assert any(each["map"] for each in content["calibration_fit"])
    assert "before calibration" in (out / "report.html").read_text()
    # And a folder that is there is not replaced unasked.
    assert run(monkeypatch, *arguments, "--out-model", new) == 2
    assert run(monkeypatch, *arguments, "--out-model", new, "--overwrite") == 0


def test_a_model_that_saw_the_validation_split_is_not_calibrated_on_it(
    training_set, tmp_path, monkeypatch, capsys
):
    recipe = VotesRecipe(
        name="seen",
        encoder="tiny",
        size=32,
        fit=replace(FIT, epochs=1),
        train_on=("train", "validation"),
    )
    folder = train_votes(training_set, tmp_path / "seen", recipe).folder
    arguments = ("evaluate", folder.path, training_set, "--out", tmp_path / "e")
    assert run(monkeypatch, *arguments, "--fit-calibration") == 2
    assert "learnt from the validation split" in capsys.readouterr().err
    assert run(monkeypatch, *arguments, "--split", "validation") == 0


def test_only_some_subjects(model, training_set, tmp_path, monkeypatch, capsys):
    halves = rewritten(training_set, tmp_path / "halves")
    whole = evaluate_model(Request(model.path, halves, split="all"))
    assert whole.learnt_from == "perhaps"  # other votes, the same pictures
    assert evaluate_model(Request(model.path, halves)).learnt_from == "no"
    half = evaluate_model(Request(model.path, halves, split="all", where={"half": "1"}))
    assert (whole.after.galaxies, half.after.galaxies) == (60, 30)
    arguments = ("evaluate", model.path, halves, "--out", tmp_path / "e", "--where")
    assert run(monkeypatch, *arguments, "quarter=1") == 2
    assert "expected one of half" in capsys.readouterr().err
    assert run(monkeypatch, *arguments, "half=7") == 2
    assert "half=7" in capsys.readouterr().err
    assert run(monkeypatch, *arguments, "half") == 2


def test_other_names_and_order_are_matched_by_words(model, training_set, schema, tmp_path):
    root = schema.questions[0]
    turned = LabelSchema(
        (
            Question(
                "q1", "T5", "single", (),
                tuple(Answer(root.answers[i].label, place, f"q1_{place}")
                      for place, i in enumerate((2, 0, 1))),
                text=root.text,
            ),
        )
    )  # fmt: skip
    other = rewritten(
        training_set, tmp_path / "other", turned, change=lambda counts: counts[:, [2, 0, 1]]
    )
    found = evaluate_model(Request(model.path, other, split="all"))
    same = evaluate_model(Request(model.path, training_set, split="all"))
    assert found.comparison.not_asked == ("bar",)
    assert found.after.questions[0].score == same.after.questions[0].score
    assert found.after.questions[0].confusion.tolist() == same.after.questions[0].confusion.tolist()


def test_another_projects_questions_are_refused(model, training_set, tmp_path, monkeypatch, capsys):
    colour = LabelSchema(
        (Question("colour", "T0", "single", (),
                  (Answer("Red", 0, "colour_red"), Answer("Blue", 1, "colour_blue"))),)
    )  # fmt: skip
    other = rewritten(training_set, tmp_path / "other", colour, change=lambda counts: counts[:, :2])
    arguments = ("evaluate", model.path, other, "--out", tmp_path / "e")
    assert run(monkeypatch, *arguments) == 2
    assert "no such question (it answers smooth-or-featured, bar)" in capsys.readouterr().err
    assert run(monkeypatch, *arguments, "--map", "T0=bar") == 2
    assert "only the training set has 'Red', 'Blue'" in capsys.readouterr().err.replace(
        "the workflow", "the training set"
    )
    assert not (tmp_path / "e").exists()


def test_nobody_answered(model, training_set, tmp_path, monkeypatch, capsys):
    silent = rewritten(training_set, tmp_path / "silent", change=lambda counts: counts * 0)
    assert run(monkeypatch, "evaluate", model.path, silent, "--out", tmp_path / "e") == 2
    assert "nobody answered" in capsys.readouterr().err


def test_an_empty_split_says_what_there_is(model, training_set, tmp_path, monkeypatch, capsys):
    tests = set(read_training_set(training_set).rows_of("test").tolist())
    other = rewritten(training_set, tmp_path / "other", keep=lambda row: row not in tests)
    assert run(monkeypatch, "evaluate", model.path, other, "--out", tmp_path / "e") == 2
    assert "test 0" in capsys.readouterr().err


def test_broken_images_are_named_and_the_rest_is_measured(
    model, training_set, tmp_path, monkeypatch, capsys
):
    damaged = tmp_path / "damaged"
    shutil.copytree(training_set, damaged)
    data = read_training_set(damaged)
    rows = data.rows_of("test")
    data.image_path(int(rows[0])).write_bytes(b"no picture")
    out = tmp_path / "e"
    assert run(monkeypatch, "evaluate", model.path, damaged, "--out", out) == 1
    assert f"error: subject {data.subject_ids[rows[0]]}" in capsys.readouterr().err
    content = json.loads((out / "metrics.json").read_text())
    assert content["subjects"] == len(rows) - 1
    assert len(content["problems"]) == 1
    for row in rows[1:]:
        data.image_path(int(row)).unlink()
    assert run(monkeypatch, "evaluate", model.path, damaged, "--out", out) == 2
    assert f"{len(rows)} could not be used" in capsys.readouterr().err


def test_a_model_of_another_kind(model, training_set, tmp_path, monkeypatch, capsys):
    data = model.onnx_path.read_bytes()
    outputs = tuple(each for each in model.card.outputs if each.name == "embedding")
    assert isinstance(outputs[0], TensorSpec)
    card = card_for(
        data,
        preprocessing=model.card.preprocessing,
        name="looks",
        kind="embedding",
        inputs=model.card.inputs,
        outputs=outputs,
        licence="CC0",
    )
    other = write_model_folder(data, card, tmp_path / "looks")
    assert run(monkeypatch, "evaluate", other.path, training_set, "--out", tmp_path / "e") == 2
    assert "kind 'embedding'" in capsys.readouterr().err


def test_bad_places_are_refused_before_the_work(model, training_set, tmp_path, monkeypatch, capsys):
    file = tmp_path / "file"
    file.write_text("mine")
    assert run(monkeypatch, "evaluate", model.path, training_set, "--out", file) == 2
    assert file.read_text() == "mine"
    nowhere = tmp_path / "missing" / "page.html"
    assert run(monkeypatch, "evaluate", model.path, training_set, "--out", nowhere) == 2
    arguments = ("evaluate", model.path, training_set, "--out-model", tmp_path / "m")
    assert run(monkeypatch, *arguments) == 2
    assert "--fit-calibration" in capsys.readouterr().err


def test_help_needs_no_heavy_library():
    code = (
        "import sys; from zooassist_training.evaluation.command import evaluate; "
        "evaluate(['--help'], standalone_mode=False); "
        "print([m for m in ('torch', 'onnxruntime', 'scipy', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")
    assert "zooassist evaluate galaxy-zoo training-set" in done.stdout


def test_words_of_volunteers_do_not_become_markup():
    label = '<script>alert("x")</script>'
    drawn = answer_bars([label], *np.array([[0.5], [0.4], [0.2], [0.6]]))
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn
    assert "<script>" not in density(np.array([0.5]), np.array([1.0]), label)


def test_training_puts_the_calibration_into_the_folder(many, tmp_path):
    recipe = VotesRecipe(name="discs", encoder="tiny", size=32, fit=replace(FIT, epochs=1))
    trained = train_votes(many, tmp_path / "discs", recipe)
    card = load_model_folder(tmp_path / "discs").card
    assert card.calibration
    found = evaluate_model(Request(tmp_path / "discs", many))
    assert found.after.log_likelihood > found.before.log_likelihood
    assert found.after.scores.flat() == trained.test.flat() == card.metrics
