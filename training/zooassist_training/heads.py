"""What turns features into concentrations? A dropout, a linear layer, a map to positive numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

# Keeps lgamma's gradient finite; far below any concentration that votes could tell from 0.
FLOOR = 0.01


def softplus_concentrations(values: Tensor) -> Tensor:
    """Map to (0.01, ∞): below one, opinions may be split; large, as sharp as the votes allow."""
    return functional.softplus(values) + FLOOR


def exponential_concentrations(values: Tensor) -> Tensor:
    """Map to (0.007, 1100): as free as softplus, and an answer's odds are a linear step apart.

    The expected fractions are then the softmax of the values, so that sharp opinions (tens of
    votes) are as quickly learnt as split ones (below one).
    """
    return torch.exp(values.clamp(-5.0, 7.0))


def sigmoid_concentrations(values: Tensor) -> Tensor:
    """Map to (1, 101), as in GZ DECaLS: never bimodal, never sharper than 100 votes an answer."""
    return torch.sigmoid(values) * 100 + 1


CONCENTRATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "exponential": exponential_concentrations,
    "softplus": softplus_concentrations,
    "sigmoid-100": sigmoid_concentrations,
}


class DirichletHead(nn.Module):
    """Concentrations for every answer of every question.

    Parameters
    ----------
    features, answers : int
    dropout : float
        Probability with which a feature is dropped in training.
    concentrations : str
        A key of `CONCENTRATIONS`.
    """

    def __init__(self, features: int, answers: int, dropout: float, concentrations: str) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(features, answers)
        self._to_positive = CONCENTRATIONS[concentrations]

    def forward(self, features: Tensor) -> Tensor:
        """Return concentrations of shape (batch, samples, answers) for (batch, features).

        There is one sample: the axis is part of the model folder's format.
        """
        values = self.linear(self.dropout(features))
        return self._to_positive(values).unsqueeze(1)
