"""What do networks propose for volumes whose truth is known? Masks, and what is known of slices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_loop.simulation.drawing import Hand, returned_mask
from zooassist_loop.slice_features import volume_features
from zooassist_loop.slice_table import Ints, SliceTable, count_row, joined
from zooassist_plugin.stacks.in_memory import stack_of
from zooassist_training.evaluation.masks.overlap import count
from zooassist_training.segmentation.networks import SegmentationNetwork
from zooassist_training.segmentation.stacks import Stacks
from zooassist_training.segmentation.teaching import ask, judge

Bools = NDArray[np.bool_]
THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class Proposals:
    """Masks of some volumes.

    Attributes
    ----------
    places : tuple of int
        Of the volumes, among all.
    masks, truths : tuple of arrays of bool (slices, height, width)
        Proposed and true, one per volume.
    table : SliceTable
        Of all slices, volume by volume in this order.
    """

    places: tuple[int, ...]
    masks: tuple[Bools, ...]
    truths: tuple[Bools, ...]
    table: SliceTable


def propose(
    networks: Sequence[SegmentationNetwork], stacks: Stacks, places: Sequence[int]
) -> Proposals:
    """Let networks outline volumes.

    Parameters
    ----------
    networks : sequence of SegmentationNetwork
        Of one class. Their mean proposes, and the first one's discriminator judges that.
    places : sequence of int
        Of the volumes, at least one.
    """
    masks, truths, tables = [], [], []
    for place in places:
        image, truth = np.array(stacks.images[place]), stacks.labels[place] > 0
        name = stacks.names[place]
        said = [ask(network, image)[0] for network in networks]
        mean = np.stack(said).mean(axis=0, dtype=np.float32)
        masks.append(mean[:, 0] >= THRESHOLD)
        truths.append(truth)
        tables.append(
            volume_features(
                name,
                stack_of(mean[:, 0], name),
                realness=stack_of(judge(networks[0], image, mean), name),
                members=[stack_of(each[:, 0], name) for each in said] if len(said) > 1 else [],
                truth=stack_of(truth.astype(np.uint8), name),
                threshold=THRESHOLD,
            )
        )
    return Proposals(tuple(places), tuple(masks), tuple(truths), joined(tables))


def returned(proposals: Proposals, hand: Hand, random: np.random.Generator) -> list[Bools]:
    """Return what would come back of every slice, one array per volume, if all were sent."""
    return [
        np.stack(
            [
                returned_mask(true, proposed, hand, random)
                for true, proposed in zip(truth, mask, strict=True)
            ]
        )
        for truth, mask in zip(proposals.truths, proposals.masks, strict=True)
    ]


def counts_of(masks: Sequence[Bools], truths: Sequence[Bools]) -> Ints:
    """Return the counts (slices, 4) of masks against the truth, as in a `SliceTable`."""
    rows = [
        count_row(count(mask, true))
        for volume, truth in zip(masks, truths, strict=True)
        for mask, true in zip(volume, truth, strict=True)
    ]
    return np.array(rows, dtype=np.int64)


def merged(
    proposals: Proposals, back: Sequence[Bools], sent: NDArray[np.bool_]
) -> Iterator[tuple[int, Bools]]:
    """Yield each volume's place and its mask: what came back of slices sent, else the proposal.

    Parameters
    ----------
    back : sequence of arrays (slices, height, width)
        What would come back of every slice.
    sent : array of bool, shape (slices of all volumes,)
    """
    start = 0
    for place, mask, drawn in zip(proposals.places, proposals.masks, back, strict=True):
        chosen = sent[start : start + len(mask)]
        start += len(mask)
        yield place, np.where(chosen[:, None, None], drawn, mask)
