"""The command `zooassist export`: classifications in, training sets out."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from zooassist_exporters.caesar_command import extracts, from_extracts, reductions
from zooassist_exporters.classifications_command import classifications
from zooassist_exporters.convert_command import convert
from zooassist_exporters.images import FolderImages, SubjectMedia
from zooassist_exporters.label_schema_file import read_label_schema
from zooassist_exporters.leaving_pandas_out import leave_pandas_out
from zooassist_exporters.marks_command import marks
from zooassist_exporters.masks_command import masks
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.report_command import report
from zooassist_exporters.rule_options import rule_options
from zooassist_exporters.rules import Rules
from zooassist_exporters.subjects_file import read_locations
from zooassist_exporters.values_command import values
from zooassist_exporters.votes_csv import read_votes_csv
from zooassist_exporters.votes_csv_export import export_votes_table, open_images
from zooassist_exporters.votes_export import VotesInput, VotesReport, export_votes
from zooassist_plugin.progress import progress

OUT = click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The training set folder to make.",
)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace a training set at --out.")


@click.group()
def export() -> None:
    """Turn classifications into training sets."""


export.add_command(classifications)
export.add_command(convert)
export.add_command(extracts)
export.add_command(from_extracts)
export.add_command(marks)
export.add_command(masks)
export.add_command(reductions)
export.add_command(report)
export.add_command(values)


@export.command(
    short_help="Votes per question and answer.",
    epilog="Example: zooassist export votes export.csv --workflows workflows.csv --out set",
)
@click.argument("file")
@OUT
@click.option("--workflows", type=click.Path(), help="The project's workflow export (CSV).")
@rule_options
@click.option(
    "--weight",
    type=click.Choice(("none", "agreement", "dawid-skene", "mace")),
    default="none",
    show_default=True,
    help="Write votes weighted by how reliable each volunteer is, beside the counts.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Threads to read with (default: all cores)."
)
@click.option("--like", metavar="MODEL", help="Use the label columns of this model folder or tree.")
@click.option("--images", type=click.Path(path_type=Path), help="Folder with the subjects' images.")
@click.option("--subjects", type=click.Path(), help="Subject export: fetch images from there.")
@OVERWRITE
@click.pass_context
def votes(
    context: click.Context,
    file: str,
    out: Path,
    workflows: str | None,
    rules: Rules,
    weight: str,
    workers: int | None,
    like: str | None,
    images: Path | None,
    subjects: str | None,
    overwrite: bool,
) -> None:
    """Count the votes in the classification export FILE (- is standard input)."""
    if images is not None and subjects is not None:
        raise click.UsageError("give --images or --subjects, not both")
    leave_pandas_out()
    problems = ProblemList()
    with ExitStack() as stack:
        given = VotesInput(
            classifications=file,
            workflows=workflows,
            like=None if like is None else read_label_schema(like),
            images=None if images is None else FolderImages(images),
            weight=None if weight == "none" else weight,
            workers=workers,
            progress=stack.enter_context(progress()),
        )
        if subjects is not None:
            locations, source = read_locations(subjects, problems)
            given = given.with_media(stack.enter_context(SubjectMedia(locations)), source)
        report = export_votes(given, out, rules, overwrite=overwrite, problems=problems)
    _finish(context, report)


@export.command(
    "training-set",
    short_help="A table of votes and images.",
    epilog="Example: zooassist export training-set votes.csv --images images.zip --out set",
)
@click.argument("votes_csv", type=click.Path(path_type=Path))
@OUT
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="Folder or zip of images; by default images.zip, or the folder of the CSV.",
)
@click.option("--no-images", is_flag=True, help="Make the set without images.")
@click.option("--tree", help="Label columns: a tree (gz2, gz-decals), a model folder, or JSON.")
@click.option("--total-votes", type=click.IntRange(min=1), help="Assume N votes for fractions.")
@click.option("--id-column", help="Column with the subject's id.")
@click.option("--file-column", help="Column with the image's file name.")
@OVERWRITE
@click.pass_context
def training_set(
    context: click.Context,
    votes_csv: Path,
    out: Path,
    images: Path | None,
    no_images: bool,
    tree: str | None,
    total_votes: int | None,
    id_column: str | None,
    file_column: str | None,
    overwrite: bool,
) -> None:
    """Make a training set of VOTES_CSV (counts or fractions) and images."""
    table = read_votes_csv(
        votes_csv,
        tree=None if tree is None else read_label_schema(tree),
        id_column=id_column,
        file_column=file_column,
        total_votes=total_votes,
    )
    if table.assumed_total is not None:
        click.echo(
            f"note: {votes_csv.name} holds {table.form}; counts assume {table.assumed_total} "
            "volunteers per subject",
            err=True,
        )
    with ExitStack() as stack:
        source = None if no_images else stack.enter_context(open_images(images, votes_csv))
        start = stack.enter_context(progress())
        report = export_votes_table(table, out, source, overwrite=overwrite, progress=start)
    _finish(context, report)


def _finish(context: click.Context, report: VotesReport) -> None:
    """Say what was made and what was not; exit code 1 when something was left out as broken."""
    for line in report.problems.lines():
        click.echo(f"problem: {line}", err=True)
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    for rule, count in sorted(report.dropped.items()):
        if count:
            click.echo(f"left out: {count} classifications ({rule})", err=True)
    of = f" of {report.classifications} classifications" if report.classifications else ""
    click.echo(
        f"{report.out}: {report.subjects} subjects, {report.votes} votes{of}, "
        f"{report.images} images"
    )
    if len(report.problems):
        click.echo(f"{len(report.problems)} problems, listed above", err=True)
        context.exit(1)
