"""The part of `zooassist evaluate` that compares masks in two folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.output_paths import check_folder_takes_files, check_output_file
from zooassist_plugin.progress import progress
from zooassist_training.evaluation.masks.lesions import CHALLENGES
from zooassist_training.evaluation.masks.measure import Row, measure_pair
from zooassist_training.evaluation.masks.pairs import pair_masks
from zooassist_training.evaluation.masks.request import (
    LESIONWISE,
    METRICS,
    MOST_VOXELS,
    MaskRequest,
    read_regions,
    read_relabel,
)
from zooassist_training.evaluation.masks.summary import (
    summarise_rows,
    table_lines,
    write_mask_metrics,
)

FIGURES: Final = "mask-metrics.json"


def mask_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options about masks to a command's function."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


OPTIONS: Final[list[Any]] = [
    click.option(
        "--predicted",
        type=click.Path(path_type=Path),
        help="Masks to judge: a file, or a folder of files and of folders of slices.",
    ),
    click.option(
        "--truth", type=click.Path(path_type=Path), help="The right masks, of the same names."
    ),
    click.option(
        "--metric",
        "metrics",
        type=click.Choice(list(METRICS)),
        multiple=True,
        help="What to measure of masks; may be repeated. Default: dice.",
    ),
    click.option(
        "--class",
        "classes",
        multiple=True,
        metavar="[NAME=]LABEL[+LABEL]",
        help="Labels to measure apart. Default: all that is not 0, or the challenge's regions.",
    ),
    click.option(
        "--relabel", multiple=True, metavar="OLD=NEW", help="Read a label as another one."
    ),
    click.option(
        "--challenge",
        type=click.Choice(list(CHALLENGES)),
        default="GLI",
        show_default=True,
        help="Whose parameters lesionwise takes.",
    ),
    click.option(
        "--iou",
        "at",
        type=click.FloatRange(0, 1, min_open=True),
        default=0.5,
        show_default=True,
        help="f1: objects that overlap so much are the same.",
    ),
    click.option("--instances", is_flag=True, help="f1: masks hold one number per object."),
    click.option("--as-volume", is_flag=True, help="Each folder is one volume, a file per slice."),
    click.option(
        "--spacing",
        nargs=3,
        type=float,
        help="Distance of slices, rows, columns. Default: as the files say, else 1.",
    ),
    click.option(
        "--most-voxels",
        type=click.IntRange(1),
        default=MOST_VOXELS,
        show_default=True,
        help="Largest box in memory for hd95, lesionwise and f1.",
    ),
]
NAMES: Final = (
    "predicted",
    "truth",
    "metrics",
    "classes",
    "relabel",
    "challenge",
    "at",
    "instances",
    "as_volume",
    "spacing",
    "most_voxels",
)

# Of them, what says nothing of a model's masks: its classes are those of the training set.
OF_FILES: Final = ("predicted", "truth", "classes", "relabel", "instances", "as_volume")


def evaluate_masks(options: Mapping[str, Any], out: Path) -> list[ItemFailed]:
    """Compare masks, print the summary and write all figures; return what failed.

    Raises
    ------
    BadInput
        When an option is wrong, or no pair of masks could be measured.
    """
    predicted, truth = options["predicted"], options["truth"]
    if predicted is None or truth is None:
        raise BadInput("evaluate: expected both --predicted and --truth")
    request = read_request(options)
    if out.suffix.lower() == ".json":
        figures = out
        check_output_file(out, ".json")
    else:
        figures = out / FIGURES
        check_folder_takes_files(out)
    pairs, problems = pair_masks(predicted, truth, as_volume=options["as_volume"])
    rows: list[Row] = []
    with progress() as start:
        done = start("masks", len(pairs))
        for pair in pairs:
            try:
                rows += measure_pair(pair, request)
            except BadInput as error:
                problems.append(
                    ItemFailed(pair.name, str(error), "it is in no figure; mend it and run again")
                )
            done()
    if not rows:
        raise BadInput(f"no pair of masks could be measured; {problems[0]}")
    summaries = summarise_rows(rows, request)
    write_mask_metrics(figures, rows, summaries, request, problems)
    _say(rows, request)
    for line in table_lines(summaries):
        click.echo(line)
    click.echo(str(figures))
    return problems


def read_request(options: Mapping[str, Any]) -> MaskRequest:
    """Read what is to be measured of the options in `NAMES`."""
    return MaskRequest(
        metrics=tuple(dict.fromkeys(options["metrics"])) or ("dice",),
        regions=read_regions(options["classes"]),
        relabel=read_relabel(options["relabel"]),
        challenge=options["challenge"],
        at=options["at"],
        instances=options["instances"],
        spacing=options["spacing"],
        most_voxels=options["most_voxels"],
    )


def _say(rows: list[Row], request: MaskRequest) -> None:
    click.echo(f"{len({row.name for row in rows})} pairs of masks")
    if LESIONWISE in request.metrics:
        click.echo(
            f"  lesionwise as BraTS 2023 {request.challenge}: dilation "
            f"{request.parameters.dilation}, lesions over {request.parameters.smallest:g} mm3"
        )
    if {"hd95", LESIONWISE} & set(request.metrics) and request.spacing is None:
        seen = {row.spacing for row in rows}
        if seen == {(1.0, 1.0, 1.0)}:
            click.echo("  distances are in voxels (or voxels are 1 mm)")
