"""Which pixels do the volunteers agree on? One function per method, in a table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.mask_patch import Size
from zooassist_exporters.reductions.masks.overlay import Overlay
from zooassist_exporters.reductions.masks.staple import background_of, staple
from zooassist_plugin.errors import BadInput

# Sums of volunteers' shares are not exact; a share is reached when it is missed by less.
ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Quorum:
    """How many volunteers must have covered a pixel: a number, or a share of those who looked.

    Attributes
    ----------
    count : int, optional
        At least this many volunteers.
    share : float, optional
        At least this share of the volunteers who saw the frame, in (0, 1].
    """

    count: int | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        if (self.count is None) == (self.share is None):
            raise BadInput("quorum: expected a number of volunteers or a share of them")
        if self.count is not None and self.count < 1:
            raise BadInput(f"quorum: expected at least 1 volunteer, got {self.count}")
        if self.share is not None and not 0.0 < self.share <= 1.0:
            raise BadInput(f"quorum: expected a share above 0 and up to 1, got {self.share}")

    @classmethod
    def parse(cls, text: str) -> Quorum:
        """Read ``4`` (volunteers), ``0.5`` or ``50%`` (a share of them).

        Raises
        ------
        BadInput
            When the text is neither; ``1`` is one volunteer, ``1.0`` all of them.
        """
        try:
            if text.endswith("%"):
                return cls(share=float(text[:-1]) / 100)
            return cls(share=float(text)) if "." in text else cls(count=int(text))
        except ValueError:
            raise BadInput(
                f"k: expected a number of volunteers (4) or a share (0.5, 50%), got {text!r}"
            ) from None

    def needed(self, volunteers: int) -> int:
        """Return how many of the volunteers who saw a frame it takes, at least one."""
        if self.count is not None:
            return self.count
        assert self.share is not None
        return max(1, math.ceil(self.share * volunteers - ROUNDING))

    def __str__(self) -> str:
        return str(self.count) if self.count is not None else f"{self.share:g} of the volunteers"


HALF: Final = Quorum(share=0.5)


@dataclass(frozen=True, eq=False)
class Decision:
    """What a method says about each pattern of an overlay.

    Attributes
    ----------
    chosen : array of bool, shape (patterns,)
        Whether its pixels belong to the object.
    score : array of float, shape (patterns,)
        Decides between classes that claim the same pixel.
    """

    chosen: NDArray[np.bool_]
    score: NDArray[np.float64]


@dataclass(frozen=True)
class Method:
    """A way to a consensus mask.

    Attributes
    ----------
    decide : callable
        Overlay, size of the frame and quorum -> decision.
    joins_strokes : bool
        Whether a volunteer's strokes are joined to outlines first.
    quorum : Quorum, optional
        When the user gives none; None when the user must, or when the method takes none.
    takes_quorum : bool
        Whether the user may give one.
    """

    decide: Callable[[Overlay, Size, Quorum], Decision]
    joins_strokes: bool = False
    quorum: Quorum | None = HALF
    takes_quorum: bool = True


def by_votes(drawn: Overlay, size: Size, quorum: Quorum) -> Decision:
    """Choose the pixels that enough volunteers covered."""
    return Decision(drawn.counts >= quorum.needed(drawn.volunteers), drawn.share)


def by_staple(drawn: Overlay, size: Size, quorum: Quorum) -> Decision:
    """Choose the pixels that are more likely object than not, trusting good volunteers more."""
    found = staple(drawn, background_of(drawn, size))
    return Decision(found.probability >= 0.5, found.probability)


METHODS: Final[dict[str, Method]] = {
    # At least half, so that two volunteers' union counts as well as their agreement would: people
    # who see an object and draw it outweigh those who passed it by.
    "majority": Method(by_votes, takes_quorum=False),
    "vote-k": Method(by_votes, quorum=None),
    "cria": Method(by_votes, joins_strokes=True),
    "staple": Method(by_staple, takes_quorum=False),
    # The label map of the level asked for; all levels are written as outlines beside it.
    "contours": Method(by_votes),
}


def method_named(name: str, quorum: Quorum | None) -> tuple[Method, Quorum]:
    """Return a method and the quorum that it works with.

    Raises
    ------
    BadInput
        When there is no such method, it needs a quorum and got none, or takes none and got one.
    """
    method = METHODS.get(name)
    if method is None:
        raise BadInput(f"method {name!r}: expected one of {', '.join(METHODS)}")
    if quorum is not None and not method.takes_quorum:
        raise BadInput(f"method {name} takes no k; leave it out, or choose vote-k")
    chosen = quorum or method.quorum
    if chosen is None:
        raise BadInput(f"method {name} needs k: a number of volunteers (4) or a share (0.5)")
    return method, chosen
