"""Which slices need a person most? A table of scorers, larger is sooner.

None is best everywhere: in the pilots that this follows, a discriminator's realness found no more
error than the mask's entropy or its mere area. So they stand beside each other, and beside chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from zooassist_loop.slice_learning import LEARNED, LearnedScore
from zooassist_loop.slice_table import Floats, SliceTable
from zooassist_plugin.errors import BadInput

RANDOM: Final = "random"
ORACLE: Final = "oracle"


@dataclass(frozen=True)
class Scorer:
    """One way to rank slices.

    Attributes
    ----------
    needs : str or None
        Feature that has to be there.
    says : str
        What a high score means, for people.
    """

    needs: str | None
    says: str
    score: Callable[[SliceTable, np.random.Generator], Floats]


def _feature(name: str, says: str) -> Scorer:
    return Scorer(name, says, lambda slices, random: slices.features[name])


SCORERS: Final[dict[str, Scorer]] = {
    "realness_mean": _feature(
        "realness_mean", "the discriminator tells the mask from one that people drew"
    ),
    "realness_worst": _feature(
        "realness_worst", "the discriminator tells some patch from one that people drew"
    ),
    "entropy": _feature("entropy", "many pixels are uncertain"),
    "edge_entropy": _feature("edge_entropy", "the edge is uncertain"),
    "inconsistency": _feature("inconsistency", "the mask jumps from slice to slice"),
    "disagreement": _feature("disagreement", "the ensemble's members differ"),
    "area": _feature("area", "the object is large"),
    RANDOM: Scorer(None, "chance", lambda slices, random: random.random(len(slices))),
}


def usable_scorers(slices: SliceTable) -> list[str]:
    """Return the scorers whose feature the slices have; the learned one uses what there is."""
    found = [
        name
        for name, scorer in SCORERS.items()
        if scorer.needs is None or scorer.needs in slices.features
    ]
    return [*found, LEARNED]


def score_slices(
    name: str,
    slices: SliceTable,
    random: np.random.Generator,
    learned: LearnedScore | None = None,
) -> Floats:
    """Score slices, larger is sooner.

    Parameters
    ----------
    name : str
        Of `SCORERS`, `learned`, or `oracle` (the true error, where it is known).
    learned : LearnedScore, optional
        Fitted on calibration slices.

    Raises
    ------
    BadInput
        When there is no such scorer, its feature is missing, or nothing was fitted.
    """
    if name == ORACLE:
        return slices.wrong.astype(np.float64)
    if name == LEARNED:
        if learned is None:
            raise BadInput("scorer learned: expected one that was fitted on calibration slices")
        return learned.score(slices)
    if name not in SCORERS:
        raise BadInput(f"scorer: expected one of {', '.join([*SCORERS, LEARNED])}, got {name!r}")
    scorer = SCORERS[name]
    if scorer.needs is not None and scorer.needs not in slices.features:
        raise BadInput(
            f"scorer {name}: the slices have no {scorer.needs!r}; they have "
            f"{', '.join(slices.features)}"
        )
    return scorer.score(slices, random)
