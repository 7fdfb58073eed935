"""How badly do answers explain what is known? Likelihoods of votes, of values, of mixtures.

Votes have the Dirichlet-multinomial likelihood. For one question with vote counts k_a, n = Σ k_a,
concentrations α_a and S = Σ α_a::

    log p(k | n, α) = lnΓ(n+1) + lnΓ(S) − lnΓ(n+S) + Σ_a [ lnΓ(k_a+α_a) − lnΓ(α_a) − lnΓ(k_a+1) ]

Questions are independent given the image. A question that nobody was asked has n = 0: its loss is
0 and it sends back no gradient, which is all that the decision tree means for the loss (Walmsley
et al. 2022, https://arxiv.org/abs/2102.08414).

Values have a Gaussian each, of a mean and a deviation that are both learnt (Nix & Weigend 1994,
https://doi.org/10.1109/ICNN.1994.374138); a value that is not known costs nothing.
"""

from __future__ import annotations

import math
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


def galaxy_nll(
    concentrations: Tensor,
    counts: Tensor,
    questions: Iterable[slice],
    answer_weights: Tensor | None = None,
) -> Tensor:
    """Return the negative log-likelihood of all votes on a galaxy: the sum over its questions.

    Parameters
    ----------
    concentrations : Tensor of shape (batch, samples, answers)
    counts : Tensor of shape (batch, answers)
    questions : iterable of slice
        Where each question's answers lie in the last axis (`LabelSchema.slices`).
    answer_weights : Tensor of shape (answers,), optional
        A question counts for a galaxy with the mean weight of the votes on it.

    Returns
    -------
    Tensor of shape (batch, samples)

    Notes
    -----
    A question of type `multiple` is treated as a share of all ticks: its counts may add up to more
    than the number of volunteers, and the loss sees only how the ticks are divided.
    """
    votes = counts.to(concentrations.dtype).unsqueeze(1)
    # All questions at once, by a matrix of which answer is whose: a dozen times fewer operations
    # than question by question. In full precision, whatever the network runs in.
    with torch.autocast(device_type=concentrations.device.type, enabled=False):
        belongs = _belongs(concentrations, list(questions))
        total, strength = votes @ belongs, concentrations @ belongs
        answers = (
            torch.lgamma(votes + concentrations)
            - torch.lgamma(concentrations)
            - torch.lgamma(votes + 1)
        )
        nll = -(
            torch.lgamma(total + 1)
            + torch.lgamma(strength)
            - torch.lgamma(total + strength)
            + answers @ belongs
        )
        nll = torch.where(total > 0, nll, torch.zeros_like(nll))
        if answer_weights is not None:
            nll = nll * ((votes * answer_weights) @ belongs) / total.clamp(min=1e-6)
        return nll.sum(-1)


def _belongs(like: Tensor, questions: list[slice]) -> Tensor:
    """Return a matrix (answers, questions) that is 1 where an answer is one of the question's."""
    belongs = torch.zeros(like.shape[-1], len(questions), dtype=like.dtype)
    for number, where in enumerate(questions):
        belongs[where, number] = 1
    return belongs.to(like.device)


def gaussian_nll(answers: Tensor, values: Tensor, scale: Tensor) -> Tensor:
    """Return the negative log-likelihood of all known values of a subject: the sum over targets.

    Parameters
    ----------
    answers : Tensor of shape (batch, samples, targets, 2)
        Means and deviations, in the targets' own units.
    values : Tensor of shape (batch, targets)
        NaN where the value is not known: its likelihood is 1, and no gradient comes back.
    scale : Tensor of shape (targets,)
        Spread of each target in training: densities are per so much of it, so that targets of
        large and small numbers count alike.

    Returns
    -------
    Tensor of shape (batch, samples)
        In nats.
    """
    with torch.autocast(device_type=answers.device.type, enabled=False):
        means, deviations = answers.unbind(-1)
        wanted = values.to(answers.dtype).unsqueeze(1)
        known = torch.isfinite(wanted)
        # A NaN would come back through the gradient even where its loss is not taken.
        away = (torch.where(known, wanted, means.detach()) - means) / deviations
        nll = away**2 / 2 + torch.log(deviations / scale.to(answers)) + math.log(2 * math.pi) / 2
        return torch.where(known, nll, torch.zeros_like(nll)).sum(-1)


def mean_loss(nll: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over subjects and over samples: what training lowers.

    Parameters
    ----------
    nll : Tensor of shape (batch, samples)
    weights : Tensor of shape (batch,), optional
        How much each subject counts; 1 on average over a whole training set.
    """
    return nll.mean() if weights is None else (nll * weights.unsqueeze(1)).mean()


def mixture_nll(nll: Tensor) -> Tensor:
    """Return per subject how badly the samples together explain it: what is validated.

    The model's prediction is the equal mixture of its samples, so the likelihood is the mean of
    the samples' likelihoods, ``logsumexp(log p_s) - log S``. (The mean of their logarithms would
    punish samples for differing, which is what they are for.) Questions, and targets, are
    independent given the image *and* the sample: they are multiplied before the samples are mixed.

    Parameters
    ----------
    nll : Tensor of shape (batch, samples)

    Returns
    -------
    Tensor of shape (batch,)
    """
    return math.log(nll.shape[1]) - torch.logsumexp(-nll, 1)


def votes_loss(
    concentrations: Tensor,
    counts: Tensor,
    questions: Iterable[slice],
    weights: Tensor | None = None,
    answer_weights: Tensor | None = None,
) -> Tensor:
    """Return the `mean_loss` of votes; parameters are those of `galaxy_nll` and `mean_loss`."""
    return mean_loss(galaxy_nll(concentrations, counts, questions, answer_weights), weights)


def predictive_nll(
    concentrations: Tensor,
    counts: Tensor,
    questions: Iterable[slice],
    answer_weights: Tensor | None = None,
) -> Tensor:
    """Return the `mixture_nll` of votes; parameters are those of `galaxy_nll`."""
    return mixture_nll(galaxy_nll(concentrations, counts, questions, answer_weights))
