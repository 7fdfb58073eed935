"""`zooassist loop audit`: did what was not sent keep the promised quality?"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from zooassist_loop.slice_features import read_probability
from zooassist_loop.slice_table import Floats, SliceTable
from zooassist_loop.slices import AUDIT, SliceChoice, SliceRule, read_audit
from zooassist_loop.slices_command import CHOICE, FIGURES, stacks_of
from zooassist_plugin.errors import BadInput
from zooassist_plugin.stacks.opening import open_stack
from zooassist_plugin.stacks.stack import size_text
from zooassist_training.evaluation.masks.overlap import count, dice

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    short_help="Judge a choice of slices by those drawn at random.",
    epilog="Example: zooassist loop audit choice --predicted probabilities --corrected corrected",
)
@click.argument("choice", type=FOLDER)
@click.option("--predicted", required=True, type=FOLDER, help="As for the choice.")
@click.option(
    "--corrected", required=True, type=FOLDER, help="Label maps with the audited slices corrected."
)
@click.option("--threshold", type=float, default=0.5, show_default=True, help="Of the mask.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.pass_context
def audit(
    context: click.Context,
    choice: Path,
    predicted: Path,
    corrected: Path,
    threshold: float,
    seed: int,
) -> None:
    """Estimate the quality of what CHOICE did not send from the slices that it drew at random.

    Exit code 1: the promised quality is not kept.
    """
    made = read_choice(choice)
    dices = _audited_dice(made, predicted, corrected, threshold)
    result = read_audit(made, dices, np.random.default_rng(seed))
    click.echo(
        f"{result.audited} audited slices speak for {result.audited + result.kept}: mean Dice "
        f"{result.quality:.4f}, at least {result.lower:.4f} with a probability of "
        f"{made.rule.confidence:.0%}"
    )
    promised = f"{made.rule.target:g} was promised"
    click.echo(f"{promised}, and is kept" if result.holds else f"{promised}: send more slices")
    context.exit(0 if result.holds else 1)


def read_choice(folder: Path) -> SliceChoice:
    """Read what `zooassist loop slices` wrote.

    Raises
    ------
    BadInput
        When the folder has no choice, or one of another quality than the mean of the slices.
    """
    try:
        with (folder / CHOICE).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        figures = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
        rule = SliceRule(**figures["rule"])
        table = SliceTable(
            np.array([row["volume"] for row in rows]),
            np.array([int(row["slice"]) for row in rows], dtype=np.int64),
            {},
        )
        made = SliceChoice(
            table,
            _column(rows, "score"),
            np.array([row["decision"] for row in rows]),
            _column(rows, "inclusion_probability"),
            rule,
        )
    except (FileNotFoundError, KeyError, ValueError, TypeError) as error:
        raise BadInput(
            f"{folder}: expected {CHOICE} and {FIGURES} as `zooassist loop slices` writes them "
            f"({error}); choose again"
        ) from error
    if rule.quality != "kept-mean":
        raise BadInput(
            f"{folder}: an audit estimates the mean Dice of slices (--quality kept-mean), this "
            f"choice promised {rule.quality}"
        )
    return made


def _column(rows: list[dict[str, Any]], name: str) -> Floats:
    return np.array([float(row[name]) for row in rows], dtype=np.float64)


def _audited_dice(made: SliceChoice, predicted: Path, corrected: Path, threshold: float) -> Floats:
    """Return the Dice of every audited slice, in the order of the choice."""
    ours, theirs = stacks_of(predicted), stacks_of(corrected)
    chosen = made.decisions == AUDIT
    found: dict[tuple[str, int], float] = {}
    for name in np.unique(made.slices.volumes[chosen]).tolist():
        places = made.slices.places[chosen & (made.slices.volumes == name)].tolist()
        path, right = _both(name, ours, theirs, predicted, corrected)
        with open_stack(path) as probabilities, open_stack(right) as truth:
            if probabilities.shape != truth.shape:
                raise BadInput(
                    f"{right}: expected the size of {path}, {size_text(probabilities.shape)}, got "
                    f"{size_text(truth.shape)}"
                )
            for at in places:
                mask = read_probability(probabilities, at) >= threshold
                found[name, at] = dice(count(mask, truth.read_labels(at) != 0))
    audited = made.slices.where(chosen)
    return np.array(
        [
            found[str(name), int(at)]
            for name, at in zip(audited.volumes, audited.places, strict=True)
        ],
        dtype=np.float64,
    )


def _both(
    name: str,
    ours: Mapping[str, Path],
    theirs: Mapping[str, Path],
    predicted: Path,
    corrected: Path,
) -> tuple[Path, Path]:
    for found, folder in ((ours, predicted), (theirs, corrected)):
        if name not in found:
            raise BadInput(
                f"{folder}: expected volume {name}, of which slices are audited; every one of them "
                "counts, or the estimate would be of those that came back first"
            )
    return ours[name], theirs[name]
