"""What goes into the data plane, and what comes out of it beside predictions?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.proposals import Proposal
from zooassist_serving.predictions import Prediction


@dataclass(frozen=True)
class Item:
    """One image to predict.

    Attributes
    ----------
    name : str
        As the user knows it: a path, an upload's name, a URL.
    data : bytes, or a function that fetches them
        A function may raise a `ZooassistError` or `OSError`: this item has failed then.
    """

    name: str
    data: bytes | Callable[[], bytes]
    subject_id: int | None = None
    frame: int = 0


@dataclass(frozen=True)
class Proposed:
    """A prediction with the proposal made of it.

    Attributes
    ----------
    sizes : tuple of ((int, int) or None)
        Width and height of each frame, as far as it was looked at.
    """

    prediction: Prediction
    proposal: Proposal | None
    sizes: tuple[tuple[int, int] | None, ...] = ()


@dataclass(frozen=True, eq=False)
class Answers:
    """What a graph answered for some items, before anything is made of it.

    Attributes
    ----------
    errors : tuple of (str or None)
        One per item: why it has no answer.
    raw : array of shape (answered, samples, columns) or (answered, samples, targets, 2)
        Calibrated concentrations, or means and deviations; of the items without an error, in their
        order, and sound.
    embeddings : array of shape (answered, features), or None
        When the graph has that output.
    """

    errors: tuple[str | None, ...]
    raw: NDArray[np.float32]
    embeddings: NDArray[np.float32] | None
