from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import dirichlet_multinomial, norm

from zooassist_plugin.trees import TREES
from zooassist_training.losses import (
    dirichlet_multinomial_nll,
    galaxy_nll,
    gaussian_nll,
    mixture_nll,
    predictive_nll,
    votes_loss,
)


def nll(counts, concentrations) -> float:
    return float(
        dirichlet_multinomial_nll(
            torch.tensor(concentrations, dtype=torch.float64),
            torch.tensor(counts, dtype=torch.float64),
        )
    )


def compositions(votes: int, answers: int):
    for cuts in itertools.combinations(range(votes + answers - 1), answers - 1):
        ends = (-1, *cuts, votes + answers - 1)
        yield [ends[i + 1] - ends[i] - 1 for i in range(answers)]


def test_published_check_value():
    assert nll((3, 1, 1), (8, 2, 1.5)) == pytest.approx(2.312158264241, abs=1e-12)


def test_nobody_asked_costs_nothing_and_teaches_nothing():
    concentrations = torch.tensor([8.0, 2.0, 1.5], requires_grad=True)
    loss = dirichlet_multinomial_nll(concentrations, torch.zeros(3))
    loss.backward()
    assert loss.item() == 0.0
    assert concentrations.grad is not None
    assert torch.equal(concentrations.grad, torch.zeros(3))


def test_probabilities_of_all_compositions_add_up_to_one():
    every = list(compositions(5, 3))
    assert len(every) == 21
    assert math.fsum(math.exp(-nll(k, (8, 2, 1.5))) for k in every) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_equals_scipy(seed):
    random = np.random.default_rng(seed)
    answers = int(random.integers(2, 8))
    concentrations = random.uniform(0.05, 90, answers)
    counts = random.integers(0, 40, answers)
    counts[0] += 1
    expected = -dirichlet_multinomial.logpmf(counts, concentrations, counts.sum())
    assert nll(counts, concentrations) == pytest.approx(expected, rel=1e-9)


def test_fractions_of_votes_lie_between_whole_ones():
    low, middle, high = (nll((k, 5), (2, 7)) for k in (1, 1.5, 2))
    assert min(low, high) < middle < max(low, high)


def test_loss_is_the_mean_over_galaxies_of_the_sum_over_questions():
    questions = [slice(0, 3), slice(3, 5)]
    concentrations = torch.tensor([[8, 2, 1.5, 3, 4], [1, 1, 1, 1, 1]], dtype=torch.float64)
    counts = torch.tensor([[3, 1, 1, 0, 0], [0, 0, 0, 1, 1]], dtype=torch.float64)
    expected = (2.312158264241 + nll((1, 1), (1, 1))) / 2
    loss = votes_loss(concentrations.unsqueeze(1), counts, questions)
    assert float(loss) == pytest.approx(expected, abs=1e-12)


def test_several_samples_are_averaged():
    counts = torch.tensor([[3.0, 1.0, 1.0]])
    one, two = torch.tensor([[8.0, 2.0, 1.5]]), torch.tensor([[2.0, 2.0, 2.0]])
    questions = [slice(0, 3)]
    both = votes_loss(torch.stack([one, two], dim=1), counts, questions)
    alone = [votes_loss(each.unsqueeze(1), counts, questions) for each in (one, two)]
    assert both.item() == pytest.approx((alone[0] + alone[1]).item() / 2)


def test_only_asked_questions_of_a_whole_tree_get_gradients():
    tree = TREES["gz2"]
    concentrations = torch.full((1, 1, len(tree.columns)), 2.0, requires_grad=True)
    counts = torch.zeros(1, len(tree.columns))
    counts[0, tree.slices["bar"]] = torch.tensor([2.0, 9.0])
    votes_loss(concentrations, counts, tree.slices.values()).backward()
    assert concentrations.grad is not None
    touched = concentrations.grad[0, 0].nonzero().flatten().tolist()
    assert touched == list(range(*tree.slices["bar"].indices(len(tree.columns))))


def test_samples_are_mixed_as_likelihoods_with_all_questions_together():
    """Against the mean of the joint likelihoods, written out with scipy."""
    concentrations = torch.tensor([[[8.0, 2.0, 1.5, 3.0, 1.0], [4.0, 5.0, 1.5, 0.4, 0.7]]])
    counts = torch.tensor([[3.0, 1.0, 1.0, 0.0, 4.0]])
    parts = (slice(0, 3), slice(3, 5))
    likelihoods = [
        math.prod(
            dirichlet_multinomial(
                concentrations[0, s, part].numpy().astype(float),
                int(counts[0, part].sum()),
            ).pmf(counts[0, part].numpy().astype(int))
            for part in parts
        )
        for s in range(2)
    ]
    found = predictive_nll(concentrations, counts, parts)
    assert found.item() == pytest.approx(-math.log(np.mean(likelihoods)), rel=1e-5)
    assert found.item() < votes_loss(concentrations, counts, parts).item()


def test_one_vote_is_cross_entropy_of_the_expected_fractions():
    """A set of classes is a set of one vote each: the loss is the usual one, to the last digit."""
    random = np.random.default_rng(2)
    concentrations = torch.tensor(random.uniform(0.05, 60, (40, 1, 5)))
    classes = torch.tensor(random.integers(0, 5, 40))
    votes = torch.nn.functional.one_hot(classes, 5).double()
    fractions = concentrations[:, 0] / concentrations[:, 0].sum(-1, keepdim=True)
    expected = torch.nn.functional.nll_loss(fractions.log(), classes)
    found = votes_loss(concentrations, votes, [slice(0, 5)])
    assert found.item() == pytest.approx(expected.item(), abs=1e-12)


def test_weights_of_galaxies_and_answers_multiply_the_loss():
    concentrations = torch.tensor([[[8.0, 2.0]], [[1.0, 3.0]]])
    counts = torch.tensor([[3.0, 1.0], [0.0, 2.0]])
    whole = [slice(0, 2)]
    plain = galaxy_nll(concentrations, counts, whole)[:, 0]
    weights = torch.tensor([0.5, 1.5])
    weighted = votes_loss(concentrations, counts, whole, weights)
    assert weighted.item() == pytest.approx(float((plain * weights).mean()))
    answers = torch.tensor([1.0, 5.0])
    found = galaxy_nll(concentrations, counts, whole, answers)[:, 0]
    assert torch.allclose(found, plain * torch.tensor([2.0, 5.0]))  # (3 + 5) / 4 and 5
    nobody = galaxy_nll(concentrations, torch.zeros(2, 2), whole, answers)
    assert torch.equal(nobody, torch.zeros(2, 1))


def values_of(*pairs: tuple[float, float]) -> torch.Tensor:
    """One image, one sample: (mean, deviation) per target."""
    return torch.tensor([[list(pairs)]], dtype=torch.float64)


def test_values_have_the_likelihood_of_their_gaussians():
    answers, values = values_of((1.0, 0.5), (-3.0, 2.0)), torch.tensor([[1.4, -7.0]])
    scale = torch.tensor([0.1, 10.0])
    found = gaussian_nll(answers, values, scale)
    # Densities are per scale, so that the unit of a target changes nothing.
    expected = norm.logpdf([1.4, -7.0], [1.0, -3.0], [0.5, 2.0]) + np.log([0.1, 10.0])
    assert found.shape == (1, 1)
    assert found.item() == pytest.approx(-expected.sum(), rel=1e-6)
    in_thousands = gaussian_nll(answers * 1000, values * 1000, scale * 1000)
    assert in_thousands.item() == pytest.approx(found.item(), rel=1e-6)


def test_missing_values_cost_nothing_and_teach_nothing():
    answers = torch.tensor([[[[1.0, 0.5], [2.0, 3.0]]]], requires_grad=True)
    scale, nan = torch.ones(2), float("nan")
    nothing = gaussian_nll(answers, torch.tensor([[nan, nan]]), scale)
    assert nothing.item() == 0
    one = gaussian_nll(answers, torch.tensor([[1.7, nan]]), scale)
    alone = gaussian_nll(answers[:, :, :1], torch.tensor([[1.7]]), scale[:1])
    assert one.item() == alone.item()
    one.sum().backward()
    assert torch.isfinite(answers.grad).all()
    assert answers.grad[0, 0, 1].tolist() == [0, 0]
    assert (answers.grad[0, 0, 0] != 0).all()


def test_samples_of_values_are_one_mixture():
    answers = torch.tensor([[[[0.0, 1.0]], [[4.0, 0.5]]]], dtype=torch.float64)
    found = mixture_nll(gaussian_nll(answers, torch.tensor([[3.0]]), torch.ones(1)))
    expected = -np.log(norm.pdf(3.0, [0.0, 4.0], [1.0, 0.5]).mean())
    assert found.item() == pytest.approx(expected)
