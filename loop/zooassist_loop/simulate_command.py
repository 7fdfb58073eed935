"""`zooassist loop simulate`: what would sending some slices to people bring?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from zooassist_loop.simulation.drawing import Hand
from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import MaskClass, VolumeScaling
from zooassist_plugin.output_paths import check_folder_takes_files
from zooassist_training.segmentation.command import checked, mask_recipe
from zooassist_training.segmentation.options import SIMULATION_SECTIONS, Option
from zooassist_training.votes_options import SectionedCommand, with_sections

FIGURES, PAGE = "simulation.json", "simulation.html"
PLAN = (
    click.option(
        "--training",
        type=click.IntRange(1),
        default=8,
        show_default=True,
        help="Labelled volumes that networks learn from.",
    ),
    click.option(
        "--calibration",
        type=click.IntRange(1),
        default=6,
        show_default=True,
        help="Labelled volumes that scorers are fitted on.",
    ),
    click.option(
        "--held-out",
        type=click.IntRange(0),
        default=8,
        show_default=True,
        help="Volumes that only measure what is learnt again; the others are the pool.",
    ),
    click.option(
        "--members",
        type=click.IntRange(1),
        default=2,
        show_default=True,
        help="Networks: their mean proposes, the first learns again.",
    ),
    click.option(
        "--target",
        type=click.FloatRange(0, 1, min_open=True),
        default=0.95,
        show_default=True,
        help="Mean Dice that the pool's volumes shall reach.",
    ),
    click.option(
        "--share",
        type=click.FloatRange(0, 1, min_open=True),
        default=0.4,
        show_default=True,
        help="Of the slices, corrected before networks learn again.",
    ),
    click.option(
        "--again",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Windows shown when networks learn again; 0: they do not.",
    ),
    click.option(
        "--seeds",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Simulations, each with other parts and networks.",
    ),
)
USUAL = Hand()
HAND = (
    click.option(
        "--volunteers",
        type=click.IntRange(1),
        default=USUAL.volunteers,
        show_default=True,
        help="Who correct the same slice; at least half of them decide.",
    ),
    click.option(
        "--offset",
        type=float,
        default=USUAL.offset,
        show_default=True,
        help="Pixels that a whole outline lies in or out (standard deviation).",
    ),
    click.option(
        "--wobble",
        type=float,
        default=USUAL.wobble,
        show_default=True,
        help="Pixels that an outline strays along itself (standard deviation).",
    ),
    click.option(
        "--patience",
        type=float,
        default=USUAL.patience,
        show_default=True,
        help="Pixels from one's own contour at which a proposed one is left as it is.",
    ),
)
SECTIONS: Mapping[str, Sequence[Option]] = {
    "The simulation": PLAN,
    "Noisy volunteers (usual: a real crowd)": HAND,
    **SIMULATION_SECTIONS,
}


@click.command(
    cls=SectionedCommand,
    short_help="Simulate the loop on volumes whose truth is known.",
    epilog="""\b
Example:
  zooassist loop simulate hippocampus --training 12 --seeds 5 --epochs 40 --again 600 \\
    --out simulated""",
)
@click.argument("volumes", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("simulation"),
    show_default=True,
    help=f"Folder for {FIGURES} and {PAGE}.",
)
@with_sections(SECTIONS)
def simulate(volumes: Path, out: Path, seeds: int, **given: Any) -> None:  # noqa: ANN401
    """Learn a few of VOLUMES, propose masks for others, and correct slices in every order.

    VOLUMES is what `zooassist train volume` takes, with the labels of every slice; all classes are
    one object here. People who correct perfectly and people who draw like a real crowd are
    simulated. Exit code 1: some volumes could not be used, and are named.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    check_folder_takes_files(out)
    # Imported here: `zooassist loop --help` needs no torch.
    from zooassist_exporters.splits import SPLITS
    from zooassist_loop.simulation.plan import SimulationPlan
    from zooassist_loop.simulation.report import (
        summary_lines,
        write_simulation,
        write_simulation_page,
    )
    from zooassist_loop.simulation.run import simulate as simulate_once
    from zooassist_loop.simulation.summary import summarise
    from zooassist_training.segmentation.sources import open_source

    hand = Hand(
        **{name: given.pop(name) for name in ("volunteers", "offset", "wobble", "patience")}
    )
    again = given.pop("again")
    told = {
        name: given.pop(name)
        for name in ("training", "calibration", "held_out", "members", "target", "share")
    }
    plan = SimulationPlan(recipe=_recipe(given), hand=hand, windows_again=again, **told)
    scaling = plan.recipe.preprocessing.model_copy(update={"volume": plan.recipe.scaling})
    # Whatever is labelled is the object, so no label is a strange one.
    # One number too many to be learnt, the last: 254, as 255 is what masks of one object hold.
    numbers = (*range(1, 254), 255, 254)
    anything = tuple(MaskClass(number=number, name=str(number)) for number in numbers)
    stacks = open_source(volumes, "volume", anything).read(SPLITS, scaling)
    for problem in stacks.problems:
        click.echo(f"error: {problem}", err=True)
    if not len(stacks):
        raise BadInput(
            f"{volumes}: expected labelled volumes, could use none; see the errors above"
        )
    plan.deal(len(stacks))  # before anything is learnt
    found = []
    for seed in range(1, seeds + 1):
        fit = replace(plan.recipe.fit, seed=seed)
        found.append(simulate_once(stacks, replace(plan, recipe=replace(plan.recipe, fit=fit))))
    summary = summarise(found, plan.share)
    for line in summary_lines(summary, plan):
        click.echo(line)
    out.mkdir(parents=True, exist_ok=True)
    write_simulation(summary, plan, out / FIGURES)
    write_simulation_page(summary, plan, out / PAGE)
    click.echo(str(out / PAGE))
    if stacks.problems:
        raise SystemExit(1)


def _recipe(given: dict[str, Any]) -> Any:  # noqa: ANN401 - a MaskRecipe, which needs torch
    """Build the recipe of the options of `SIMULATION_SECTIONS`."""
    low, high = given.pop("scaling")
    scaling = checked(VolumeScaling, "--scaling", low=low, high=high)
    kind = "volume" if given["network"] == "tcup" else "mask"
    if kind == "mask":
        given["depth"] = 1
    return mask_recipe(kind=kind, name="simulation", patience=0, scaling=scaling, **given)
