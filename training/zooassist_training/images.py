"""Which images does a training see, and for what? To learn from, to validate, to test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.splits import Split
from zooassist_plugin.errors import ItemFailed
from zooassist_plugin.model_card import Preprocessing
from zooassist_training.augment import with_margin
from zooassist_training.datasets import LabelledImages
from zooassist_training.surveys import Surveys
from zooassist_training.value_surveys import ValueSurveys

if TYPE_CHECKING:
    from zooassist_training.train_votes import VotesRecipe

PARITY_IMAGES = 500


@dataclass(frozen=True)
class Images:
    """The three parts; training images have the margin of `augment.with_margin`."""

    training: LabelledImages
    validation: LabelledImages
    test: LabelledImages

    @property
    def parts(self) -> tuple[LabelledImages, ...]:
        """All three."""
        return self.training, self.validation, self.test

    @property
    def without_labels(self) -> int:
        """Subjects that nobody answered a question about, or that have no value."""
        return sum(part.without_labels for part in self.parts)

    @property
    def problems(self) -> tuple[ItemFailed, ...]:
        """Subjects whose image could not be used."""
        return tuple(problem for part in self.parts for problem in part.problems)

    def probes(self, side: int) -> NDArray[np.uint8]:
        """Return real images to compare the graph on: of the test split where there is one."""
        images = next(part for part in reversed(self.parts) if len(part)).images[:PARITY_IMAGES]
        edge = (images.shape[1] - side) // 2  # training images have a margin
        return np.ascontiguousarray(images[:, edge : edge + side, edge : edge + side])


def read_images(
    data: Surveys | ValueSurveys, recipe: VotesRecipe, preprocessing: Preprocessing
) -> Images:
    """Read all images, exactly as they will be served, and say how much each counts."""
    held_back: list[Split] = [] if "validation" in recipe.train_on else ["validation"]
    training = data.read(recipe.train_on, with_margin(preprocessing))
    validation = data.read(held_back, preprocessing)
    test = data.read(["test"], preprocessing)
    if not recipe.inclusion_weights:
        training, validation = _equal(training), _equal(validation)
    return Images(training, validation, test)


def _equal(part: LabelledImages) -> LabelledImages:
    return replace(part, weights=np.ones(len(part), dtype=np.float32))
