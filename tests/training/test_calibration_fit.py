from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from zooassist_plugin.calibration import DirichletMap, TemperatureMap
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_serving.calibration import calibrate
from zooassist_training.evaluation.calibration_objective import (
    UNCHANGED,
    Votes,
    fit_dirichlet,
    fit_temperature,
    value_and_gradient,
)
from zooassist_training.evaluation.fit_calibration import fit_calibration

VOTES = 40


def question(name: str, answers: int) -> Question:
    return Question(
        name, "", "single", (),
        tuple(Answer(str(i), i, f"{name}_{i}") for i in range(answers)),
    )  # fmt: skip


SCHEMA = LabelSchema((question("shape", 3), question("bar", 2)))


def votes_of(truth: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw what volunteers say when the concentrations are right; (galaxies, answers) -> votes."""
    return np.array([random.multinomial(VOTES, random.dirichlet(each)) for each in truth])


def galaxies(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True concentrations of one sample, and votes drawn from them."""
    random = np.random.default_rng(seed)
    truth = np.exp(random.normal(0.5, 1.2, (number, 5)))
    counts = np.concatenate([votes_of(truth[:, :3], random), votes_of(truth[:, 3:], random)], 1)
    return truth[:, None], counts


def sure(alphas: np.ndarray, temperature: float, sharpness: float) -> np.ndarray:
    """What a model says that a temperature and a sharpness would put right."""
    parts = []
    for where in SCHEMA.slices.values():
        strength = alphas[..., where].sum(-1, keepdims=True)
        means = (alphas[..., where] / strength) ** temperature
        parts.append(means / means.sum(-1, keepdims=True) * strength / sharpness)
    return np.concatenate(parts, axis=-1)


def test_gradient_is_that_of_the_value():
    random = np.random.default_rng(4)
    alphas = random.uniform(0.3, 9, (6, 3, 4))
    votes = Votes(alphas, random.integers(0, 9, (6, 4)) + 1.0)
    x = random.normal(0, 0.3, 21)
    x[:16] += np.eye(4).ravel()

    def value(each: np.ndarray) -> float:
        return value_and_gradient(votes, each[:16].reshape(4, 4), each[16:20], each[20])[0]

    found = value_and_gradient(votes, x[:16].reshape(4, 4), x[16:20], x[20])
    gradient = np.concatenate([found[1].ravel(), found[2], [found[3]]])
    np.testing.assert_allclose(gradient, approx_fprime(x, value, 1e-6), rtol=1e-3, atol=1e-3)


def test_finds_temperature_and_sharpness_again():
    alphas, counts = galaxies(1500)
    votes = Votes(sure(alphas, 1.6, 0.5)[..., :3], counts[:, :3].astype(float))
    found = fit_temperature([votes])
    assert found.temperature == pytest.approx(1.6, rel=0.1)
    assert found.sharpness == pytest.approx(0.5, rel=0.1)


def test_without_votes_the_fit_stays_where_it_is_pulled():
    nothing = Votes(np.ones((0, 1, 3)), np.ones((0, 3)))
    assert fit_temperature([nothing]) == UNCHANGED
    assert fit_temperature([nothing], TemperatureMap(temperature=2.0, sharpness=0.5)) == (
        TemperatureMap(temperature=2.0, sharpness=0.5)
    )
    linear = fit_dirichlet(nothing, UNCHANGED)
    assert linear.weights == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert (linear.bias, linear.sharpness) == ((0, 0, 0), 1)


def test_a_right_model_is_left_alone():
    alphas, counts = galaxies(400, seed=2)
    assert not fit_calibration(alphas, counts, SCHEMA).calibration


def test_few_galaxies_change_nothing():
    alphas, counts = galaxies(20)
    assert not fit_calibration(sure(alphas, 3.0, 0.1), counts, SCHEMA).calibration


@pytest.mark.parametrize("samples", [1, 3])
def test_too_sure_on_every_question_is_mended_for_galaxies_not_fitted_on(samples):
    alphas, counts = galaxies(300, seed=5)
    wrong = np.repeat(sure(alphas, 1.5, 0.4), samples, axis=1)
    fit = fit_calibration(wrong[:150], counts[:150], SCHEMA)
    assert [each.shared for each in fit.questions] == [True, True]
    assert all(each.gain > each.gain_error for each in fit.questions)
    after = calibrate(wrong[150:], SCHEMA, fit.calibration)
    for where in SCHEMA.slices.values():
        before, mended = (
            Votes(each[..., where], counts[150:, where].astype(float)).explained_by(None).mean()
            for each in (wrong[150:], after)
        )
        assert mended > before + 0.05


def test_one_question_that_is_off_gets_a_map_of_its_own():
    alphas, counts = galaxies(300, seed=6)
    half = np.concatenate([alphas[..., :3], sure(alphas, 2.5, 0.3)[..., 3:]], axis=-1)
    shape, bar = fit_calibration(half, counts, SCHEMA).questions
    assert isinstance(bar.chosen, TemperatureMap)
    assert not bar.shared
    assert bar.chosen.temperature == pytest.approx(2.5, rel=0.25)
    assert shape.chosen is None or shape.chosen.temperature == pytest.approx(1, abs=0.15)


def test_answers_taken_for_each_other_get_a_linear_map():
    alphas, counts = galaxies(600, seed=7)
    # The model says answer 1 too often, whatever it sees.
    biased = alphas * np.array([1, 2.5, 1, 1, 1])
    shape, bar = fit_calibration(biased, counts, SCHEMA).questions
    assert isinstance(shape.chosen, DirichletMap)
    assert shape.chosen.bias[1] < min(shape.chosen.bias[0], shape.chosen.bias[2]) - 0.5
    assert not isinstance(bar.chosen, DirichletMap)


def test_the_same_votes_give_the_same_numbers():
    alphas, counts = galaxies(60, seed=8)
    wrong = sure(alphas, 1.5, 0.4)
    first, second = (fit_calibration(wrong, counts, SCHEMA).calibration for _ in range(2))
    assert first.canonical() == second.canonical()


def test_a_question_nobody_answered_stays_as_it_is():
    alphas, counts = galaxies(100, seed=5)
    counts[:, 3:] = 0
    fit = fit_calibration(sure(alphas, 1.5, 0.4), counts, SCHEMA)
    assert [(each.galaxies, each.chosen is None) for each in fit.questions] == [
        (100, False),
        (0, True),
    ]
