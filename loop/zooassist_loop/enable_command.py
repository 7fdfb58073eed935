"""`zooassist enable`, `disable` and `status`: pre-fill for one workflow, from the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from zooassist_loop.check_table import show_checks
from zooassist_loop.connection_options import (
    dry_run_option,
    host_options,
    map_option,
    optional_host,
    presenter_option,
)
from zooassist_loop.ledger import Entry, Ledger, payload_digest
from zooassist_plugin import enable as prefill
from zooassist_plugin.caesar import Caesar
from zooassist_plugin.enable.read_back import PROBE
from zooassist_plugin.panoptes import connect
from zooassist_plugin.presenters.choice import presenter_for
from zooassist_plugin.settings import load_settings
from zooassist_serving.model_folder import load_model_folder

PROBE_VERSION = "enable-check"


def record_probe(ledger: Ledger, workflow_id: int, report: prefill.EnableReport) -> None:
    """Keep in the ledger that the test subject shows an empty proposal.

    Proposing then knows that the subject carries something, and writes over it.
    """
    if report.probed_subject_id is None:
        return
    now = datetime.now(UTC)
    entry = Entry(
        proposal_id=f"{PROBE_VERSION}-{workflow_id}-{report.probed_subject_id}",
        workflow_id=workflow_id,
        subject_id=report.probed_subject_id,
        model=PROBE_VERSION,
        model_version=PROBE_VERSION,
        created_at=now,
        state="presented",
        payload=PROBE,
        payload_sha256=payload_digest(PROBE),
        presented_at=now,
    )
    ledger.add([entry])


@click.command(
    epilog="""\b
Examples:
  zooassist enable 1234 --model galaxy-zoo --dry-run
  zooassist enable 1234 --model ./my-model --map T0.0.0=smooth-or-featured"""
)
@click.argument("workflow", type=int)
@click.option("--model", required=True, help="Model folder or bundled name.")
@presenter_option
@map_option
@click.option("--subject", type=int, help="Test subject; default the first of the workflow's sets.")
@click.option("--replace-reducer", is_flag=True, help="Replace another service's reducer.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds until the test subject's empty proposal has to be visible.",
)
@host_options
@dry_run_option
@click.pass_context
def enable(
    context: click.Context,
    workflow: int,
    model: str,
    presenter: str | None,
    overrides: dict[str, str],
    subject: int | None,
    replace_reducer: bool,
    wait: float,
    csv_argument: str | None,
    csv_base_url: str | None,
    csv_port: int,
    dry_run: bool,
) -> None:
    """Turn pre-fill on for WORKFLOW, and read back what a volunteer's classifier gets."""
    settings = load_settings()
    card = load_model_folder(model).card
    chosen = presenter_for(presenter, card)
    wanted = prefill.Wanted(workflow, card, chosen, overrides, subject, replace_reducer)
    host = optional_host(csv_argument, csv_base_url, csv_port, settings)
    with connect(settings) as panoptes, Caesar(settings, panoptes) as caesar:
        report = prefill.enable(panoptes, caesar, wanted, host=host, dry_run=dry_run, wait=wait)
    if report.probed_subject_id is not None:
        with Ledger(settings.ledger) as ledger:
            record_probe(ledger, workflow, report)
    show_checks(report.checks)
    for call in report.calls:
        click.echo(f"{'would make' if dry_run else 'made'}: {call}")
    if not report.calls:
        done = (
            "nothing to write" if report.passed else "nothing was written: mend what failed first"
        )
        click.echo(done)
    context.exit(report.exit_code)


@click.command(epilog="Example: zooassist disable 1234 --dry-run")
@click.argument("workflow", type=int)
@dry_run_option
def disable(workflow: int, dry_run: bool) -> None:
    """Turn pre-fill off for WORKFLOW; its proposals stay in Caesar, unseen."""
    settings = load_settings()
    with connect(settings) as panoptes:
        written = prefill.disable(panoptes, workflow, dry_run=dry_run)
    if not written:
        click.echo(f"workflow {workflow}: pre-fill is off already")
        return
    call = f"Panoptes PUT /workflows/{workflow} configuration.{prefill.FLAG} = false"
    click.echo(f"{'would make' if dry_run else 'made'}: {call}")
    click.echo(
        "left in place: Caesar's workflow, reducer and reductions (no classifier asks for them); "
        "`zooassist enable` takes them up again"
    )


@click.command(
    epilog="""\b
Examples:
  zooassist status 1234
  zooassist status 1234 --model galaxy-zoo --subject 5678"""
)
@click.argument("workflow", type=int)
@click.option("--model", help="Model folder or bundled name, to check that it still fits.")
@presenter_option
@map_option
@click.option("--subject", type=int, help="Test subject; default the first of the workflow's sets.")
@click.pass_context
def status(
    context: click.Context,
    workflow: int,
    model: str | None,
    presenter: str | None,
    overrides: dict[str, str],
    subject: int | None,
) -> None:
    """Check WORKFLOW's pre-fill and read back as a volunteer; write nothing."""
    settings = load_settings()
    card = None if model is None else load_model_folder(model).card
    chosen = presenter_for(presenter, card)
    wanted = prefill.Wanted(workflow, card, chosen, overrides, subject)
    with connect(settings) as panoptes, Caesar(settings, panoptes) as caesar:
        report = prefill.status(panoptes, caesar, wanted)
    show_checks(report.checks)
    context.exit(report.exit_code)
