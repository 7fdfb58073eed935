from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from zooassist_exporters.votes_csv import read_votes_csv
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_training.datasets import LabelledImages
from zooassist_training.encoders import PRESETS
from zooassist_training.networks import NetworkSpec, VotesNetwork


def schema(name: str, answers: int) -> LabelSchema:
    labels = tuple(Answer(f"{name} {n}", n, f"{name}_{n}") for n in range(answers))
    return LabelSchema((Question(name, "T0", "single", (), labels),))


def labelled(count: int, side: int, seed: int) -> LabelledImages:
    """Bright and dark images; which is the answer, but for a fifth that is wrong."""
    random = np.random.default_rng(seed)
    answers = np.arange(count) % 2
    images = random.integers(0, 60, (count, side, side, 3)) + answers[:, None, None, None] * 120
    answers[: count // 5] = 1 - answers[: count // 5]
    return LabelledImages(
        images=images.astype(np.uint8),
        labels=np.eye(2, dtype=np.float32)[answers],
        subject_ids=np.arange(count),
        weights=np.ones(count, dtype=np.float32),
        surveys=np.zeros(count, dtype=np.int64),
    )


@pytest.fixture(scope="module")
def transfer(benchmark_module):
    return benchmark_module("transfer")


@pytest.fixture(scope="module")
def task(benchmark_module):
    tasks = benchmark_module("transfer_tasks")
    rows = tasks.Rows(
        name="bar",
        schema=schema("bar", 2),
        files=(),
        subject_ids=np.zeros(0, dtype=np.int64),
        counts=np.zeros((0, 2), dtype=np.float32),
        splits=np.zeros(0, dtype=np.str_),
        volunteers=True,
        sha256="0",
    )
    return tasks.Task(rows, labelled(30, 24, 1), labelled(10, 16, 2), labelled(20, 16, 3))


@pytest.fixture(scope="module")
def starts(benchmark_module):
    network = VotesNetwork(NetworkSpec(PRESETS["small"], size=16, answers=5, samples=4))
    return benchmark_module("transfer_arms").Starts(16, network, schema("class", 5), "v1")


def test_what_starts_from_galaxies_has_their_encoder_and_a_new_head(transfer, starts, task):
    arms = {arm.name: arm for arm in starts.arms}
    assert set(arms) == {"scratch", "full", "linear"}
    full = starts.begin(arms["full"], task.training, task.rows.schema, seed=1)
    assert full.spec.answers == 2
    theirs = starts.galaxies.encoder.state_dict()
    for name, value in full.encoder.state_dict().items():
        assert bool((value == theirs[name]).all()), name
        assert value.data_ptr() != theirs[name].data_ptr()  # training one leaves the other
    scratch = starts.begin(arms["scratch"], task.training, task.rows.schema, seed=1)
    assert not bool((scratch.encoder.conv1.weight == full.encoder.conv1.weight).all())
    assert scratch.spec.samples == full.spec.samples == 4


def test_finished_trainings_are_not_run_again(transfer, starts, task, tmp_path, benchmark_module):
    runs = benchmark_module("finished_runs").FinishedRuns(tmp_path / "transfer.jsonl")
    options = transfer.Options(size=16, views=10, threads=1, precision="32")
    first = transfer.Trainings(starts, options, runs).results([task], [10, 800], seeds=2)
    assert {labels for _, _, labels in first} == {10}  # there are no 800
    assert all(len(of_seeds) == 2 for of_seeds in first.values())
    lines = (tmp_path / "transfer.jsonl").read_text()
    # A network that cannot be trained shows that nothing is.
    unusable = replace(starts, galaxies=None)
    again = transfer.Trainings(unusable, options, runs).results([task], [10, 800], seeds=2)
    assert again == first
    assert (tmp_path / "transfer.jsonl").read_text() == lines
    with pytest.raises(AttributeError):
        transfer.Trainings(unusable, options, runs).results([task], [10], seeds=3)
    figures = benchmark_module("transfer_figures").figures_of(first, [task], [10])
    assert figures["bar_majority_error"].value == 0.5
    assert 0 <= figures["bar_linear_10_error"].value <= 1


def test_all_ways_take_the_same_steps_and_more_labels_more(transfer):
    options = transfer.Options(size=16, views=2500, threads=1, precision="32")
    assert [options.epochs(labels) for labels in (50, 200, 800)] == [50, 25, 12]


def test_a_pool_with_a_galaxy_of_a_task_is_refused(tmp_path, benchmark_module):
    path = tmp_path / "votes.csv"
    path.write_text("GalaxyID,class_a,class_b\n1,1,0\n2,0,1\n3,1,0\n")
    arms = benchmark_module("transfer_arms")
    pool = read_votes_csv(path)
    with pytest.raises(BadInput, match="got 1, such as 3"):
        arms.check_never_seen(pool, [3, 4])
    arms.check_never_seen(pool, [4])
    assert arms.some_rows(pool, 2).subject_ids == [1, 3]
    assert arms.some_rows(pool, 2).counts.tolist() == [[1, 0], [1, 0]]
    assert arms.some_rows(pool, 0) is pool


def results(tasks):
    """Fine-tuning halves every error, the probe takes away two fifths."""
    return {
        (task.rows.name, arm, size): [
            {"error": factor * 0.2 * seed, "rmse": factor * 0.1} for seed in (1, 2)
        ]
        for task in tasks
        for arm, factor in (("scratch", 1.0), ("full", 0.5), ("linear", 0.6))
        for size in (50, 200)
    }


def test_the_headline_is_over_tasks_that_pre_training_did_not_ask(task, benchmark_module):
    figures_module = benchmark_module("transfer_figures")
    asked = replace(task, rows=replace(task.rows, name="spiral"))
    found = results([task]) | {key: [{"error": 0.3, "rmse": 0.1}] * 2 for key in results([asked])}
    figures = figures_module.figures_of(found, [task, asked], [50, 200])
    assert figures["reduction"].value == pytest.approx(0.5)
    assert figures["reduction"].holds
    assert figures["reduction_low"].value == pytest.approx(0.5)
    assert figures["reduction_linear"].value == pytest.approx(0.4)
    assert figures["reduction_overlapping"].value == pytest.approx(0.0)
    assert figures["linear_behind_full"].value == pytest.approx(0.2)
    assert figures["linear_behind_full"].holds is False
    assert figures["reduction_rmse"].value == pytest.approx(0.5)
    assert "reduction_full_against_imagenet" not in figures


def test_the_curves_have_every_seed(task, benchmark_module):
    drawn = benchmark_module("transfer_figures").picture(results([task]), [task], [50, 200])
    circles = ElementTree.fromstring(drawn).findall(".//{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 3 * 2 * 2
