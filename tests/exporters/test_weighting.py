"""Good and bad volunteers, told apart by their votes alone."""

import json
import warnings
from dataclasses import fields
from functools import cache

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from crowdkit.aggregation import MACE, DawidSkene, MajorityVote, Wawa

from zooassist_exporters.command import export
from zooassist_exporters.reductions.weighting.ballots import Ballots
from zooassist_exporters.reductions.weighting.weighing import weigh
from zooassist_exporters.training_set import read_training_set
from zooassist_plugin.label_schema import Answer, LabelSchema, Question

SUBJECTS, VOLUNTEERS, KNOWING, VOTES = 150, 24, 6, 9
METHODS = ("agreement", "dawid-skene", "mace")


def _question(name, task, kind, answers):
    listed = tuple(Answer(a, i, f"{name}_{a}") for i, a in enumerate(answers))
    return Question(name, task, kind, (), listed)


SCHEMA = LabelSchema(
    (
        _question("shape", "T0", "single", ("round", "long", "odd")),
        _question("also", "T1", "multiple", ("star", "trail")),
    )
)


@cache
def _crowd():
    """A quarter of the crowd knows; most of the others click whatever is next."""
    rng = np.random.default_rng(5)
    shape = rng.integers(0, 3, SUBJECTS)
    also = rng.random((SUBJECTS, 2)) < 0.4
    rows = []
    number = 0
    for subject in range(SUBJECTS):
        for user in rng.choice(VOLUNTEERS, VOTES, replace=False):
            good = user < KNOWING
            knows = rng.random() < (0.95 if good else 0.1)
            rows.append((subject, user, number, 0, shape[subject] if knows else rng.integers(3)))
            seen = also[subject] if knows else rng.random(2) < 0.5
            flips = rng.random(2) < 0.03
            ticked = np.flatnonzero(seen ^ flips)
            rows += [(subject, user, number, 1, 3 + each) for each in ticked]
            if not len(ticked):
                rows.append((subject, user, number, 1, -1))
            number += 1
    table = np.array(rows)
    subject_ids = 100 + np.arange(SUBJECTS)
    ballots = Ballots(100 + table[:, 0], 7000 + table[:, 1], *table[:, 2:].T)
    return ballots, subject_ids, shape, also


@cache
def _weighed_by(method):
    ballots, subject_ids, _, _ = _crowd()
    if method == "mace":  # slow: one question is enough
        mine = ballots.questions == 0
        ballots = Ballots(*(getattr(ballots, each.name)[mine] for each in fields(Ballots)))
    return weigh(ballots, subject_ids, SCHEMA, method)


def _plain(ballots, subject_ids):
    counts = np.zeros((SUBJECTS, 5))
    named = ballots.columns >= 0
    np.add.at(counts, (ballots.subject_ids[named] - 100, ballots.columns[named]), 1)
    return counts


@pytest.mark.parametrize("method", METHODS)
def test_weights_recover_the_truth_better_than_plain_votes(method):
    ballots, subject_ids, shape, also = _crowd()
    found = _weighed_by(method)
    plain = (_plain(ballots, subject_ids)[:, :3].argmax(axis=1) == shape).mean()
    weighted = (found.fractions[:, :3].argmax(axis=1) == shape).mean()
    believed = (found.probabilities[:, :3].argmax(axis=1) == shape).mean()
    assert plain < 0.88
    assert weighted > plain + (0.04 if method == "agreement" else 0.1)
    assert believed > plain
    np.testing.assert_allclose(found.fractions[:, :3].sum(axis=1), 1)
    np.testing.assert_allclose(found.probabilities[:, :3].sum(axis=1), 1)
    assert ((found.weights >= 0) & (found.weights <= 1)).all()
    mine = found.questions == 0
    good = found.users[mine] < 7000 + KNOWING
    assert found.weights[mine][good].mean() > found.weights[mine][~good].mean() + 0.3
    assert found.votes[mine].sum() == SUBJECTS * VOTES
    if method == "dawid-skene":
        ticked = _plain(ballots, subject_ids)[:, 3:] / VOTES > 0.5
        better = (found.probabilities[:, 3:] > 0.5) == also
        assert better.mean() > (ticked == also).mean() + 0.1


def _votes_of_first(ballots):
    mine = ballots.questions == 0
    return pd.DataFrame(
        {
            "task": ballots.subject_ids[mine],
            "worker": ballots.users[mine],
            "label": ballots.columns[mine],
        }
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", METHODS)
def test_probabilities_are_those_of_crowd_kit(method):
    ballots = _crowd()[0]
    votes = _votes_of_first(ballots)
    if method == "agreement":
        skills = Wawa().fit(votes).skills_
        expected = MajorityVote().fit(votes, skills=skills).probas_
        found = _weighed_by(method)
        np.testing.assert_allclose(found.fractions[:, :3], expected.sort_index()[[0, 1, 2]])
        mine = found.questions == 0
        np.testing.assert_allclose(found.weights[mine], skills.sort_index())
    elif method == "dawid-skene":
        fitted = DawidSkene(n_iter=100).fit(votes)
        expected = fitted.probas_
        found = _weighed_by(method)
        assert found.iterations["shape"] == len(fitted.loss_history_) > 1
    else:
        # As crowd-kit wants it: names in the order in which they appear.
        by = {name: pd.factorize(votes[name]) for name in votes}
        expected = (
            MACE(n_restarts=3, random_state=0)
            .fit(pd.DataFrame({n: c for n, (c, _) in by.items()}))
            .probas_
        )
        expected.index = by["task"][1][expected.index]
        expected.columns = by["label"][1][expected.columns]
        found = _weighed_by(method)
    expected = expected.sort_index()[[0, 1, 2]].to_numpy()
    np.testing.assert_allclose(found.probabilities[:, :3], expected, atol=1e-9)


def test_by_hand_two_agree_and_one_does_not():
    """Of 2 subjects: a and b agree on both, c disagrees on the second only: weights 1, 1, 0.5."""
    rows = [(1, 1, 0), (1, 2, 0), (1, 3, 0), (2, 1, 1), (2, 2, 1), (2, 3, 2)]
    subject, user, column = np.array(rows).T
    ballots = Ballots(subject, user, np.arange(6), np.zeros(6, int), column)
    found = weigh(ballots, np.array([1, 2, 3]), SCHEMA, "agreement")
    assert found.weights.tolist() == [1, 1, 0.5]
    np.testing.assert_allclose(found.fractions[:2, :3], [[1, 0, 0], [0, 2 / 2.5, 0.5 / 2.5]])
    assert np.isnan(found.fractions[2]).all()  # nobody answered
    assert np.isnan(found.fractions[:, 3:]).all()  # nobody was asked
    assert dict(found.iterations) == {"shape": 1}


def test_export_votes_writes_weights_beside_the_counts(exports, row, answer, tmp_path):
    number = 0
    rows = []
    for subject in (7, 8):
        for user, value in (("ada", "Yes"), ("bob", "Yes"), ("cyd", "No")):
            number += 1
            given = value if subject == 8 else "Yes"
            rows.append(row(number, [answer(given)], subject=subject, user=user))
    path, out = exports.classifications(*rows), tmp_path / "set"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = CliRunner().invoke(
            export,
            ["votes", str(path), "--out", str(out), "--weight", "agreement"],
            catch_exceptions=False,
        )
    assert (done.exit_code, done.stderr) == (0, "")
    kept = read_training_set(out)
    assert kept.counts.tolist() == [[0, 3], [1, 2]]  # whole votes stay as they were
    told = {"method": "agreement", "iterations": {"is-there-a-ring": 1}}
    assert kept.manifest["options"]["weight"] == told
    weighted = pq.read_table(out / "weighted_votes.parquet")
    assert json.loads(weighted.schema.metadata[b"zooassist"]) == told
    assert weighted["subject_id"].to_pylist() == [7, 8]
    assert weighted["is-there-a-ring_yes"].to_pylist() == pytest.approx([1, 0.8])
    assert weighted["is-there-a-ring_no_probability"].to_pylist() == pytest.approx([0, 0.2])
    weights = pq.read_table(out / "volunteer_weights.parquet").to_pylist()
    assert sorted(each["weight"] for each in weights) == [0.5, 1, 1]
    assert [each["volunteer"] for each in weights] == [1, 2, 3]
    assert {each["votes"] for each in weights} == {2}
    names = (b"ada", b"bob", b"cyd")
    assert not any(name in (out / "volunteer_weights.parquet").read_bytes() for name in names)


def test_a_method_that_does_not_exist_is_refused_before_the_work(exports, row, answer, tmp_path):
    path = exports.classifications(row(1, [answer("Yes")]))
    done = CliRunner().invoke(
        export, ["votes", str(path), "--out", str(tmp_path / "set"), "--weight", "glad"]
    )
    assert done.exit_code == 2
    assert "agreement" in done.stderr
