"""How do several networks become one? Side by side in one graph, their samples one after another.

A deep ensemble (Lakshminarayanan et al. 2017, https://arxiv.org/abs/1612.01474): networks that
learnt the same from other beginnings agree where the images told them, and differ elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from zooassist_plugin.errors import BadInput
from zooassist_training.networks import HeadedNetwork, NetworkSpec, network_of


class Ensemble(nn.Module):
    """Two or more networks that differ in nothing but their weights.

    The samples axis holds the samples of the first member, then of the second, and so on. The
    embedding is all members' embeddings, one after another: distances then say what the members
    agree on. (Each member's axes mean something else, so a mean would mean nothing.)

    Parameters
    ----------
    members : sequence of HeadedNetwork
        Of one description.
    """

    def __init__(self, members: Sequence[HeadedNetwork]) -> None:
        super().__init__()
        if len(members) < 2:
            raise BadInput(f"an ensemble: expected 2 members or more, got {len(members)}")
        spec = members[0].spec
        for number, member in enumerate(members):
            if member.spec != spec:
                raise BadInput(f"an ensemble: member {number} is not of the first one's kind")
        self.members = nn.ModuleList(members)
        self.spec = spec
        self.features = sum(member.features for member in members)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Return (answers, embedding) for uint8 images (batch, height, width, 3)."""
        found = [member(image) for member in self.members]
        answers = torch.cat([answers for answers, _ in found], 1)
        return answers, torch.cat([embedding for _, embedding in found], 1)


Network: TypeAlias = HeadedNetwork | Ensemble


def members_of(network: Network) -> tuple[HeadedNetwork, ...]:
    """Return the networks that one is made of; a single one is its own only member."""
    if isinstance(network, HeadedNetwork):
        return (network,)
    return tuple(member for member in network.members if isinstance(member, HeadedNetwork))


def together(members: Sequence[HeadedNetwork]) -> Network:
    """Return the one network, or the ensemble of several."""
    return members[0] if len(members) == 1 else Ensemble(members)


def build_network(spec: NetworkSpec, members: int) -> Network:
    """Build an untrained network of so many members."""
    return together([network_of(spec) for _ in range(members)])


def number_of_samples(network: Network) -> int:
    """Return the length of the samples axis: members times samples of each."""
    return len(members_of(network)) * network.spec.samples
