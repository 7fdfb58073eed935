"""Which images do volunteers agree on? Read from the consensus masks of a training set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from zooassist_exporters.mask_files import CONSENSUS
from zooassist_exporters.training_set import TrainingSet
from zooassist_loop.mask_agreement import AgreementRule, decide_mask, pairwise_iou
from zooassist_loop.retirement import Decision

WHOLE = 255  # what the agreement map says where all volunteers agree


@dataclass(frozen=True)
class MaskVerdict:
    """What was decided for one subject.

    Attributes
    ----------
    agreement : float or None
        See `pairwise_iou`.
    """

    decision: Decision
    agreement: float | None
    volunteers: int


def judge_masks(training_set: TrainingSet, rule: AgreementRule) -> dict[int, MaskVerdict]:
    """Decide every subject that has a consensus mask."""
    table = pq.read_table(training_set.path / CONSENSUS, columns=["subject_id", "volunteers"])
    seen_by = dict(
        zip(table["subject_id"].to_pylist(), table["volunteers"].to_pylist(), strict=True)
    )
    verdicts = {}
    for subject, volunteers in sorted(seen_by.items()):
        with Image.open(training_set.mask_path(subject, kind="agreement")) as picture:
            shares = np.array(picture, dtype=np.float64)
        covered = np.rint(shares * volunteers / WHOLE).astype(np.int64)
        agreement = pairwise_iou(covered, volunteers)
        verdicts[subject] = MaskVerdict(
            decide_mask(agreement, volunteers, rule), agreement, volunteers
        )
    return verdicts
