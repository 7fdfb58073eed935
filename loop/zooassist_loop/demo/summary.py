"""What did the demo do? The figures of `summary.json`, and the steps with their times."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

SUMMARY = "summary.json"


@dataclass(frozen=True)
class Step:
    """One step of the loop: what it is, what came of it in words, and how long it took."""

    title: str
    outcome: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The figures of one run of any kind; every one is counted or measured in that run.

    Attributes
    ----------
    subjects : int
        Uploaded and verified.
    proposals_written, proposals_read_back : int
        Over both rounds: imported into Caesar, and read back equal by the classifier's own query.
    classifications : int
        Accepted by the sandbox.
    model_versions : int
        Distinct model versions that proposed.
    retired : int
        Subjects that Panoptes says are retired.
    seconds : float
        Wall time of the whole run.
    actions : dict
        What volunteers did with proposals, by their own account.
    problems : list of str
        Items that failed, one line each.
    """

    subjects: int
    proposals_written: int
    proposals_read_back: int
    classifications: int
    model_versions: int
    retired: int
    seconds: float
    source: str
    seed: int
    versions: list[str]
    actions: dict[str, int]
    problems: list[str]

    def write(self, path: Path) -> None:
        """Write `summary.json`, complete or not at all."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        partial.replace(path)


@dataclass(frozen=True, kw_only=True)
class GalaxySummary(Summary):
    """The figures of a run on galaxies.

    Attributes
    ----------
    votes_rows : int
        Subjects with votes in the training set.
    rmse_before, rmse_after : float
        RMS error of the first question's first vote fraction against the crowd the volunteers are
        drawn from, on the test split (never trained on), for both versions.
    rmse_subjects : int
        How many subjects that split holds.
    """

    votes_rows: int
    votes_are_real: bool
    rmse_before: float | None
    rmse_after: float | None
    rmse_subjects: int
