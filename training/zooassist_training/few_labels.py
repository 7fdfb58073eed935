"""How is a network fitted to fifty labels? Its encoder is left alone, and its head is held back.

The encoder runs once over a few changed views of every image. The head is then a small convex-ish
problem: the likelihood of the votes (or values) with a quadratic penalty, minimised by L-BFGS. How
strong the penalty is decides everything with so few labels; it is chosen by cross-validation on
the likelihood of galaxies that the head did not see. The penalty pulls towards what the network
knew where it knew the question, and towards "the features say nothing" elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from zooassist_training.datasets import LabelledImages
from zooassist_training.fit import Fitted
from zooassist_training.fit_options import FitOptions
from zooassist_training.frozen_features import embed_views
from zooassist_training.heads import SampledHead
from zooassist_training.networks import HeadedNetwork
from zooassist_training.objectives import Objective, Taught, objective_of, outputs_of

log = logging.getLogger(__name__)
# Below so many training images this is what is done unless asked otherwise.
FEW = 200
FOLDS = 5
# From "only the base rates" to "hardly held back", in units of one galaxy's likelihood.
PENALTIES = (300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03)
# Views in all: more of each image when there are few.
MOST_VIEWS, VIEWS_IN_ALL = 8, 4000
ITERATIONS = 40


@dataclass(frozen=True)
class _Head:
    """Weights (outputs, features) for centred and scaled features, and biases (outputs,)."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class _Problem:
    """Rows of features with their labels.

    Attributes
    ----------
    features : Tensor of shape (rows, features), float64
    labels : Tensor of shape (rows, columns), float64
    weights : Tensor of shape (rows,), float64
    head : SampledHead
        Says what the outputs of a linear layer mean; its own weights have no part in it.
    """

    features: Tensor
    labels: Tensor
    weights: Tensor
    head: SampledHead
    objective: Objective

    def nll(self, head: _Head, features: Tensor | None = None) -> Tensor:
        """Return the mean negative log-likelihood per subject."""
        rows = self.features if features is None else features
        answers = self.head.answers(rows @ head.weight.T + head.bias).unsqueeze(1)
        nll = self.objective.nll(answers, self.labels)
        return (nll[:, 0] * self.weights).sum() / self.weights.sum()

    def rows(self, chosen: Tensor) -> _Problem:
        """Return some of the rows."""
        return replace(
            self,
            features=self.features[chosen],
            labels=self.labels[chosen],
            weights=self.weights[chosen],
        )


def fit_few_labels(
    network: HeadedNetwork,
    taught: Taught,
    training: LabelledImages,
    validation: LabelledImages,
    options: FitOptions,
    known: Sequence[str] = (),
) -> Fitted:
    """Fit a network's head to few labels.

    Parameters
    ----------
    training : LabelledImages
        With the margin of `augment.with_margin`.
    validation : LabelledImages
        Only measured: nothing is stopped early.
    known : sequence of str
        Questions (or targets) that the head knows from before.
    """
    torch.manual_seed(options.seed)
    views = min(MOST_VIEWS, max(2, VIEWS_IN_ALL // len(training)))
    embedded = embed_views(network, training, options.augmentation, views, options.seed).double()
    centre = embedded.mean((0, 1))
    scale = embedded.std((0, 1)).clamp(min=1e-3 * float(embedded.std()) + 1e-9)
    begun = _what_is_known(network, taught, known, centre, scale)
    problem = _problem(network, taught, training, (embedded - centre) / scale, options)
    penalty, expected = _choose_penalty(problem, begun, len(training), views, options.seed)
    head = _fit_head(problem, begun, begun, penalty, _dropped(network, len(problem.features)))
    with torch.no_grad():
        network.head.linear.weight.copy_(head.weight / scale)
        network.head.linear.bias.copy_(head.bias)
        network.head.centre.copy_(centre)
    losses = {"epoch": 1.0, "training_loss": float(problem.nll(head))}
    losses |= {"cross_validation_loss": expected, "penalty": penalty}
    if len(validation):
        plain = objective_of(taught, training.labels, replace(options, class_weights=None))
        losses["validation_loss"] = _validation_loss(network, plain, validation)
    log.info(
        "few labels: %d images, %d views each; %d-fold cross-validation: penalty %g, loss %.4f",
        len(training),
        views,
        min(FOLDS, len(training)),
        penalty,
        expected,
    )
    return Fitted(network.eval().requires_grad_(True), (losses,))


def _problem(
    network: HeadedNetwork,
    taught: Taught,
    training: LabelledImages,
    scaled: Tensor,
    options: FitOptions,
) -> _Problem:
    """Lay out the views as rows: all views of the first subject, then of the second, …"""
    views = scaled.shape[1]
    labels = torch.from_numpy(training.labels).double().repeat_interleave(views, 0)
    weights = torch.from_numpy(training.weights).double().repeat_interleave(views, 0)
    return _Problem(
        features=scaled.reshape(-1, scaled.shape[2]),
        labels=labels,
        weights=weights,
        head=network.head,
        objective=objective_of(taught, training.labels, options),
    )


@torch.no_grad()
def _what_is_known(
    network: HeadedNetwork,
    taught: Taught,
    known: Sequence[str],
    centre: Tensor,
    scale: Tensor,
) -> _Head:
    """Return the head of before for what it knows, in centred features; else zeros."""
    weight, bias = network.head.linear.weight.double(), network.head.linear.bias.double()
    kept = torch.zeros(len(bias), dtype=torch.bool)
    for name in known:
        kept[outputs_of(taught, name)] = True
    moved = bias + weight @ (centre - network.head.centre.double())
    zero = torch.zeros((), dtype=torch.float64)
    return _Head(
        torch.where(kept.unsqueeze(1), weight * scale, zero), torch.where(kept, moved, zero)
    )


def _dropped(network: HeadedNetwork, rows: int) -> Tensor | None:
    """Return what dropout leaves of each row: one of the head's masks, in turn."""
    masks = network.head.masks
    if masks is None:
        return None
    kept = masks.double() / (1 - network.spec.dropout)
    return kept[torch.arange(rows) % len(kept)]


def _fit_head(
    problem: _Problem, begun: _Head, start: _Head, penalty: float, dropped: Tensor | None = None
) -> _Head:
    """Minimise likelihood and penalty.

    Parameters
    ----------
    begun : _Head
        What the penalty pulls towards.
    start : _Head
        Where the search starts.
    dropped : Tensor of shape (rows, features), optional
        What each row's features are multiplied by.
    """
    weight = start.weight.clone().requires_grad_(True)
    bias = start.bias.clone().requires_grad_(True)
    features = problem.features if dropped is None else problem.features * dropped
    search = torch.optim.LBFGS(
        [weight, bias],
        max_iter=ITERATIONS,
        history_size=20,
        tolerance_grad=1e-5,
        tolerance_change=1e-8,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        search.zero_grad()
        held_back = penalty / 2 * ((weight - begun.weight) ** 2).sum()
        value = problem.nll(_Head(weight, bias), features) + held_back
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(loss)  # type: ignore[no-untyped-call]
    return _Head(weight.detach(), bias.detach())


def _choose_penalty(
    problem: _Problem, begun: _Head, galaxies: int, views: int, seed: int
) -> tuple[float, float]:
    """Return the penalty of the lowest loss on galaxies left out, and that loss.

    From the strongest downwards, until it has got worse twice; each search starts where the one
    with the penalty before ended.
    """
    folds = min(FOLDS, galaxies)
    order = np.random.default_rng(seed).permutation(galaxies)
    view = torch.arange(galaxies * views) % views
    parts = []
    for fold in range(folds):
        out = np.zeros(galaxies, dtype=bool)
        out[order[fold::folds]] = True
        left_out = torch.from_numpy(np.repeat(out, views))
        parts.append((problem.rows(~left_out & (view < 2)), problem.rows(left_out & (view == 0))))
    heads = [begun] * folds
    best, lowest, worse = PENALTIES[0], float("inf"), 0
    for penalty in PENALTIES:
        loss = 0.0
        for fold, (learnt, asked) in enumerate(parts):
            heads[fold] = _fit_head(learnt, begun, heads[fold], penalty)
            loss += float(asked.nll(heads[fold])) * len(asked.labels) / galaxies
        if loss < lowest:
            best, lowest, worse = penalty, loss, 0
        else:
            worse += 1
        if worse == 2:
            break
    return best, lowest


@torch.no_grad()
def _validation_loss(
    network: HeadedNetwork, objective: Objective, validation: LabelledImages
) -> float:
    """Return the predictive loss of all samples, as in any other training."""
    network.eval()
    device = next(network.parameters()).device
    total = 0.0
    for start in range(0, len(validation), 64):
        images = torch.from_numpy(np.array(validation.images[start : start + 64])).to(device)
        labels = torch.from_numpy(validation.labels[start : start + 64]).to(device)
        weights = torch.from_numpy(validation.weights[start : start + 64]).to(device)
        total += float((objective.predictive(network(images)[0], labels) * weights).sum())
    return total / len(validation)
