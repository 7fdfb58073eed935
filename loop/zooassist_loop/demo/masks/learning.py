"""Take the outlines back: exports, consensus masks as a training set, the next model version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zooassist_exporters.images import SubjectMedia
from zooassist_exporters.mask_classes import ClassRule
from zooassist_exporters.mask_options import MaskOptions, MasksInput
from zooassist_exporters.masks_export import MasksReport, export_masks
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.rules import Rules
from zooassist_exporters.subjects_file import read_locations
from zooassist_exporters.training_set import TrainingSet, read_training_set
from zooassist_loop.demo.learning import Exports, fetch_exports
from zooassist_loop.demo.masks.tasks import HOLE_TOOL
from zooassist_plugin.panoptes import Panoptes
from zooassist_plugin.workflow import Workflow
from zooassist_serving.model_folder import ModelFolder
from zooassist_training.augment import Augmentation
from zooassist_training.fit_options import FitOptions
from zooassist_training.segmentation.fit import WindowOptions
from zooassist_training.segmentation.mask_recipe import MaskRecipe
from zooassist_training.segmentation.module import AdversaryOptions
from zooassist_training.segmentation.restore import spec_of

METHOD = "majority"
# Nuclei so many pixels apart have a seam between them: as one blob they would be one outline.
GAP = 1
# Pixels of what a step learns from.
WINDOW = 256


@dataclass(frozen=True)
class MaskHarvest:
    """The masks that came back."""

    exports: Exports
    training_set: TrainingSet
    report: MasksReport
    problems: tuple[str, ...]


def harvest_masks(panoptes: Panoptes, workflow: Workflow, folder: Path, out: Path) -> MaskHarvest:
    """Export classifications, workflows and subjects, and vote on masks for a training set.

    Parameters
    ----------
    folder : Path
        Where the three exports are kept.
    """
    exports = fetch_exports(panoptes, workflow, folder)
    problems = ProblemList()
    locations, source = read_locations(str(exports.subjects), problems)
    with SubjectMedia(locations) as media:
        given = MasksInput(
            classifications=exports.classifications,
            workflows=exports.workflows,
            images=media,
            image_source=source,
        )
        report = export_masks(
            given,
            out,
            Rules(workflow_id=workflow.workflow_id),
            MaskOptions(method=METHOD, classes=ClassRule(holes=frozenset({HOLE_TOOL}))),
            problems=problems,
        )
    return MaskHarvest(exports, read_training_set(out), report, tuple(problems.lines()))


def next_recipe(base: ModelFolder, epochs: int, seed: int) -> MaskRecipe:
    """Return how the next version is trained: the same network, from where the first one ended."""
    spec = spec_of(base.path)
    return MaskRecipe(
        name=base.card.name,
        network=spec.generator,
        network_options=spec.options,
        discriminator=spec.discriminator,
        start=base.path,
        windows=WindowOptions(min(WINDOW, base.card.preprocessing.size)),
        tile=base.card.preprocessing.size,
        scale=base.card.preprocessing.scale,
        gap=GAP,
        seam=spec.seam or MaskRecipe.seam,
        store="float16",
        licence=base.card.licence,
        # A few dozen images that are known well: small batches, a low rate, a short memory for the
        # averaged weights.
        fit=FitOptions(
            epochs=epochs,
            batch_size=4,
            learning_rate=3e-4,
            patience=0,
            averaging=0.9,
            seed=seed,
            augmentation=Augmentation(zoom=0.1, shift=0, brightness=0.1),
        ),
        adversary=AdversaryOptions(loss="dice-ce", learning_rate=3e-4, epochs=1),
    )
