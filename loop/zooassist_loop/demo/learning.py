"""Take the classifications back: exports, votes, training set, and the next model version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zooassist_exporters.images import SubjectMedia
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.rules import Rules
from zooassist_exporters.splits import split_of
from zooassist_exporters.subjects_file import read_locations
from zooassist_exporters.training_set import TrainingSet, read_training_set
from zooassist_exporters.votes_export import VotesInput, export_votes
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.panoptes import Panoptes
from zooassist_plugin.workflow import Workflow

EXPORT_WAIT = 120.0  # seconds


@dataclass(frozen=True)
class Exports:
    """The three files that training sets are made of."""

    classifications: Path
    workflows: Path
    subjects: Path


def fetch_exports(panoptes: Panoptes, workflow: Workflow, folder: Path) -> Exports:
    """Ask Panoptes for the exports, wait for them, and keep them in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    classifications = panoptes.export(
        "classifications",
        folder / "classifications.csv",
        workflow_id=workflow.workflow_id,
        wait=EXPORT_WAIT,
    )
    workflows, subjects = (
        panoptes.export(
            kind, folder / f"{kind}.csv", project_id=workflow.project_id, wait=EXPORT_WAIT
        )
        for kind in ("workflows", "subjects")
    )
    return Exports(classifications, workflows, subjects)


@dataclass(frozen=True)
class Harvest:
    """The votes that came back."""

    training_set: TrainingSet
    classifications: int
    problems: tuple[str, ...]


def harvest_votes(
    panoptes: Panoptes, workflow: Workflow, like: LabelSchema, folder: Path, out: Path
) -> Harvest:
    """Export classifications, workflows and subjects, and count the votes into a training set.

    Parameters
    ----------
    like : LabelSchema
        The model's label columns, which the training set is to have.
    folder : Path
        Where the three exports are kept.
    """
    exports = fetch_exports(panoptes, workflow, folder)
    problems = ProblemList()
    locations, source = read_locations(str(exports.subjects), problems)
    with SubjectMedia(locations) as media:
        given = VotesInput(
            classifications=exports.classifications, workflows=exports.workflows, like=like
        ).with_media(media, source)
        rules = Rules(workflow_id=workflow.workflow_id)
        report = export_votes(given, out, rules, problems=problems)
    return Harvest(read_training_set(out), report.classifications, tuple(problems.lines()))


@dataclass(frozen=True)
class SplitError:
    """RMS error over `subjects` subjects; None when there are none."""

    rmse: float | None
    subjects: int


def error_on_test(predicted: Mapping[int, float], crowd: Mapping[int, float]) -> SplitError:
    """Measure vote fractions on the subjects of the test split, which training never sees.

    Parameters
    ----------
    predicted, crowd : mapping of subject id to vote fraction
    """
    errors = [
        predicted[subject] - crowd[subject]
        for subject in sorted(set(predicted) & set(crowd))
        if split_of(subject) == "test"
    ]
    rmse = float(np.sqrt(np.mean(np.square(errors)))) if errors else None
    return SplitError(rmse, len(errors))
