"""`zooassist demo`: the whole loop on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from zooassist_loop.demo.options import DemoOptions, Kind
    from zooassist_loop.demo.summary import Summary


@click.command(
    epilog="""\b
Examples:
  zooassist demo
  zooassist demo --kind masks
  zooassist demo --out galaxies --data ./images-and-votes --subjects 40"""
)
@click.option(
    "--kind",
    type=click.Choice(["galaxies", "masks"]),
    default="galaxies",
    show_default=True,
    help="Questions about galaxies, or outlines of nuclei under the microscope.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder to write; an earlier demo there is replaced.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Galaxies: a folder of images with a votes.csv to replay, instead of the Hubble Deep "
    "Field. Masks: one with images/ and nucleus_ids/, instead of those that come along.",
)
@click.option(
    "--model",
    help="Model folder or bundled name.  [default: galaxy-zoo; masks: nuclei]",
)
@click.option("--subjects", type=int, help="Images to show, 12 or more.  [default: 72; masks: 24]")
@click.option("--volunteers", type=int, help="Simulated people, 1 to 10.  [default: 7]")
@click.option(
    "--epochs",
    type=int,
    help="Passes of fine-tuning over what came back.  [default: 12; masks: 6]",
)
@click.option("--seed", default=1, show_default=True, help="Decides everything random.")
@click.pass_context
def demo(
    context: click.Context,
    kind: Kind,
    out: Path,
    data: Path | None,
    model: str | None,
    subjects: int | None,
    volunteers: int | None,
    epochs: int | None,
    seed: int,
) -> None:
    """Run the whole loop on a sandbox: propose, classify, export, train, propose again, retire.

    Writes index.html, contact-sheet.png and summary.json. Needs no Zooniverse account and no
    network. While it runs, and after an interruption, its files are in a folder named .NAME.partial
    beside --out, which the next run removes.
    """
    from rich.console import Console

    from zooassist_loop.demo.options import USUAL, DemoOptions

    usual = USUAL[kind]
    options = DemoOptions(
        out=out,
        data=data,
        model=usual.model if model is None else model,
        subjects=usual.subjects if subjects is None else subjects,
        volunteers=usual.volunteers if volunteers is None else volunteers,
        epochs=usual.epochs if epochs is None else epochs,
        seed=seed,
    )
    summary = _runner(kind)(options, Console(stderr=True))
    click.echo(
        f"{out}/index.html: {summary.subjects} subjects, {summary.classifications} "
        f"classifications, {summary.retired} retired, in {summary.seconds:.0f} s"
    )
    for problem in summary.problems:
        click.echo(f"problem: {problem}", err=True)
    if summary.problems:
        context.exit(1)


def _runner(kind: Kind) -> Callable[[DemoOptions, Console], Summary]:
    """Import one kind alone: each needs extras that the other does without."""
    if kind == "masks":
        from zooassist_loop.demo.masks.run import run_demo as run_masks

        return run_masks
    from zooassist_loop.demo.run import run_demo as run_galaxies

    return run_galaxies
