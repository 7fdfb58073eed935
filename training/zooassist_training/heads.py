"""What turns features into answers? A dropout, a linear layer, a map to what the loss asks for.

For votes that is one concentration per answer, for values a mean and a deviation per target.

Posterior samples (Gal & Ghahramani 2016, https://arxiv.org/abs/1506.02142) come from dropout that
stays on. Here it acts on the head only and with masks that are drawn once and kept: the encoder
runs once for all samples, the graph is deterministic, and since a mask may as well be multiplied
into the weights, all samples together are one matrix product (onnxruntime does that multiplication
when it loads the graph).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

# Of a value's deviation, as the logarithm of its share of the training set's: from 1/150 to 20.
LEAST_SPREAD, MOST_SPREAD = -5.0, 3.0
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


class SampledHead(nn.Module, ABC):
    """Dropout and a linear layer, with posterior samples in one product.

    Parameters
    ----------
    features, outputs : int
        Lengths of what goes into the linear layer and what comes out.
    dropout : float
        Probability with which a feature is dropped.
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

    def __init__(self, features: int, outputs: int, dropout: float, samples: int = 1) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(features, outputs)
        self.samples = samples
        self.register_buffer("centre", torch.zeros(features))
        masks = draw_masks(samples, features, dropout) if samples > 1 else None
        self.register_buffer("masks", masks)

    @abstractmethod
    def answers(self, values: Tensor) -> Tensor:
        """Map outputs of the linear layer, (..., outputs), to what the loss asks for."""

    def forward(self, features: Tensor) -> Tensor:
        """Return answers of shape (batch, samples, ...) for (batch, features).

        In training there is one sample, of dropout that is drawn anew each time.
        """
        centred = features - self.centre
        if self.training or self.masks is None:
            return self.answers(self.linear(self.dropout(centred))).unsqueeze(1)
        return self.answers(self._sampled(centred, self.masks))

    def _sampled(self, centred: Tensor, masks: Tensor) -> Tensor:
        """Run all samples in one product of (batch, features) and (features, samples x outputs)."""
        kept = masks.unsqueeze(1) * (1 / (1 - self.dropout.p))
        outputs, features = self.linear.weight.shape
        weight = (kept * self.linear.weight).reshape(self.samples * outputs, features)
        values = functional.linear(centred, weight).reshape(-1, self.samples, outputs)
        return values + self.linear.bias


class DirichletHead(SampledHead):
    """Concentrations for every answer of every question: (batch, samples, answers).

    Parameters
    ----------
    answers : int
    concentrations : str
        A key of `CONCENTRATIONS`.

    The others are those of `SampledHead`.
    """

    def __init__(
        self, features: int, answers: int, dropout: float, concentrations: str, samples: int = 1
    ) -> None:
        super().__init__(features, answers, dropout, samples)
        self._to_positive = CONCENTRATIONS[concentrations]

    def answers(self, values: Tensor) -> Tensor:
        """Return concentrations."""
        return self._to_positive(values)


class GaussianHead(SampledHead):
    """Mean and standard deviation of every target, in its own unit: (batch, samples, targets, 2).

    The linear layer answers in units of the training set's spread, first all means, then the
    logarithms of all deviations (Nix & Weigend 1994, https://doi.org/10.1109/ICNN.1994.374138). It
    begins with deviations of 1: to say of each value what the training set says of all.

    Attributes
    ----------
    target_mean, target_scale : Tensor of shape (targets,)
        What 0 and 1 of the linear layer mean.
    """

    target_mean: Tensor
    target_scale: Tensor

    def __init__(self, features: int, targets: int, dropout: float, samples: int = 1) -> None:
        super().__init__(features, 2 * targets, dropout, samples)
        self.targets = targets
        self.register_buffer("target_mean", torch.zeros(targets))
        self.register_buffer("target_scale", torch.ones(targets))
        with torch.no_grad():
            self.linear.weight[targets:] = 0
            self.linear.bias[targets:] = 0

    def answers(self, values: Tensor) -> Tensor:
        """Return means and deviations."""
        means, spreads = values[..., : self.targets], values[..., self.targets :]
        means = means * self.target_scale + self.target_mean
        deviations = torch.exp(spreads.clamp(LEAST_SPREAD, MOST_SPREAD)) * self.target_scale
        return torch.stack([means, deviations], -1)

    @torch.no_grad()
    def standardise_by(self, mean: Tensor, scale: Tensor) -> None:
        """Say what 0 and 1 of the linear layer mean, Tensors of shape (targets,)."""
        self.target_mean.copy_(mean)
        self.target_scale.copy_(scale)

    @torch.no_grad()
    def take_over(self, place: int, known: GaussianHead, known_place: int) -> None:
        """Answer for a target what another head of the same features answers for one of its own.

        Its weights are rewritten for the mean and scale that are this head's.
        """
        mean, scale = self.target_mean[place], self.target_scale[place]
        ratio = known.target_scale[known_place] / scale
        shift = (known.target_mean[known_place] - mean) / scale
        old, new = known.linear, self.linear
        new.weight[place] = old.weight[known_place] * ratio
        new.bias[place] = old.bias[known_place] * ratio + shift
        spread, known_spread = self.targets + place, known.targets + known_place
        new.weight[spread] = old.weight[known_spread]
        new.bias[spread] = old.bias[known_spread] + torch.log(ratio)
