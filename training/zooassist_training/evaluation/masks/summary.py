"""What do all pairs say together, and how is it written down?"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from zooassist_plugin import __version__
from zooassist_plugin.errors import ItemFailed
from zooassist_plugin.output_paths import temporary_beside, writing
from zooassist_training.evaluation.masks.measure import Row
from zooassist_training.evaluation.masks.objects import ObjectScore
from zooassist_training.evaluation.masks.request import MaskRequest

# Columns where less is better.
DISTANCES: Final = frozenset({"hd95", "lesionwise_hd95"})
# Columns that are added, not averaged.
NUMBERS: Final = frozenset(
    {
        "lesions",
        "missed_lesions",
        "false_lesions",
        "found_objects",
        "false_objects",
        "missed_objects",
    }
)


@dataclass(frozen=True)
class Summary:
    """One column of one region over all pairs.

    Attributes
    ----------
    mean, median : float or None
        Over the finite values; None when there are none.
    standard_error : float or None
        Of the mean, from the scatter between pairs; None with fewer than two.
    infinite : int
        Pairs of which one mask is empty, so that no distance exists; not in the mean.
    worst : str
        Name of the pair that is furthest from right.
    pooled : float or None
        F1 of all objects together; large images weigh more than in the mean.
    """

    region: str
    column: str
    mean: float | None
    median: float | None
    standard_error: float | None
    pairs: int
    infinite: int
    worst: str
    pooled: float | None = None


def summarise_rows(rows: Sequence[Row], request: MaskRequest) -> list[Summary]:
    """Summarise every column but the numbers of lesions and objects, region by region."""
    regions = list(dict.fromkeys(row.region for row in rows))
    return [
        _summary([row for row in rows if row.region == region], column)
        for region in regions
        for column in request.columns
        if column not in NUMBERS
    ]


def _summary(rows: Sequence[Row], column: str) -> Summary:
    finite = [row.values[column] for row in rows if math.isfinite(row.values[column])]
    worst = (max if column in DISTANCES else min)(rows, key=lambda row: row.values[column])
    pooled = None
    if column == "f1":
        pooled = sum(
            (
                ObjectScore(
                    int(row.values["found_objects"]),
                    int(row.values["false_objects"]),
                    int(row.values["missed_objects"]),
                )
                for row in rows
            ),
            ObjectScore(),
        ).f1
    several = len(finite) > 1
    return Summary(
        region=rows[0].region,
        column=column,
        mean=statistics.fmean(finite) if finite else None,
        median=statistics.median(finite) if finite else None,
        standard_error=statistics.stdev(finite) / math.sqrt(len(finite)) if several else None,
        pairs=len(rows),
        infinite=len(rows) - len(finite),
        worst=worst.name,
        pooled=pooled,
    )


def write_mask_metrics(
    path: Path,
    rows: Sequence[Row],
    summaries: Sequence[Summary],
    request: MaskRequest,
    problems: Sequence[ItemFailed],
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write all rows and their summary as JSON; an infinite distance is null.

    Parameters
    ----------
    about : mapping, optional
        What else is to be said: of the model and the set.
    """
    content: dict[str, Any] = {
        "encoding-type": "zooassist-mask-metrics",
        "encoding-version": "0.1.0",
        "producer": f"zooassist {__version__}",
        **(about or {}),
        "parameters": {
            "metrics": request.metrics,
            "regions": request.named_regions,
            "challenge": request.challenge,
            "dilation": request.parameters.dilation,
            "smallest_lesion_mm3": request.parameters.smallest,
            "iou": request.at,
            "instances": request.instances,
            "relabel": {str(old): new for old, new in request.relabel.items()},
        },
        "summary": [asdict(each) for each in summaries],
        "pairs": [
            {"name": row.name, "region": row.region, "spacing": row.spacing}
            | {key: value if math.isfinite(value) else None for key, value in row.values.items()}
            | {"pixels": asdict(row.counts)}
            for row in rows
        ],
        "problems": [str(each) for each in problems],
    }
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = temporary_beside(path)
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
        temporary.replace(path)


def table_lines(summaries: Sequence[Summary]) -> list[str]:
    """Return the summary for a terminal."""
    lines = [
        f"  {'region':14} {'metric':16} {'mean':>9} {'± se':>8} {'median':>9} {'pairs':>6}  worst"
    ]
    for each in summaries:
        infinite = f" ({each.infinite} of {each.pairs} have no distance)" if each.infinite else ""
        pooled = "" if each.pooled is None else f", all objects together {each.pooled:.4f}"
        lines.append(
            f"  {each.region:14} {each.column:16} {_number(each.mean):>9} "
            f"{_number(each.standard_error):>8} {_number(each.median):>9} {each.pairs:6}  "
            f"{each.worst}{infinite}{pooled}"
        )
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
