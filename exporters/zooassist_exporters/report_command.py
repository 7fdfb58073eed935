"""The command `zooassist export report`: one page about an export or a training set."""

from __future__ import annotations

from pathlib import Path

import click

from zooassist_exporters.rule_options import rule_options
from zooassist_exporters.rules import Rules
from zooassist_plugin.output_paths import check_output_file


@click.command(
    short_help="A page about an export or training set.",
    epilog="Example: zooassist export report classifications.csv --out report.html",
)
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--workflows",
    type=click.Path(exists=True, path_type=Path),
    help="The project's workflow export (CSV).",
)
@rule_options
def report(source: Path, out: Path, workflows: Path | None, rules: Rules) -> None:
    """Describe SOURCE, a training set or a classification export, in one HTML page.

    Counts, agreement per question, classifications over time, how far volunteers agree with each
    other, and what was left out and why. Volunteers are numbered; nobody is named. The page needs
    no network. A training set does not hold who classified when: of it these parts are missing.
    """
    # Imported here: the other commands do without a template engine.
    from zooassist_exporters.report.gathering import facts_of_export, facts_of_training_set
    from zooassist_exporters.report.page import write_report

    check_output_file(out, ".html")
    if source.is_dir():
        if workflows is not None or rules != Rules():
            raise click.UsageError(
                "a training set is counted already: give rules to `export votes`"
            )
        facts = facts_of_training_set(source)
    else:
        facts = facts_of_export(source, workflows, rules)
    write_report(facts, out)
    click.echo(f"{out}: {facts.subjects} subjects, {len(facts.questions)} questions")
