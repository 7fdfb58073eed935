"""Read the demo's galaxies from a folder of images and the votes that volunteers gave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from zooassist_exporters.images import Wanted, stage_images
from zooassist_exporters.training_set_layout import IMAGES
from zooassist_exporters.votes_csv import VotesTable, read_votes_csv
from zooassist_exporters.votes_csv_export import open_images
from zooassist_loop.demo.galaxies import DemoData, DemoGalaxy
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema

VOTES_CSV = "votes.csv"


def fractions_of_row(
    counts: Mapping[str, int], schema: LabelSchema
) -> dict[str, tuple[float, ...]]:
    """Return the vote fractions of every question that somebody was asked.

    Parameters
    ----------
    counts : mapping of label column to vote count
        Columns that the schema lacks are ignored, and a question whose columns are not all there
        is left out.
    """
    fractions = {}
    for question in schema.questions:
        if not set(question.columns) <= set(counts):
            continue
        votes = [counts[column] for column in question.columns]
        if sum(votes) > 0:
            fractions[question.name] = tuple(count / sum(votes) for count in votes)
    return fractions


def read_votes_folder(
    data: Path, schema: LabelSchema, out: Path, count: int, seed: int
) -> DemoData:
    """Choose `count` galaxies of a folder at random and lay their images into `out`.

    Parameters
    ----------
    data : Path
        Holds ``votes.csv`` and the images, loose or as ``images.zip``. The CSV has vote counts or
        fractions per label column, or the Galaxy Zoo 2 challenge's columns.
    schema : LabelSchema
        The model's: other label columns are not used.

    Raises
    ------
    BadInput
        When there is no votes CSV, a column is missing, or no image can be used.
    """
    votes_csv = data / VOTES_CSV
    if not votes_csv.is_file():
        raise BadInput(
            f"{data}: expected a folder with {VOTES_CSV} and images, found no {VOTES_CSV}; "
            "see `zooassist export training-set --help` for the columns it may have"
        )
    table = read_votes_csv(votes_csv)
    chosen = _choose(table, count, seed)
    (out / IMAGES).mkdir(parents=True, exist_ok=True)
    with open_images(None, votes_csv) as source:
        wanted = [
            Wanted(subject, {}, (file,) if file else ())
            for subject, file in zip(chosen.subject_ids, chosen.files, strict=True)
        ]
        staged = stage_images(wanted, source, out, table.problems)
    galaxies = tuple(
        DemoGalaxy(
            name=staged.paths[subject].name,
            image=staged.paths[subject],
            fractions=fractions_of_row(
                dict(zip(table.schema.columns, counts.tolist(), strict=True)), schema
            ),
        )
        for subject, counts in zip(chosen.subject_ids, chosen.counts, strict=True)
        if subject in staged.paths
    )
    if not galaxies:
        raise BadInput(f"{data}: none of its {len(wanted)} chosen images can be used")
    assumed = f", {table.assumed_total} votes each assumed" if table.assumed_total else ""
    return DemoData(
        source=(
            f"{len(galaxies)} images of {data.name}; volunteers replay its {table.form}{assumed}"
        ),
        galaxies=galaxies,
        votes_are_real=True,
        problems=tuple(table.problems.lines()),
    )


def _choose(table: VotesTable, count: int, seed: int) -> VotesTable:
    """Take a random part of a table; all of it when it holds no more."""
    total = len(table.subject_ids)
    rows = np.sort(np.random.default_rng(seed).permutation(total)[:count])
    return replace(
        table,
        subject_ids=[table.subject_ids[row] for row in rows],
        files=[table.files[row] for row in rows],
        metadata=[table.metadata[row] for row in rows],
        counts=table.counts[rows],
        totals=None if table.totals is None else table.totals[rows],
        published=table.published[rows],
    )
