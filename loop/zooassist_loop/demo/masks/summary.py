"""What did the demo on masks do? The figures of its `summary.json`."""

from __future__ import annotations

from dataclasses import dataclass

from zooassist_loop.demo.masks.scores import Score
from zooassist_loop.demo.summary import Summary


@dataclass(frozen=True, kw_only=True)
class MaskSummary(Summary):
    """The figures of a run on masks.

    Attributes
    ----------
    unseen : bool
        Whether the first version is known never to have learnt from these images.
    masks : int
        Subjects with a consensus mask in the training set.
    learnt_from : int
        Of them, those that the second version learnt from.
    outlines_proposed : int
        By the first version, over all subjects.
    matched : dict
        ``kept``, ``edited``, ``added``, ``deleted`` -> marks over all classifications, as an export
        and the ledger tell by geometry; beside `actions`, which the volunteers themselves know.
    by_hand : float
        Marks moved or drawn, of all that came back.
    contour_redrawn : float
        Contour that lies off the proposed one, of all that came back.
    before, volunteers, after : Score
        First version, consensus of volunteers, and second version against biologists' outlines, on
        the test split (never trained on).
    agreement_needed : float
        IoU between volunteers from which a subject was retired.
    """

    unseen: bool
    masks: int
    learnt_from: int
    outlines_proposed: int
    matched: dict[str, int]
    by_hand: float
    contour_redrawn: float
    before: Score
    volunteers: Score
    after: Score
    agreement_needed: float

    @property
    def saved(self) -> float:
        """Outlines that nobody had to touch, of all that came back."""
        return 1 - self.by_hand
