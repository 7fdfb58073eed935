"""`zooassist propose`: predict the subjects of a set and present the proposals."""

from __future__ import annotations

from pathlib import Path

import click

from zooassist_loop.connection_options import (
    dry_run_option,
    host_options,
    map_option,
    open_sides,
    presenter_option,
)
from zooassist_loop.propose.hosts import csv_host
from zooassist_loop.propose.pipeline import (
    Order,
    check_proposes,
    choose,
    propose_subjects,
    ready_situation,
)
from zooassist_loop.propose.report import is_complete, note_lines, outcome_lines
from zooassist_loop.propose.selection import SKIPPED, Tally, read_subject_set
from zooassist_plugin.enable import Wanted
from zooassist_plugin.output_paths import check_output_file
from zooassist_plugin.presenters.choice import presenter_for
from zooassist_plugin.progress import stages
from zooassist_plugin.settings import load_settings
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.model_folder import load_model_folder


def _read_sample(context: click.Context, option: click.Parameter, value: str) -> int | None:
    if value == "all":
        return None
    if not value.isdecimal():
        raise click.BadParameter(f"expected a number or all, got {value!r}")
    return int(value)


@click.command(
    epilog="""\b
Examples:
  zooassist propose 1234 --subject-set 77 --model galaxy-zoo --dry-run
  zooassist propose 1234 --subject-set 77 --model ./my-model --read-back all"""
)
@click.argument("workflow", type=int)
@click.option("--subject-set", type=int, required=True, help="Whose subjects to propose.")
@click.option("--model", required=True, help="Model folder or bundled name.")
@presenter_option
@map_option
@click.option("--batch", type=int, default=64, show_default=True, help="Subjects at a time.")
@click.option("--limit", type=int, help="Propose at most so many subjects in this run.")
@click.option(
    "--replace", is_flag=True, help="Replace older proposals that volunteers have answered to."
)
@click.option(
    "--read-back",
    "sample",
    default="20",
    show_default=True,
    metavar="N|all",
    callback=_read_sample,
    help="How many proposals to read back as a volunteer's classifier does.",
)
@click.option("--wait", type=float, help="Seconds until they have to be visible.")
@click.option(
    "--keep-csv", type=click.Path(dir_okay=False, path_type=Path), help="Keep the imported CSV."
)
@host_options
@dry_run_option
@click.option("-v", "--verbose", is_flag=True, help="Show every note.")
@click.pass_context
def propose(
    context: click.Context,
    workflow: int,
    subject_set: int,
    model: str,
    presenter: str | None,
    overrides: dict[str, str],
    batch: int,
    limit: int | None,
    replace: bool,
    sample: int | None,
    wait: float | None,
    keep_csv: Path | None,
    csv_argument: str | None,
    csv_base_url: str | None,
    csv_port: int,
    dry_run: bool,
    verbose: bool,
) -> None:
    """Predict the subjects of a set and put the proposals in front of WORKFLOW's volunteers.

    Killed and run again, it goes on where it was. Subjects that failed are tried again.
    """
    if keep_csv is not None:
        check_output_file(keep_csv, ".csv")
    settings = load_settings()
    folder = load_model_folder(model)
    check_proposes(folder.card)
    wanted = Wanted(workflow, folder.card, presenter_for(presenter, folder.card), overrides)
    order = Order(wanted, subject_set, batch, limit, replace, sample, wait)
    host = csv_host(csv_argument or "local", settings, csv_base_url, csv_port)
    with open_sides(settings, host) as sides:
        if dry_run:
            situation = ready_situation(sides, wanted)
            chosen = read_subject_set(sides.panoptes, subject_set, situation.workflow)
            tally = Tally()
            count = sum(1 for _ in choose(sides, order, tally))
            click.echo(f"would propose {count} subjects")
            for reason, number in tally.skipped.items():
                if number:
                    click.echo(f"would skip {number}: {SKIPPED[reason]}")
            click.echo(f"would make: Caesar POST /workflows/{workflow}/extracts/import")
            for note in chosen.notes(workflow):
                click.echo(f"note: {note}", err=True)
            return
        plane = DataPlane([folder])
        with stages() as progress:
            outcome = propose_subjects(sides, order, plane, progress=progress, csv=keep_csv)
    for failure in outcome.failed:
        click.echo(f"error: {failure}", err=True)
    for note in outcome.notes if verbose else note_lines(outcome):
        click.echo(f"note: {note}", err=True)
    for line in outcome_lines(outcome):
        click.echo(line)
    context.exit(0 if is_complete(outcome) else 1)
