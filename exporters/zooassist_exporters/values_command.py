"""The command `zooassist export values`: what volunteers entered besides votes and marks."""

from __future__ import annotations

from pathlib import Path

import click

from zooassist_exporters.problems import ProblemList
from zooassist_exporters.rule_options import rule_options
from zooassist_exporters.rules import Rules
from zooassist_exporters.values_export import export_values


@click.command(
    short_help="Sliders, texts and regions, as a table.",
    epilog="Example: zooassist export values classifications.csv --out values.parquet",
)
@click.argument("file")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The Parquet file to make.",
)
@click.option("--workflows", type=click.Path(), help="The project's workflow export (CSV).")
@rule_options
@click.pass_context
def values(
    context: click.Context, file: str, out: Path, workflows: str | None, rules: Rules
) -> None:
    """Write sliders, texts, transcriptions, highlights, crops, volumes, maps and feedback.

    One row per entry of the classification export FILE (- is standard input), in a Parquet table.
    """
    problems = ProblemList()
    report = export_values(file, out, rules, workflows=workflows, problems=problems)
    for line in problems.lines():
        click.echo(f"problem: {line}", err=True)
    for rule, count in sorted(report.dropped.items()):
        click.echo(f"left out: {count} classifications ({rule})", err=True)
    listed = ", ".join(f"{count} {kind}" for kind, count in sorted(report.kinds.items()))
    click.echo(f"{report.out}: {report.kinds.total()} entries" + (f" ({listed})" if listed else ""))
    if len(problems):
        click.echo(f"{len(problems)} problems, listed above", err=True)
        context.exit(1)
