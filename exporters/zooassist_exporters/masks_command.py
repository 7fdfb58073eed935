"""The command `zooassist export masks`: outlines in, consensus masks out."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zooassist_exporters.digests import Source
from zooassist_exporters.images import FolderImages, ImageSource, SubjectMedia
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.rule_options import rule_options
from zooassist_exporters.rules import Rules
from zooassist_exporters.subjects_file import read_locations
from zooassist_plugin.errors import BadInput
from zooassist_plugin.progress import progress

if TYPE_CHECKING:
    from zooassist_exporters.mask_options import MaskOptions
    from zooassist_exporters.masks_export import MasksReport

METHODS = ("majority", "vote-k", "cria", "staple", "contours")
FILLS = ("even-odd", "winding")


@click.command(
    short_help="Consensus masks of what was outlined.",
    epilog="Example: zooassist export masks classifications.csv --method staple --out set",
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
    "--method",
    type=click.Choice(METHODS),
    default=METHODS[0],
    show_default=True,
    help="How volunteers are brought to one mask.",
)
@click.option(
    "--k",
    metavar="K",
    help="Volunteers who must agree: a number (4) or a share (0.5, 50%).  [majority: half]",
)
@click.option("--task", help="The drawing task, when the file has several.")
@click.option(
    "--class-from",
    default="tool",
    show_default=True,
    metavar="tool|task|SUBTASK",
    help="A class per tool, one for all tools, or the answer to a subtask (T0.0.0).",
)
@click.option("--hole-tool", "holes", multiple=True, type=int, help="Marks of this tool cut holes.")
@click.option(
    "--size", metavar="WxH", help="Size of every frame; else as volunteers' browsers saw."
)
@click.option(
    "--fill",
    type=click.Choice(FILLS),
    default=FILLS[0],
    show_default=True,
    help="What is inside an outline that crosses itself.",
)
@click.option(
    "--tool", "tools", multiple=True, metavar="TASK.TOOL=TYPE", help="Tool type: T0.6=polygon."
)
@click.option("--images", type=click.Path(path_type=Path), help="Folder with the subjects' images.")
@click.option("--subjects", type=click.Path(), help="Subject export: fetch images from there.")
@click.option("--overwrite", is_flag=True, help="Replace a training set at --out.")
@click.pass_context
def masks(
    context: click.Context,
    /,
    file: str,
    out: Path,
    rules: Rules,
    **options: Any,  # noqa: ANN401 - as click gives them
) -> None:
    """Make one mask per frame of what volunteers outlined in the export FILE (- is standard input).

    Volunteers who saw a frame and drew nothing vote for "nothing here". Beside each label map lie
    the share of volunteers who agree, and the objects one by one.
    """
    # The geometry libraries are an extra: the others of these commands must do without them.
    from zooassist_exporters.mask_options import MasksInput
    from zooassist_exporters.masks_export import export_masks

    if options["images"] is not None and options["subjects"] is not None:
        raise click.UsageError("give --images or --subjects, not both")
    problems = ProblemList()
    how = _how(options)
    with ExitStack() as stack:
        images: ImageSource | None = None
        source: Source | None = None
        if options["images"] is not None:
            images = FolderImages(options["images"])
        elif options["subjects"] is not None:
            locations, source = read_locations(options["subjects"], problems)
            images = stack.enter_context(SubjectMedia(locations))
        given = MasksInput(
            classifications=file,
            workflows=options["workflows"],
            tools=_tools(options["tools"]),
            images=images,
            image_source=source,
            progress=stack.enter_context(progress()),
        )
        report = export_masks(
            given, out, rules, how, overwrite=options["overwrite"], problems=problems
        )
    _finish(context, report)


def _how(options: dict[str, Any]) -> MaskOptions:
    from zooassist_exporters.frame_sizes import parse_size
    from zooassist_exporters.mask_classes import ClassRule
    from zooassist_exporters.mask_options import MaskOptions
    from zooassist_exporters.reductions.masks.methods import Quorum

    k, size = options["k"], options["size"]
    return MaskOptions(
        task=options["task"],
        method=options["method"],
        quorum=None if k is None else Quorum.parse(k),
        classes=ClassRule(options["class_from"], frozenset(options["holes"])),
        size=None if size is None else parse_size(size),
        fill=options["fill"],
    )


def _tools(pairs: tuple[str, ...]) -> dict[str, str]:
    tools = {}
    for pair in pairs:
        place, mark, tool_type = pair.partition("=")
        if not (place and mark and tool_type):
            raise BadInput(f"--tool: expected TASK.TOOL=TYPE such as T0.6=polygon, got {pair!r}")
        tools[place] = tool_type
    return tools


def _finish(context: click.Context, report: MasksReport) -> None:
    """Say what was made and what was not; exit code 1 when something was left out as broken."""
    for line in report.problems.lines():
        click.echo(f"problem: {line}", err=True)
    for rule, count in sorted((+report.dropped).items()):
        click.echo(f"left out: {count} classifications ({rule})", err=True)
    for reason, count in sorted((+report.left_out).items()):
        click.echo(f"left out: {count} marks ({reason})", err=True)
    classes = ", ".join(f"{number} {name}" for number, name in sorted(report.classes.items()))
    click.echo(
        f"{report.out}: {report.masks} masks of {report.subjects} subjects from "
        f"{report.classifications} classifications, {report.images} images; classes: {classes}"
    )
    if len(report.problems):
        click.echo(f"{len(report.problems)} problems, listed above", err=True)
        context.exit(1)
