"""What turns features into concentrations? A dropout, a linear layer, a map to positive numbers.

Posterior samples (Gal & Ghahramani 2016, https://arxiv.org/abs/1506.02142) come from dropout that
stays on. Here it acts on the head only and with masks that are drawn once and kept: the encoder
runs once for all samples, the graph is deterministic, and since a mask may as well be multiplied
into the weights, all samples together are one matrix product (onnxruntime does that multiplication
when it loads the graph).
"""

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


def draw_masks(samples: int, features: int, dropout: float) -> Tensor:
    """Draw which features each posterior sample sees, from torch's random numbers.

    Every feature is dropped from the same share of the samples (to the nearest sample), so that
    the samples' mean has no noise of its own that more samples would have to average away.

    Returns
    -------
    Tensor of shape (samples, features)
        1 where the feature is seen, else 0.
    """
    places = torch.rand(samples, features).argsort(0)
    dropped = torch.floor(dropout * samples + torch.rand(features)).clamp(max=samples - 1)
    return (places >= dropped).float()


class DirichletHead(nn.Module):
    """Concentrations for every answer of every question.

    Parameters
    ----------
    features, answers : int
    dropout : float
        Probability with which a feature is dropped.
    concentrations : str
        A key of `CONCENTRATIONS`.
    samples : int
        Posterior samples outside training; one is the deterministic answer, without dropout.

    Attributes
    ----------
    centre : Tensor of shape (features,)
        What a dropped feature is taken for; 0 unless a head was fitted to centred features.
    masks : Tensor of shape (samples, features), or None for a single sample
    """

    centre: Tensor
    masks: Tensor | None

    def __init__(
        self, features: int, answers: int, dropout: float, concentrations: str, samples: int = 1
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(features, answers)
        self.samples = samples
        self._to_positive = CONCENTRATIONS[concentrations]
        self.register_buffer("centre", torch.zeros(features))
        masks = draw_masks(samples, features, dropout) if samples > 1 else None
        self.register_buffer("masks", masks)

    def forward(self, features: Tensor) -> Tensor:
        """Return concentrations of shape (batch, samples, answers) for (batch, features).

        In training there is one sample, of dropout that is drawn anew each time.
        """
        centred = features - self.centre
        if self.training or self.masks is None:
            return self._to_positive(self.linear(self.dropout(centred))).unsqueeze(1)
        return self._to_positive(self._sampled(centred, self.masks))

    def _sampled(self, centred: Tensor, masks: Tensor) -> Tensor:
        """Run all samples in one product of (batch, features) and (features, samples x answers)."""
        kept = masks.unsqueeze(1) * (1 / (1 - self.dropout.p))
        answers, features = self.linear.weight.shape
        weight = (kept * self.linear.weight).reshape(self.samples * answers, features)
        values = functional.linear(centred, weight).reshape(-1, self.samples, answers)
        return values + self.linear.bias
