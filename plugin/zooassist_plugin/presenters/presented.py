"""What does a presenter return, and how does it say no?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from zooassist_plugin.errors import BadInput
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.workflow import Workflow

FrameSize = tuple[int, int]
"""Natural width and height of one frame, in pixels."""


class Unpresentable(BadInput):
    """A proposal that the volunteer's page would crash on, lose or garble; the text says why."""


@dataclass(frozen=True)
class Presented:
    """What to write, and what had to be changed for it.

    Attributes
    ----------
    payload : dict
        The whole reduction data: ``{"data": [mark, …], "proposal_id": …, "model": …, …}``.
    notes : tuple of str
        One sentence per mark that was mended or left out.
    """

    payload: dict[str, Any]
    notes: tuple[str, ...] = ()


class Presenter(Protocol):
    """A pure function from a proposal to what its volunteers will see.

    Parameters
    ----------
    frames : int
        Number of locations of the subject.
    sizes : sequence of (int, int), optional
        Natural size of each frame; marks are clipped to it where known.

    Raises
    ------
    Unpresentable
        When the proposal cannot be shown without harm.
    """

    def __call__(
        self,
        proposal: Proposal,
        workflow: Workflow,
        *,
        frames: int = 1,
        sizes: Sequence[FrameSize | None] = (),
    ) -> Presented:
        """Present one proposal."""
        ...
