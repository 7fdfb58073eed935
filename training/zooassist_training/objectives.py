"""What is a network taught, and how is it told how wrong it is? Votes on questions, or values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.targets import Targets
from zooassist_training.class_weights import answer_weights
from zooassist_training.fit_options import FitOptions
from zooassist_training.losses import galaxy_nll, gaussian_nll, mean_loss, mixture_nll
from zooassist_training.networks import Kind

Taught: TypeAlias = LabelSchema | Targets


class Objective(ABC):
    """Compares a network's answers with labels."""

    @abstractmethod
    def nll(self, answers: Tensor, labels: Tensor) -> Tensor:
        """Return the negative log-likelihood of the labels, shape (batch, samples).

        Parameters
        ----------
        answers : Tensor of shape (batch, samples, ...)
            Of the network's head.
        labels : Tensor of shape (batch, columns)
        """

    def loss(self, answers: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """Return what training lowers, see `losses.mean_loss`."""
        return mean_loss(self.nll(answers, labels), weights)

    def predictive(self, answers: Tensor, labels: Tensor) -> Tensor:
        """Return per subject what is validated, see `losses.mixture_nll`."""
        return mixture_nll(self.nll(answers, labels))


@dataclass(frozen=True, eq=False)
class VotesObjective(Objective):
    """Dirichlet-multinomial likelihood; see `losses.galaxy_nll`.

    Attributes
    ----------
    answer_weights : Tensor of shape (answers,), optional
    """

    questions: tuple[slice, ...]
    answer_weights: Tensor | None = None

    def nll(self, answers: Tensor, labels: Tensor) -> Tensor:
        """Compare concentrations (batch, samples, answers) with votes (batch, answers)."""
        weights = self.answer_weights
        return galaxy_nll(
            answers,
            labels,
            self.questions,
            None if weights is None else weights.to(answers.device),
        )


@dataclass(frozen=True, eq=False)
class ValuesObjective(Objective):
    """Gaussian likelihood; see `losses.gaussian_nll`.

    Attributes
    ----------
    scale : Tensor of shape (targets,)
    """

    scale: Tensor

    def nll(self, answers: Tensor, labels: Tensor) -> Tensor:
        """Compare (batch, samples, targets, 2) with values (batch, targets), NaN where missing."""
        return gaussian_nll(answers, labels, self.scale)


def objective_of(taught: Taught, labels: NDArray[np.floating], options: FitOptions) -> Objective:
    """Return what a network of these questions or targets is told.

    Parameters
    ----------
    labels : array of shape (images, columns)
        Of the training images; class weights may follow from them.
    """
    if isinstance(taught, Targets):
        return ValuesObjective(torch.tensor([each.scale for each in taught.targets]))
    weights = None
    if options.class_weights is not None:
        weights = torch.from_numpy(answer_weights(options.class_weights, labels, taught))
    return VotesObjective(tuple(taught.slices.values()), weights)


def kind_of(taught: Taught) -> Kind:
    """Return the kind of model that answers this."""
    return "values" if isinstance(taught, Targets) else "votes"


def parts_of(taught: Taught) -> tuple[str, ...]:
    """Names of the questions, or of the targets."""
    if isinstance(taught, Targets):
        return taught.columns
    return tuple(question.name for question in taught.questions)


def outputs_of(taught: Taught, part: str) -> list[int]:
    """Return which outputs of the head's linear layer answer a question, or a target."""
    if isinstance(taught, Targets):
        place = taught.columns.index(part)
        return [place, len(taught.columns) + place]
    where = taught.slices[part]
    return list(range(where.start, where.stop))
