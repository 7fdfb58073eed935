"""The command `zooassist export marks`: drawings in, boxes, points and polygons out."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zooassist_exporters.digests import Source
from zooassist_exporters.extracts.mark_tools import parse_tools
from zooassist_exporters.images import FolderImages, ImageSource, SubjectMedia
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.rule_options import rule_options
from zooassist_exporters.rules import Rules
from zooassist_exporters.subjects_file import read_locations
from zooassist_plugin.progress import progress

if TYPE_CHECKING:
    from zooassist_exporters.reductions.shapes.consensus import ConsensusRules

METHODS = ("dbscan", "hdbscan", "optics", "none")
METRICS = ("pixels", "iou")
AVERAGES = ("mean", "median", "union", "intersection", "contour")
REPAIRS = ("valid", "largest")


@click.command(
    short_help="Marks, clustered across volunteers.",
    epilog="Example: zooassist export marks export.csv --workflows workflows.csv --out set",
)
@click.argument("file")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The training set folder to make.",
)
@click.option("--workflows", type=click.Path(), help="The project's workflow export (CSV).")
@rule_options
@click.option(
    "--cluster",
    type=click.Choice(METHODS),
    default="dbscan",
    show_default=True,
    help="How marks of different volunteers are put together; none keeps every mark.",
)
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    help="Compare by pixels between parameters, or by overlap.  [default: outlines by iou]",
)
@click.option("--eps", type=float, help="DBSCAN's distance.  [default: 5 pixels, 0.5 as 1 - IoU]")
@click.option("--min-samples", type=int, help="Marks of a core.  [default: 2 for outlines, else 3]")
@click.option("--min-cluster-size", type=int, help="[default: 5 for hdbscan, 2 for optics]")
@click.option("--xi", default=0.15, show_default=True, help="OPTICS' steepness.")
@click.option(
    "--average",
    type=click.Choice(AVERAGES),
    help="A cluster's average.  [default: median for outlines, else mean]",
)
@click.option(
    "--repair",
    type=click.Choice(REPAIRS),
    default="valid",
    show_default=True,
    help="Outlines that cross themselves: keep all they enclose, or the largest piece.",
)
@click.option(
    "--tool", "tools", multiple=True, metavar="TASK.TOOL=TYPE", help="Tool type: T0.6=polygon."
)
@click.option(
    "--class-from",
    "classes",
    multiple=True,
    metavar="SUBTASK",
    help="The class of a mark is its answer to this subtask (T0.0.0), not its tool.",
)
@click.option("--ledger", metavar="URL", help="Match marks with the proposals in this ledger.")
@click.option("--edited-iou", default=0.5, show_default=True, help="Least IoU of an edited mark.")
@click.option(
    "--edited-pixels", default=20.0, show_default=True, help="Largest shift of a point or line."
)
@click.option(
    "--not-loaded-below",
    default=3.0,
    show_default=True,
    help="Seconds below which an empty answer means that the proposal had not loaded.",
)
@click.option("--images", type=click.Path(path_type=Path), help="Folder with the subjects' images.")
@click.option("--subjects", type=click.Path(), help="Subject export: fetch images from there.")
@click.option("--overwrite", is_flag=True, help="Replace a training set at --out.")
@click.pass_context
def marks(context: click.Context, /, file: str, out: Path, rules: Rules, **options: Any) -> None:  # noqa: ANN401
    """Read what volunteers drew in the classification export FILE (- is standard input).

    Marks of different volunteers are clustered and averaged into the marks of a training set. The
    marks as they were drawn lie beside them.
    """
    # Clustering is an extra: the others of these commands must do without its libraries. Asked for
    # first, it also names the extra that is missing.
    consensus = _consensus(options)
    from zooassist_exporters.marks_export import MarksInput, MarksRules, export_marks
    from zooassist_exporters.matching.assignment import Nearness
    from zooassist_plugin.proposal_history import open_history

    how = MarksRules(
        consensus=consensus,
        near=Nearness(options["edited_iou"], options["edited_pixels"]),
        too_short=options["not_loaded_below"],
        classes=frozenset(options["classes"]),
    )
    if options["images"] is not None and options["subjects"] is not None:
        raise click.UsageError("give --images or --subjects, not both")
    problems = ProblemList()
    with ExitStack() as stack:
        images: ImageSource | None = None
        source: Source | None = None
        if options["images"] is not None:
            images = FolderImages(options["images"])
        elif options["subjects"] is not None:
            locations, source = read_locations(options["subjects"], problems)
            images = stack.enter_context(SubjectMedia(locations))
        ledger = options["ledger"]
        given = MarksInput(
            classifications=file,
            workflows=options["workflows"],
            tools=parse_tools(options["tools"]),
            history=None if ledger is None else stack.enter_context(open_history(ledger)),
            images=images,
            image_source=source,
            progress=stack.enter_context(progress()),
        )
        report = export_marks(
            given, out, rules, how, overwrite=options["overwrite"], problems=problems
        )
    for line in problems.lines():
        click.echo(f"problem: {line}", err=True)
    for rule, count in sorted((+report.dropped).items()):
        click.echo(f"left out: {count} classifications ({rule})", err=True)
    for note, count in sorted((+report.noted).items()):
        click.echo(f"note: {count} {note}", err=True)
    click.echo(
        f"{out}: {report.subjects} subjects, {report.marks} marks of {report.volunteer_marks} "
        f"drawn in {report.classifications} classifications, {report.images} images"
    )
    if len(problems):
        click.echo(f"{len(problems)} problems, listed above", err=True)
        context.exit(1)


def _consensus(options: dict[str, Any]) -> ConsensusRules | None:
    """Return the rules of consensus, None for ``--cluster none``."""
    from zooassist_exporters.reductions.shapes.consensus import ConsensusRules

    if options["cluster"] == "none":
        return None
    names = ("metric", "eps", "min_samples", "min_cluster_size", "xi", "average", "repair")
    return ConsensusRules(options["cluster"], **{name: options[name] for name in names})
