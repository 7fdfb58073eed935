"""What does an encoder that does not learn make of the images? Asked once, kept in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from zooassist_training.augment import Augmentation, augment
from zooassist_training.datasets import LabelledImages
from zooassist_training.networks import HeadedNetwork

BATCH = 64


@torch.no_grad()
def embed_views(
    network: HeadedNetwork,
    labelled: LabelledImages,
    augmentation: Augmentation,
    views: int,
    seed: int,
) -> Tensor:
    """Return the embeddings of some changed views of every image.

    Parameters
    ----------
    labelled : LabelledImages
        With or without the margin of `augment.with_margin`.
    views : int
        The first is the unchanged image, as it will be served; the others are changed.

    Returns
    -------
    Tensor of shape (images, views, features), float32
    """
    was_training, size = network.training, network.spec.size
    network.eval()
    device = next(network.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    found = torch.zeros(len(labelled), views, network.features)
    for start in range(0, len(labelled), BATCH):
        images = torch.from_numpy(np.array(labelled.images[start : start + BATCH])).to(device)
        edge = (images.shape[1] - size) // 2
        middle = images[:, edge : edge + size, edge : edge + size]
        for view in range(views):
            if view == 0:
                pixels = middle.permute(0, 3, 1, 2).float()
            else:
                pixels = augment(images, size, augmentation, generator)
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            found[start : start + BATCH, view] = network.embed(pixels).cpu()
    network.train(was_training)
    return found


@dataclass(frozen=True)
class EmbeddedImages(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """In place of `datasets.LabelledDataset`: embeddings (images, features) for images."""

    embeddings: Tensor
    labels: Tensor
    weights: Tensor

    @classmethod
    def of(cls, network: HeadedNetwork, labelled: LabelledImages) -> EmbeddedImages:
        """Embed the images as they will be served."""
        embeddings = embed_views(network, labelled, Augmentation(), views=1, seed=0)[:, 0]
        labels, weights = torch.from_numpy(labelled.labels), torch.from_numpy(labelled.weights)
        return cls(embeddings, labels, weights)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return one embedding, its labels and its weight."""
        return self.embeddings[index], self.labels[index], self.weights[index]
