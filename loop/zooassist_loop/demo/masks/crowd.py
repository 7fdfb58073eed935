"""How would this crowd correct the outlines? Each volunteer by what there is and their own hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zooassist_exporters.mask_patch import Size
from zooassist_loop.demo.crew import Answered, Look
from zooassist_loop.demo.masks.images import DemoMicrograph
from zooassist_loop.demo.masks.tasks import NUCLEUS
from zooassist_loop.demo.project import DemoProject
from zooassist_loop.mask_volunteers import (
    Hand,
    TrueObject,
    draw_hand,
    respond_to_outlines,
    true_objects,
)

# Seconds that a person takes: to look, and for each mark that they touch.
LOOKING = 5.0
TOUCHING = {"kept": 0.2, "deleted": 1.5, "edited": 6.0, "added": 8.0}


@dataclass(frozen=True)
class MaskCrowd:
    """A crowd that outlines nuclei.

    Attributes
    ----------
    nuclei : mapping
        Subject id -> what there is to see.
    hands : tuple of Hand
        One per volunteer.
    """

    nuclei: Mapping[int, tuple[TrueObject, ...]]
    sizes: Mapping[int, tuple[int, int]]
    hands: tuple[Hand, ...]

    def answer(self, look: Look) -> Answered:
        """Let one volunteer look at one image."""
        response = respond_to_outlines(
            look.shown,
            self.nuclei[look.subject_id],
            Size(*self.sizes[look.subject_id]),
            NUCLEUS,
            self.hands[look.volunteer],
            look.rng,
        )
        return Answered(
            marks=response.marks,
            prefilled=response.prefilled,
            actions=response.actions,
            seconds=LOOKING + sum(TOUCHING[action] * n for action, n in response.actions.items()),
        )


def read_mask_crowd(project: DemoProject[DemoMicrograph], volunteers: int, seed: int) -> MaskCrowd:
    """Prepare every subject, and draw the people who will look at them."""
    return MaskCrowd(
        nuclei={subject: true_objects(each.nuclei) for subject, each in project.items.items()},
        sizes={subject: each.size for subject, each in project.items.items()},
        hands=tuple(draw_hand(np.random.default_rng([seed, n])) for n in range(volunteers)),
    )
