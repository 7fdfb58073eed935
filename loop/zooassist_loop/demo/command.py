"""`zooassist demo`: the whole loop on this machine."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    epilog="""\b
Examples:
  zooassist demo
  zooassist demo --out galaxies --data ./images-and-votes --subjects 40"""
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
    help="Folder of images with a votes.csv to replay, instead of the Hubble Deep Field.",
)
@click.option(
    "--model", default="galaxy-zoo", show_default=True, help="Model folder or bundled name."
)
@click.option("--subjects", default=72, show_default=True, help="Galaxies to show, 12 or more.")
@click.option("--volunteers", default=7, show_default=True, help="Simulated people, 1 to 10.")
@click.option(
    "--epochs", default=12, show_default=True, help="Passes of fine-tuning over the votes."
)
@click.option("--seed", default=1, show_default=True, help="Decides everything random.")
@click.pass_context
def demo(
    context: click.Context,
    out: Path,
    data: Path | None,
    model: str,
    subjects: int,
    volunteers: int,
    epochs: int,
    seed: int,
) -> None:
    """Run the whole loop on a sandbox: propose, classify, export, train, propose again, retire.

    Writes index.html, contact-sheet.png and summary.json. Needs no Zooniverse account and no
    network. While it runs, and after an interruption, its files are in a folder named .NAME.partial
    beside --out, which the next run removes.
    """
    from rich.console import Console

    from zooassist_loop.demo.run import DemoOptions, run_demo

    options = DemoOptions(
        out=out,
        data=data,
        model=model,
        subjects=subjects,
        volunteers=volunteers,
        epochs=epochs,
        seed=seed,
    )
    summary = run_demo(options, Console(stderr=True))
    click.echo(
        f"{out}/index.html: {summary.subjects} subjects, {summary.classifications} "
        f"classifications, {summary.retired} retired, in {summary.seconds:.0f} s"
    )
    for problem in summary.problems:
        click.echo(f"problem: {problem}", err=True)
    if summary.problems:
        context.exit(1)
