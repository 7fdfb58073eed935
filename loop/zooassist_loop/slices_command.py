"""`zooassist loop slices`: which slices of volumes need a person?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import numpy as np

from zooassist_loop.effort_simulation import Pace
from zooassist_loop.slice_features import volume_features
from zooassist_loop.slice_learning import LEARNED
from zooassist_loop.slice_risk import QUALITIES
from zooassist_loop.slice_scorers import SCORERS
from zooassist_loop.slice_table import SliceTable, joined
from zooassist_loop.slices import AUDIT, SEND, SliceRule, choose_slices, compare_scorers
from zooassist_loop.slices_report import (
    comparison_lines,
    write_choice,
    write_figures,
    write_page,
)
from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.output_paths import check_folder_takes_files
from zooassist_plugin.progress import tracked
from zooassist_plugin.stacks.opening import ENDINGS, ending_of, open_stack, stem_of

CHOICE, FIGURES, PAGE = "slices.csv", "slices.json", "slices.html"
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    short_help="Choose the slices of volumes that need a person.",
    epilog="""\b
Example:
  zooassist loop slices --predicted probabilities --realness realness --truth labelled \\
    --target 0.95 --out choice""",
)
@click.option(
    "--predicted",
    required=True,
    type=FOLDER,
    help="Folder with a stack of foreground probabilities per volume.",
)
@click.option(
    "--truth",
    required=True,
    type=FOLDER,
    help="Label maps of some of the volumes, of the same names: the calibration volumes.",
)
@click.option("--realness", type=FOLDER, help="Patch realness per slice, stacks of the same names.")
@click.option(
    "--member",
    "members",
    type=FOLDER,
    multiple=True,
    help="Probabilities of another member of an ensemble; may be repeated.",
)
@click.option(
    "--scorer",
    type=click.Choice([*SCORERS, LEARNED]),
    default=LEARNED,
    show_default=True,
    help="What ranks the slices of the pool.",
)
@click.option(
    "--target",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.95,
    show_default=True,
    help="Dice that what is not sent has to keep.",
)
@click.option(
    "--quality",
    type=click.Choice(list(QUALITIES)),
    default="kept-mean",
    show_default=True,
    help="Which Dice: mean of the slices not sent, of their pixels, or of corrected volumes.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, min_open=True, max_open=True),
    default=0.9,
    show_default=True,
    help="Probability with which the target is kept.",
)
@click.option(
    "--audit",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="Share of the other slices that people see all the same, at random.",
)
@click.option(
    "--pace",
    nargs=2,
    type=float,
    default=(5.0, 0.05),
    show_default=True,
    metavar="LOOK PER_PIXEL",
    help="Assumed seconds to look at a slice, and per pixel of contour drawn or erased.",
)
@click.option("--threshold", type=float, default=0.5, show_default=True, help="Of the mask.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("slices"),
    show_default=True,
    help=f"Folder for {CHOICE}, {FIGURES} and {PAGE}.",
)
@click.pass_context
def slices(
    context: click.Context,
    predicted: Path,
    truth: Path,
    realness: Path | None,
    members: tuple[Path, ...],
    scorer: str,
    target: float,
    quality: str,
    confidence: float,
    audit: float,
    pace: tuple[float, float],
    threshold: float,
    seed: int,
    out: Path,
) -> None:
    """Rank slices, find the threshold that keeps a stated quality, and choose.

    The volumes with a label map calibrate; the others are the pool of which slices are chosen.
    Every scorer is compared with chance, with the mask's area and with the true error.
    """
    check_folder_takes_files(out)
    rule = SliceRule(scorer, target, quality, confidence, audit)
    calibration, pool, problems = _read(predicted, truth, realness, members, threshold)
    random = np.random.default_rng(seed)
    compared = compare_scorers(calibration, rule, random, Pace(*pace))
    volumes = len(np.unique(calibration.volumes))
    click.echo(
        f"{len(calibration)} slices of {volumes} volumes with truth; {rule.quality} Dice of at "
        f"least {rule.target:g} with a probability of {rule.confidence:.0%}"
    )
    if volumes == 1:
        click.echo("  of one volume only: the bound says nothing of other volumes")
    for line in comparison_lines(compared, rule):
        click.echo(line)
    chosen = next(each for each in compared if each.scorer == scorer)
    choice = None
    if pool is not None:
        choice = choose_slices(pool, calibration, chosen.threshold, rule, random)
        sent, drawn = (int((choice.decisions == name).sum()) for name in (SEND, AUDIT))
        click.echo(
            f"pool: {len(pool)} slices, {sent} are sent and {drawn} audited: "
            f"{choice.effort:.1%} of the effort of sending all"
        )
    out.mkdir(parents=True, exist_ok=True)
    if choice is not None:
        write_choice(choice, out / CHOICE)
    write_figures(compared, rule, choice, out / FIGURES)
    write_page(compared, rule, choice, (len(calibration), volumes), out / PAGE)
    click.echo(str(out / PAGE))
    for problem in problems:
        click.echo(f"error: {problem}", err=True)
    context.exit(1 if problems else 0)


def _read(
    predicted: Path,
    truth: Path,
    realness: Path | None,
    members: Sequence[Path],
    threshold: float,
) -> tuple[SliceTable, SliceTable | None, list[ItemFailed]]:
    """Return the slices of the volumes with truth, those of the others, and what failed."""
    known = _stacks(truth)
    others = [_stacks(folder) for folder in members]
    real = None if realness is None else _stacks(realness)
    with_truth: list[SliceTable] = []
    without: list[SliceTable] = []
    problems: list[ItemFailed] = []
    volumes = _stacks(predicted)
    if not known.keys() & volumes.keys():
        raise BadInput(
            f"{truth}: expected label maps of some of the volumes in {predicted} "
            f"({', '.join(sorted(volumes)[:3])}…), got {', '.join(sorted(known)[:3])}; name them "
            "alike"
        )
    for name, path in tracked(sorted(volumes.items()), "volumes", len(volumes)):
        try:
            with ExitStack() as stack:
                opened = stack.enter_context(open_stack(path))
                table = volume_features(
                    name,
                    opened,
                    realness=None
                    if real is None
                    else stack.enter_context(open_stack(_of(real, name, realness))),
                    members=[
                        stack.enter_context(open_stack(_of(other, name, folder)))
                        for other, folder in zip(others, members, strict=True)
                    ],
                    truth=stack.enter_context(open_stack(known[name])) if name in known else None,
                    threshold=threshold,
                )
        except BadInput as error:
            problems.append(ItemFailed(name, str(error), "it is left out; mend it and run again"))
            continue
        (with_truth if name in known else without).append(table)
    if not with_truth:
        raise BadInput(f"no volume with truth could be read; {problems[0]}")
    return joined(with_truth), joined(without) if without else None, problems


def _stacks(folder: Path) -> dict[str, Path]:
    found = {
        stem_of(path): path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".") and (path.is_dir() or ending_of(path))
    }
    if not found:
        raise BadInput(
            f"{folder}: expected stacks ({', '.join(ENDINGS)}, or folders of slices), found none"
        )
    return found


def _of(found: dict[str, Path], name: str, folder: Path | None) -> Path:
    if name not in found:
        raise BadInput(f"{folder}: expected a stack named {name}, found none; add it")
    return found[name]
