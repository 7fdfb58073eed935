"""`zooassist loop effort`: how much work did proposals save, by an export's classifications?"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from zooassist_exporters.problems import ProblemList
from zooassist_exporters.rule_options import rule_options
from zooassist_exporters.rules import Rules
from zooassist_loop.effort import TOLERANCE, SliceEffort, TimeEffort, time_effort
from zooassist_loop.effort_export import ExportEffort, effort_of_export
from zooassist_plugin.output_paths import check_output_file, temporary_beside, writing
from zooassist_plugin.progress import progress
from zooassist_plugin.proposal_history import open_history


@click.command(
    short_help="Account for the work that proposals saved.",
    epilog="Example: zooassist loop effort export.csv --ledger sqlite:///l.sqlite --slices 900",
)
@click.argument("file")
@click.option("--ledger", required=True, metavar="URL", help="What `zooassist propose` wrote.")
@click.option("--workflows", type=click.Path(), help="The project's workflow export (CSV).")
@rule_options
@click.option("--slices", type=click.IntRange(1), help="How many slices there are in all.")
@click.option(
    "--hole-type",
    "hole_types",
    type=click.Choice(["polygon", "freehandLine"]),
    multiple=True,
    help="Marks of this type cut holes.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=TOLERANCE,
    show_default=True,
    help="Pixels within which a contour counts as the proposed one.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the figures as JSON.")
@click.pass_context
def effort(
    context: click.Context,
    file: str,
    ledger: str,
    workflows: str | None,
    rules: Rules,
    slices: int | None,
    hole_types: tuple[str, ...],
    tolerance: float,
    seed: int,
    out: Path | None,
) -> None:
    """Say how much people of FILE redrew, how long they took, and how many slices they saw.

    Contours are compared with the proposal that was on the volunteer's screen.
    """
    if out is not None:
        check_output_file(out, ".json")
    problems = ProblemList()
    with open_history(ledger) as history, progress() as start:
        found = effort_of_export(
            file,
            history,
            workflows=workflows,
            rules=rules,
            hole_types=frozenset(hole_types),
            tolerance=tolerance,
            problems=problems,
            one_more=start("classifications", None),
        )
    time = time_effort(found.timed, np.random.default_rng(seed))
    seen = None if slices is None else SliceEffort(len(found.looked_at), slices)
    for line in effort_lines(found, seen, time):
        click.echo(line)
    if out is not None:
        content = {
            "encoding-type": "zooassist-effort",
            "encoding-version": "0.1.0",
            "slices": None if seen is None else vars(seen) | {"share": seen.share},
            "marks": vars(found.marks) | {"share": found.marks.share},
            "contour": vars(found.contour) | {"share": found.contour.share},
            "time": vars(time),
            "left_out": dict(found.left_out),
        }
        with writing(out):
            temporary = temporary_beside(out)
            temporary.write_text(json.dumps(content, indent=1, allow_nan=False), encoding="utf-8")
            temporary.replace(out)
        click.echo(str(out))
    for line in problems.lines():
        click.echo(f"error: {line}", err=True)
    context.exit(1 if problems else 0)


def effort_lines(found: ExportEffort, seen: SliceEffort | None, time: TimeEffort) -> list[str]:
    """Return the efforts for a terminal."""
    contour = found.contour
    lines = []
    if seen is None:
        lines.append(f"slices: {len(found.looked_at)} looked at (of how many: --slices)")
    else:
        lines.append(f"slices: {seen.sent} of {seen.slices} looked at, {seen.share:.1%}")
    marks = found.marks
    lines.append(
        f"marks: {marks.edited + marks.added} of {marks.returned} drawn or moved, "
        f"{marks.share:.1%} ({marks.kept} kept, {marks.edited} edited, {marks.added} added, "
        f"{marks.deleted} deleted)"
    )
    lines.append(
        f"contour: {contour.redrawn:.0f} of {contour.length:.0f} px redrawn, {contour.share:.1%} "
        f"({contour.masks} masks, {contour.untouched} untouched; {contour.erased:.0f} px erased)"
    )
    if time.ratio is None:
        lines.append(
            f"time: {time.classifications[0]} classifications with a proposal and "
            f"{time.classifications[1]} without; both are needed to compare"
        )
    else:
        lines.append(
            f"time: median {time.with_proposal:.1f} s with a proposal, {time.without:.1f} s "
            f"without: {time.ratio:.2f} ({time.lower:.2f} to {time.upper:.2f})"
        )
    if time.left_out:
        lines.append(f"  {time.left_out} classifications without a usable time")
    lines += [f"  {number} not compared: {reason}" for reason, number in found.left_out.items()]
    return lines
