"""Which part of a network is trained? The head, the last blocks, or everything."""

from __future__ import annotations

import re
from typing import Any

from timm.models import group_parameters
from timm.optim._param_groups import param_groups_layer_decay
from torch import nn

from zooassist_plugin.errors import BadInput
from zooassist_training.networks import HeadedNetwork

ALL, HEAD = "all", "head"
_LAST = re.compile(r"last:([1-9][0-9]*)")


def last_blocks(train: str) -> int | None:
    """Return how many blocks of the encoder are trained, None for all of them.

    Raises
    ------
    BadInput
        When `train` is not ``all``, ``head`` or ``last:N``.
    """
    if train == ALL:
        return None
    if train == HEAD:
        return 0
    found = _LAST.fullmatch(train)
    if found is None:
        raise BadInput(f"train: expected all, head or last:N (such as last:2), got {train!r}")
    return int(found[1])


def freeze(network: HeadedNetwork, train: str) -> None:
    """Let only a part of the network learn.

    Parameters
    ----------
    train : str
        ``head``; ``last:N``, the head and the last N blocks of the encoder as timm counts them (a
        ResNet has five: its stem and four stages); or ``all``.

    Raises
    ------
    BadInput
        When the encoder has fewer blocks.
    """
    network.requires_grad_(True)
    wanted = last_blocks(train)
    if wanted is None:
        return
    if wanted == 0:
        network.encoder.requires_grad_(False)
        return
    blocks = _blocks(network.encoder)
    if wanted > len(blocks):
        raise BadInput(
            f"train: expected at most the last {len(blocks)} blocks of encoder "
            f"{network.spec.encoder.name!r}, got {wanted}; say all for all of them"
        )
    kept = {name for block in blocks[-wanted:] for name in block}
    for name, weight in network.encoder.named_parameters():
        weight.requires_grad_(name in kept)


def hold_still(network: HeadedNetwork) -> None:
    """Put whatever is frozen into evaluation: normalisations there keep their statistics."""
    for module in network.encoder.modules():
        own = list(module.parameters())
        if own and not any(weight.requires_grad for weight in own):
            module.eval()


def parameter_groups(
    network: HeadedNetwork, learning_rate: float, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Sort the weights that are trained into groups for AdamW, each with its highest rate.

    Norms and biases have no weight decay.

    Parameters
    ----------
    layer_decay : float
        The head learns at the full rate, each layer below (as timm counts them) at so much of
        the rate of the one above (Clark et al. 2020, https://arxiv.org/abs/2003.10555); 1 for the
        same rate everywhere.
    """
    if layer_decay == 1:
        trained = [each for each in network.parameters() if each.requires_grad]
        return _by_decay(trained, learning_rate, weight_decay)
    groups = _by_decay(list(network.head.parameters()), learning_rate, weight_decay)
    for group in param_groups_layer_decay(network.encoder, weight_decay, layer_decay=layer_decay):
        rate = learning_rate * layer_decay * group["lr_scale"]
        groups.append(
            {"params": group["params"], "weight_decay": group["weight_decay"], "lr": rate}
        )
    return groups


def _by_decay(trained: list[nn.Parameter], rate: float, decay: float) -> list[dict[str, Any]]:
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": decay, "lr": rate},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0, "lr": rate},
    ]


def _blocks(encoder: nn.Module) -> list[list[str]]:
    """Return the names of the weights of each block, from the pixels upwards."""
    matcher = getattr(encoder, "group_matcher", None)
    if matcher is None:
        raise BadInput(
            f"train: timm knows no blocks of a {type(encoder).__name__}; say head or all"
        )
    weights = dict(encoder.named_parameters())
    groups: dict[int, list[str]] = group_parameters(encoder, matcher(coarse=True))
    blocks: list[list[str]] = []
    for number in sorted(groups):
        if blocks and all(weights[name].ndim <= 1 for name in groups[number]):
            blocks[-1] += groups[number]  # a norm behind the last stage is no block of its own
        else:
            blocks.append(list(groups[number]))
    return blocks
