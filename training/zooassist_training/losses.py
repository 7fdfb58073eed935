"""How badly do concentrations explain the votes? The Dirichlet-multinomial likelihood.

For one question with vote counts k_a, n = Σ k_a, concentrations α_a and S = Σ α_a::

    log p(k | n, α) = lnΓ(n+1) + lnΓ(S) − lnΓ(n+S) + Σ_a [ lnΓ(k_a+α_a) − lnΓ(α_a) − lnΓ(k_a+1) ]

Questions are independent given the image. A question that nobody was asked has n = 0: its loss is
0 and it sends back no gradient, which is all that the decision tree means for the loss (Walmsley
et al. 2022, https://arxiv.org/abs/2102.08414).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def dirichlet_multinomial_nll(concentrations: Tensor, counts: Tensor) -> Tensor:
    """Negative log-likelihood of the votes on one question.

    Parameters
    ----------
    concentrations : Tensor of shape (..., answers)
        Positive.
    counts : Tensor of shape (..., answers)
        Votes, not negative; fractions of votes are allowed (weighted or averaged votes).

    Returns
    -------
    Tensor of shape (...)
        In nats; exactly 0 where there are no votes.
    """
    total = counts.sum(-1)
    strength = concentrations.sum(-1)
    answers = (
        torch.lgamma(counts + concentrations)
        - torch.lgamma(concentrations)
        - torch.lgamma(counts + 1)
    )
    log_likelihood = (
        torch.lgamma(total + 1)
        + torch.lgamma(strength)
        - torch.lgamma(total + strength)
        + answers.sum(-1)
    )
    return torch.where(total > 0, -log_likelihood, torch.zeros_like(log_likelihood))


def votes_loss(concentrations: Tensor, counts: Tensor, questions: Iterable[slice]) -> Tensor:
    """Mean over galaxies, and over posterior samples, of the sum over questions.

    Parameters
    ----------
    concentrations : Tensor of shape (batch, samples, answers)
    counts : Tensor of shape (batch, answers)
    questions : iterable of slice
        Where each question's answers lie in the last axis (`LabelSchema.slices`).

    Notes
    -----
    A question of type `multiple` is treated as a share of all ticks: its counts may add up to more
    than the number of volunteers, and the loss sees only how the ticks are divided.
    """
    votes = counts.to(concentrations.dtype).unsqueeze(1)
    per_question = [
        dirichlet_multinomial_nll(concentrations[..., where], votes[..., where])
        for where in questions
    ]
    return torch.stack(per_question).sum(0).mean()
