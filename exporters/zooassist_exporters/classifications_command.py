"""The command `zooassist export classifications`: Panoptes' rows into a CSV file."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Final

import click
from rich.console import Console

from zooassist_exporters.incremental.pull import PAGE_SIZE, pull_classifications
from zooassist_plugin.output_paths import check_output_file
from zooassist_plugin.platform_exports import EXPORT_INTERVAL
from zooassist_plugin.progress import progress
from zooassist_plugin.settings import load_settings

KINDS: Final = ("classifications", "subjects", "workflows")


@click.command(
    short_help="Download an export, or what is new.",
    epilog="Example: zooassist export classifications 1234 --out classifications.csv",
)
@click.argument("number", metavar="WORKFLOW", type=int)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The CSV file to write.",
)
@click.option("--project", is_flag=True, help="The number is that of a project.")
@click.option(
    "--kind", type=click.Choice(KINDS), default=KINDS[0], show_default=True, help="Which export."
)
@click.option("--wait", default=3600.0, show_default=True, help="Seconds to wait at most.")
@click.option(
    "--max-age",
    default=EXPORT_INTERVAL.total_seconds() / 3600,
    show_default=True,
    help="Hours for which a ready export is used again.",
)
@click.option(
    "--incremental",
    is_flag=True,
    help="Add to --out what was classified since the last time, without an export.",
)
@click.option(
    "--page-size",
    type=click.IntRange(1, PAGE_SIZE),
    default=PAGE_SIZE,
    show_default=True,
    help="Classifications per request of --incremental.",
)
def classifications(
    number: int,
    out: Path,
    project: bool,
    kind: str,
    wait: float,
    max_age: float,
    incremental: bool,
    page_size: int,
) -> None:
    """Download an export of WORKFLOW from Panoptes into the CSV file --out.

    A ready export is used again for a day, since Panoptes makes one per day and silently drops
    further requests; what was classified after it is not in it. Subjects and workflows are
    exported for the whole project.

    With --incremental the classifications are read from the API, at any time and as often as you
    like; each run adds the new ones to --out. Interrupted, it goes on where it was. Such a file
    holds answers as indices: give --workflows to `zooassist export votes`. It has no login names
    and no subject metadata; of anonymous volunteers it knows which visit they made, not who they
    are. Needs a collaborator's login.
    """
    if incremental and kind != KINDS[0]:
        raise click.UsageError(f"--incremental is for classifications, not for {kind}")
    check_output_file(out, ".csv")
    from zooassist_plugin.panoptes import connect  # slow to import: --help must not wait for it

    with connect(load_settings()) as panoptes, ExitStack() as stack:
        if incremental:
            workflow_id = None if project else number
            project_id = number if project else panoptes.workflow(number).project_id
            start = stack.enter_context(progress())
            pulled = pull_classifications(
                panoptes,
                project_id,
                out,
                workflow_id=workflow_id,
                page_size=page_size,
                one_more=start("pages", None),
            )
            click.echo(f"{out}: {pulled.new} new, {pulled.rows} classifications")
            return
        if sys.stderr.isatty():
            stack.enter_context(Console(stderr=True).status(f"Waiting for the {kind} export"))
        of = {"project_id" if project else "workflow_id": number}
        if kind != KINDS[0] and not project:
            of = {"project_id": panoptes.workflow(number).project_id}
        panoptes.export(
            kind,
            out,
            max_age=timedelta(hours=max_age),
            wait=wait,
            say=lambda line: click.echo(line, err=True),
            **of,
        )
    click.echo(f"{out}: {out.stat().st_size:,} bytes")
