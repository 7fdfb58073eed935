"""What does a network say of prepared images, before it is a graph?"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from zooassist_plugin.label_schema import LabelSchema
from zooassist_training.losses import predictive_nll
from zooassist_training.networks import VotesNetwork

BATCH = 128


@torch.no_grad()
def concentrations_of_network(
    network: VotesNetwork, images: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return concentrations of shape (images, samples, label columns).

    Parameters
    ----------
    images : array of shape (images, size, size, 3), uint8
    """
    network.eval()
    parts = [
        network(torch.from_numpy(np.array(images[start : start + BATCH])))[0].double().numpy()
        for start in range(0, len(images), BATCH)
    ]
    return np.concatenate(parts)


def loss_per_galaxy(
    concentrations: NDArray[np.float64], counts: NDArray[np.floating], schema: LabelSchema
) -> NDArray[np.float64]:
    """Return how badly the samples together explain each galaxy's votes, in nats; (galaxies,)."""
    nll = predictive_nll(
        torch.from_numpy(concentrations),
        torch.from_numpy(np.asarray(counts, dtype=np.float64)),
        list(schema.slices.values()),
    )
    values: NDArray[np.float64] = nll.numpy()
    return values
