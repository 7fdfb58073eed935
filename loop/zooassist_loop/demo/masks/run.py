"""The demo on masks: one round of the loop, from an empty sandbox to retired images and a page."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from zooassist_exporters.matching.labelling import proposed_marks
from zooassist_exporters.splits import split_of
from zooassist_exporters.training_set import TrainingSet
from zooassist_loop.demo.masks.crowd import read_mask_crowd
from zooassist_loop.demo.masks.ending import judge_masks
from zooassist_loop.demo.masks.images import DemoMicrograph, MaskData, read_micrographs
from zooassist_loop.demo.masks.learning import MaskHarvest, harvest_masks, next_recipe
from zooassist_loop.demo.masks.report import ToldMask, write_mask_report
from zooassist_loop.demo.masks.scores import (
    ImageScore,
    proposed_objects,
    score_image,
    score_images,
)
from zooassist_loop.demo.masks.summary import MaskSummary
from zooassist_loop.demo.masks.tasks import HOLE_TYPE, MASK_PLAN
from zooassist_loop.demo.narrator import Narrator
from zooassist_loop.demo.options import DemoOptions
from zooassist_loop.demo.output_folder import output_folder
from zooassist_loop.demo.project import DemoProject
from zooassist_loop.demo.round import Round
from zooassist_loop.demo.stage import Stage
from zooassist_loop.demo.summary import SUMMARY
from zooassist_loop.effort_export import ExportEffort, effort_of_export
from zooassist_loop.ledger import Entry
from zooassist_loop.mask_agreement import AgreementRule
from zooassist_loop.matching import open_history
from zooassist_plugin.errors import BadInput
from zooassist_plugin.marks import Mark
from zooassist_plugin.proposal_history import SeenProposal
from zooassist_serving.model_folder import ModelFolder, load_model_folder
from zooassist_training.segmentation.train import TrainedMasks, train_masks

PRESENTER = "masks"
TRAINING_SET, SECOND = "training-set", "model-2"
ACTIONS = ("kept", "edited", "added", "deleted")
# Simulated hands follow what biologists drew more closely than people agree with each other.
AGREED = 0.85
Scores = dict[int, ImageScore]


def run_demo(options: DemoOptions, console: Console) -> MaskSummary:
    """Run the demo and write its folder, complete or not at all.

    Raises
    ------
    BadInput
        When `options.out` holds something that is not an earlier demo, or the model or the data
        can't be used.
    """
    began = time.monotonic()
    base = load_model_folder(options.model)
    if base.card.kind != "mask":
        raise BadInput(
            f"--model {options.model}: expected a model of kind 'mask', got {base.card.kind!r}; "
            "leave it out, or leave out --kind masks"
        )
    with output_folder(options.out) as work:
        return _MaskDemo(Stage(options, Narrator(console), work, began), base).run()


class _MaskDemo:
    """The steps of one run, each told and timed."""

    def __init__(self, stage: Stage, base: ModelFolder) -> None:
        self._stage, self._base = stage, base
        self._options, self._work = stage.options, stage.work
        self._rule = AgreementRule(iou=AGREED)

    def run(self) -> MaskSummary:
        """Go once round the loop."""
        data, stage = self._images(), self._stage
        with stage.sandbox(PRESENTER) as builder:
            project = stage.project(builder, data.images, MASK_PLAN)
            stage.enable(builder, project, self._base)
            proposed = stage.propose(builder, project, self._base, replace=False)
            crowd = read_mask_crowd(project, self._options.volunteers, self._options.seed)
            crew = stage.volunteers(builder, project, crowd.sizes, crowd.answer)
            harvest = self._export(builder, project)
            effort = self._effort(harvest)
            tuned = self._fine_tune()
            again = stage.propose(builder, project, tuned.folder, replace=True)
            verdicts = judge_masks(harvest.training_set, self._rule)
            decisions = {subject: each.decision for subject, each in verdicts.items()}
            retired = stage.retire(builder, project, decisions)
            shown = {
                entry.subject_id: _marks_of(entry)
                for entry in builder.entries(project, self._base.card.version)
            }
            before, after = (
                self._scores(builder, project, each) for each in (self._base, tuned.folder)
            )
        agreed = _consensus(harvest.training_set)
        by_people = {
            subject: score_image(agreed[subject], each.nuclei)
            for subject, each in project.items.items()
            if subject in agreed
        }
        test = {subject for subject in project.items if split_of(subject) == "test"}
        summary = MaskSummary(
            subjects=len(project.items),
            proposals_written=proposed.written + again.written,
            proposals_read_back=proposed.read_back + again.read_back,
            classifications=crew.classifications,
            model_versions=len({self._base.card.version, tuned.folder.card.version}),
            retired=len(retired),
            seconds=stage.seconds,
            source=data.source,
            seed=self._options.seed,
            versions=[self._base.card.version, tuned.folder.card.version],
            actions={action: crew.actions.get(action, 0) for action in ACTIONS},
            problems=[
                *data.problems,
                *project.problems,
                *proposed.problems,
                *again.problems,
                *harvest.problems,
                *map(str, tuned.problems),
            ],
            unseen=data.unseen,
            masks=harvest.report.masks,
            learnt_from=tuned.images,
            outlines_proposed=sum(map(len, shown.values())),
            matched={action: getattr(effort.marks, action) for action in ACTIONS},
            by_hand=effort.marks.share,
            contour_redrawn=effort.contour.share,
            before=score_images(before, test),
            volunteers=score_images(by_people, test),
            after=score_images(after, test),
            agreement_needed=self._rule.iou,
        )
        told = [
            ToldMask(
                subject_id=subject,
                micrograph=each,
                shown=shown.get(subject, ()),
                agreed=agreed.get(subject),
                first=before.get(subject),
                volunteers=by_people.get(subject),
                second=after.get(subject),
                verdict=verdicts.get(subject),
                retired=subject in retired,
            )
            for subject, each in project.items.items()
        ]
        write_mask_report(self._work, summary, stage.narrator.steps, told)
        summary.write(self._work / SUMMARY)
        return summary

    def _images(self) -> MaskData:
        options = self._options
        with self._stage.narrator.step("Images") as telling:
            data = read_micrographs(options.data, self._work, options.subjects, options.seed)
            telling.outcome = (
                f"{len(data.images)} images with {sum(each.count for each in data.images)} nuclei"
            )
        return data

    def _export(self, builder: Round, project: DemoProject[DemoMicrograph]) -> MaskHarvest:
        with self._stage.narrator.step("Export") as telling:
            harvest = harvest_masks(
                builder.panoptes,
                project.workflow,
                self._work / "exports",
                self._work / TRAINING_SET,
            )
            telling.outcome = (
                f"{harvest.report.masks} masks that most volunteers agree on, from "
                f"{harvest.report.classifications} classifications"
            )
        return harvest

    def _effort(self, harvest: MaskHarvest) -> ExportEffort:
        with (
            self._stage.narrator.step("Account for the work") as telling,
            open_history(self._stage.ledger) as history,
        ):
            effort = effort_of_export(
                harvest.exports.classifications,
                history,
                workflows=harvest.exports.workflows,
                hole_types=frozenset({HOLE_TYPE}),
            )
            marks = effort.marks
            telling.outcome = (
                f"{marks.kept} outlines kept, {marks.edited} edited, {marks.added} added, "
                f"{marks.deleted} deleted, by their geometry"
            )
        return effort

    def _fine_tune(self) -> TrainedMasks:
        with self._stage.narrator.step("Fine-tune") as telling:
            recipe = next_recipe(self._base, self._options.epochs, self._options.seed)
            trained = train_masks(self._work / TRAINING_SET, self._work / SECOND, recipe)
            telling.outcome = (
                f"version {trained.folder.card.version} from {trained.images} images, "
                f"{trained.epochs} epochs"
            )
        return trained

    def _scores(
        self, builder: Round, project: DemoProject[DemoMicrograph], folder: ModelFolder
    ) -> Scores:
        """Compare what one version proposed with what biologists outlined."""
        scores = {}
        for proposal in builder.proposals(project, folder.card.version):
            micrograph = project.items[proposal.subject_id]
            found = proposed_objects(proposal, micrograph.size)
            scores[proposal.subject_id] = score_image(found, micrograph.nuclei)
        return scores


def _marks_of(entry: Entry) -> tuple[Mark, ...]:
    """Return the marks that volunteers saw."""
    payload = entry.payload or {"data": []}
    return proposed_marks(
        SeenProposal(entry.proposal_id, entry.model, entry.model_version, payload)
    )


def _consensus(training_set: TrainingSet) -> dict[int, NDArray[np.int32]]:
    """Read the objects that volunteers agree on, by subject."""
    found = {}
    for subject in training_set.subject_ids.tolist():
        if training_set.has_mask(subject, kind="instances"):
            with Image.open(training_set.mask_path(subject, kind="instances")) as picture:
                found[subject] = np.array(picture).astype(np.int32)
    return found
