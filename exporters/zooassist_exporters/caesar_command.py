"""The commands `zooassist export extracts`, `reductions` and `from-extracts`: Caesar's files."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console

from zooassist_exporters.caesar_extracts import extracts_to_classifications
from zooassist_exporters.problems import ProblemList
from zooassist_plugin.errors import BadInput
from zooassist_plugin.output_paths import check_output_file
from zooassist_plugin.settings import load_settings

OUT = click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
WAIT = click.option("--wait", default=3600.0, show_default=True, help="Seconds to wait at most.")


@click.command(
    short_help="Caesar's extracts, as a CSV file.",
    epilog="Example: zooassist export extracts 1234 --out extracts.csv",
)
@click.argument("workflow", type=int)
@OUT
@WAIT
def extracts(workflow: int, out: Path, wait: float) -> None:
    """Download what Caesar extracted from every classification of WORKFLOW."""
    _fetch("extracts", workflow, out, wait)


@click.command(
    short_help="Caesar's reductions, as a CSV file.",
    epilog="Example: zooassist export reductions 1234 --out reductions.csv",
)
@click.argument("workflow", type=int)
@OUT
@WAIT
@click.option("--by-user", is_flag=True, help="Those about volunteers, not about subjects.")
def reductions(workflow: int, out: Path, wait: float, by_user: bool) -> None:
    """Download what Caesar's reducers made of the extracts of WORKFLOW."""
    _fetch("user_reductions" if by_user else "subject_reductions", workflow, out, wait)


@click.command(
    "from-extracts",
    short_help="Caesar's question extracts to classifications.",
    epilog="Example: zooassist export from-extracts extracts.csv --out classifications.csv",
)
@click.argument("file")
@OUT
@click.option(
    "--map",
    "pairs",
    multiple=True,
    metavar="KEY=TASK",
    help="Which task an extractor reads; only these are taken. By default all, by their keys.",
)
@click.pass_context
def from_extracts(context: click.Context, file: str, out: Path, pairs: tuple[str, ...]) -> None:
    """Turn Caesar's question extracts FILE into classifications for `zooassist export votes`.

    Answers are indices, so give --workflows there. A question that takes several answers and got
    none cannot be told from one that was not asked: Caesar writes neither.
    """
    check_output_file(out, ".csv")
    tasks = {}
    for pair in pairs:
        key, mark, task = pair.partition("=")
        if not (key and mark and task):
            raise BadInput(f"--map: expected KEY=TASK such as question-T0=T0, got {pair!r}")
        tasks[key] = task
    problems = ProblemList()
    count = extracts_to_classifications(file, out, tasks, problems)
    for line in problems.lines():
        click.echo(f"problem: {line}", err=True)
    click.echo(f"{out}: {count} classifications")
    if len(problems):
        click.echo(f"{len(problems)} problems, listed above", err=True)
        context.exit(1)


def _fetch(kind: str, workflow: int, out: Path, wait: float) -> None:
    from zooassist_plugin.caesar import Caesar  # slow to import: --help must not wait for it
    from zooassist_plugin.caesar_exports import fetch_data
    from zooassist_plugin.panoptes import connect

    check_output_file(out, ".csv")
    settings = load_settings()
    with connect(settings) as panoptes, Caesar(settings, panoptes) as caesar, ExitStack() as stack:
        status = None
        if sys.stderr.isatty():
            status = stack.enter_context(Console(stderr=True).status(f"Waiting for the {kind}"))

        def tell(state: str) -> None:
            if status is not None:
                status.update(f"Waiting for the {kind}: {state}")

        done = fetch_data(caesar, workflow, kind, out, wait=wait, tell=tell)
    rows = "" if done.records is None else f"{done.records:,} rows, "
    click.echo(f"{out}: {rows}{out.stat().st_size:,} bytes")
