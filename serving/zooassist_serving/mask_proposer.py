"""How do the probabilities of a mask become a proposal? Thresholded, part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.proposed_masks import ProposedMask, make_mask, masks_to_text
from zooassist_plugin.workflow import Workflow
from zooassist_serving.masks.label_maps import class_places
from zooassist_serving.predictions import Prediction
from zooassist_serving.proposer import proposal_id

Floats = NDArray[np.float32]

PARTS_AT_LEAST: Final = 25
"""Pixels: smaller parts are no mark of their own, and are kept together as one mask."""


@dataclass(frozen=True)
class FrameMask:
    """What a model says of one frame.

    Attributes
    ----------
    masks : tuple of ProposedMask
        One per part, with the mean probability inside as its score.
    confidence : float
        Mean over pixels of the probability of what they are said to be.
    uncertainty : float
        Mean over pixels and classes of the binary entropy, in nats.
    """

    masks: tuple[ProposedMask, ...]
    confidence: float
    uncertainty: float


def read_probabilities(
    probabilities: Floats, classes: Mapping[str, float], frame: int = 0
) -> FrameMask:
    """Threshold the probabilities of one frame.

    A pixel over the threshold of several classes is of the most probable one, so that no two
    outlines claim it.

    Parameters
    ----------
    probabilities : array of shape (classes, height, width)
    classes : mapping
        Class -> threshold, in the order of the channels.
    """
    places = class_places(probabilities, classes.values())
    masks: list[ProposedMask] = []
    for number, label in enumerate(classes):
        chosen = places == number + 1
        masks += _parts(chosen, probabilities[number], label, frame)
    sure = np.maximum(probabilities, 1 - probabilities)
    return FrameMask(tuple(masks), float(sure.mean()), float(binary_entropy(probabilities).mean()))


def binary_entropy(probabilities: Floats) -> Floats:
    """Return the entropy of yes or no at each pixel, in nats; 0 where the answer is certain."""
    p = np.clip(probabilities, 1e-7, 1 - 1e-7)
    entropy: Floats = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    return entropy


def propose_mask(
    prediction: Prediction,
    frames: Sequence[FrameMask],
    workflow: Workflow,
    *,
    created_at: datetime | None = None,
) -> Proposal:
    """Make the proposal for a subject of one or more frames.

    Parameters
    ----------
    prediction : Prediction
        Of the subject; says which model it was.
    frames : sequence of FrameMask
        Of every frame that was looked at. Confidence is that of the least sure one, uncertainty
        their mean.
    """
    if prediction.subject_id is None:
        raise BadInput(f"{prediction.item}: expected a prediction of a subject, got one of a file")
    if not frames:
        raise BadInput(f"{prediction.item}: expected the mask of at least one frame")
    return Proposal(
        proposal_id=proposal_id(workflow, prediction),
        workflow_id=workflow.workflow_id,
        subject_id=prediction.subject_id,
        frame=prediction.frame,
        model=prediction.model,
        model_version=prediction.model_version,
        created_at=created_at or datetime.now(UTC),
        mask=masks_to_text(mask for frame in frames for mask in frame.masks),
        confidence=min(1.0, min(frame.confidence for frame in frames)),
        uncertainty=float(np.mean([frame.uncertainty for frame in frames])),
    )


def _parts(
    chosen: NDArray[np.bool_], scores: Floats, label: str, frame: int
) -> Iterable[ProposedMask]:
    # Imported here: who asks for no masks need not wait for scipy's image filters.
    from scipy import ndimage

    numbers, count = ndimage.label(chosen, np.ones((3, 3)))
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    large = [n for n in range(1, count + 1) if sizes[n] >= PARTS_AT_LEAST]
    for number in large:
        part = numbers == number
        yield make_mask(part, label=label, frame=frame, score=_score(scores[part]))
    specks = chosen & ~np.isin(numbers, large)
    if specks.any():
        yield make_mask(specks, label=label, frame=frame, score=_score(scores[specks]))


def _score(probabilities: Floats) -> float:
    return round(min(1.0, max(0.0, float(probabilities.mean()))), 4)
