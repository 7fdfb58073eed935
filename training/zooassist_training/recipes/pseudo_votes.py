"""Which votes would galaxies get that have only a class? A teacher's guess, held to the class.

A network that learnt from volunteers' votes looks at each galaxy in several ways (turned and
mirrored) and its expected fractions are averaged. The class then bounds them: a galaxy is called
"spiral" only where enough volunteers said so (the cuts of Willett et al. 2013, as used by Zhu et
al. 2019, arXiv:1807.10406), so the fraction is the mean of what the teacher believes above the
cut. Students that learn from such votes see seven times as many galaxies as have votes (noisy
students: Xie et al. 2020, arXiv:1911.04252).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

from zooassist_exporters.vote_counts import counts_of_tree
from zooassist_exporters.votes_csv import VotesTable
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.posteriors import Floats
from zooassist_serving.preprocessing import decode_image, prepare
from zooassist_serving.runtime import OnnxRuntime

BATCH = 128
FEATURED, SMOOTH = "smooth-or-featured_featured-or-disk", "smooth-or-featured_smooth"
# Class -> label columns and the fraction, among those asked, that the class says they reach.
CUTS: dict[str, dict[str, float]] = {
    "round": {SMOOTH: 0.469, "how-rounded_round": 0.5},
    "in-between": {SMOOTH: 0.469, "how-rounded_in-between": 0.5},
    "cigar": {SMOOTH: 0.469, "how-rounded_cigar": 0.5},
    "edge-on": {FEATURED: 0.43, "disk-edge-on_yes": 0.602},
    "spiral": {FEATURED: 0.43, "disk-edge-on_no": 0.715, "has-spiral-arms_yes": 0.619},
}


def views(images: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Turn and mirror images (batch, side, side, 3): the eight symmetries of a square."""
    for turned in (np.rot90(images, quarter, axes=(1, 2)) for quarter in (0, 2, 1, 3)):
        yield np.ascontiguousarray(turned)
        yield np.ascontiguousarray(turned[:, :, ::-1])


def teach(
    teacher: str, images: Iterable[bytes], looks: int = 8, threads: int | None = None
) -> tuple[Floats, Floats, LabelSchema]:
    """Return what the teacher expects of whole image files.

    Parameters
    ----------
    teacher : str
        Model folder or bundled name, of kind `votes`.
    looks : int
        The first so many of `views`.

    Returns
    -------
    fractions : array of shape (images, label columns)
        Among those asked, averaged over the views.
    strength : array of shape (images, label columns)
        Sum of the question's concentrations, averaged over the views.
    schema : LabelSchema
    """
    folder = load_model_folder(teacher)
    schema, spec = folder.card.schema_of_votes, folder.card.preprocessing
    runtime = OnnxRuntime(folder.onnx_path, threads=threads, sha256=folder.card.sha256)
    widths = [len(question.answers) for question in schema.questions]
    starts = np.cumsum([0, *widths[:-1]])
    fractions, strengths = [], []
    files = iter(images)
    while batch := list(islice(files, BATCH)):
        stack = np.stack(
            [prepare(decode_image(data, stretch=spec.stretch), spec) for data in batch]
        )
        alphas = [
            runtime.run(view)["concentrations"].astype(np.float64)
            for view in islice(views(stack), looks)
        ]
        samples = np.concatenate(alphas, axis=1)  # views are samples, too
        totals = np.repeat(np.add.reduceat(samples, starts, axis=2), widths, axis=2)
        fractions.append((samples / totals).mean(1))
        strengths.append(totals.mean(1))
    if not fractions:
        raise BadInput("expected images to guess the votes of, got none")
    return np.concatenate(fractions), np.concatenate(strengths), schema


def mean_above(mean: Floats, strength: Floats, cut: float) -> Floats:
    """Mean of Beta(mean · strength, (1 − mean) · strength) given that it is at least `cut`."""
    a, b = mean * strength, (1 - mean) * strength
    above = betainc(b, a, 1 - cut)
    whole = mean * betainc(b, a + 1, 1 - cut)
    # Where the teacher all but rules the class out, the least that the class allows.
    truncated = np.divide(whole, above, out=np.full_like(mean, cut), where=above > 1e-9)
    bounded: Floats = np.clip(truncated, np.maximum(mean, cut), 1.0)
    return bounded


def held_to_class(
    fractions: Floats, strength: Floats, classes: list[str], schema: LabelSchema
) -> Floats:
    """Move fractions above the cuts of each galaxy's class; the others share what is left.

    Raises
    ------
    BadInput
        When a class is unknown, or the schema has not the columns that the cuts are about.
    """
    unknown = sorted(set(classes) - CUTS.keys())
    if unknown:
        raise BadInput(f"class: expected one of {', '.join(CUTS)}, got {unknown[0]!r}")
    missing = {column for cuts in CUTS.values() for column in cuts} - set(schema.columns)
    if missing:
        raise BadInput(f"teacher: expected the Galaxy Zoo 2 tree, found no {min(missing)!r}")
    held = fractions.copy()
    owner = {column: q.name for q in schema.questions for column in q.columns}
    names = np.array(classes)
    for name, cuts in CUTS.items():
        rows = np.flatnonzero(names == name)
        for column, cut in cuts.items():
            where, place = schema.slices[owner[column]], schema.columns.index(column)
            old = fractions[rows, place]
            new = mean_above(old, strength[rows, place], cut)
            rest = (1 - new) / np.maximum(1 - old, 1e-12)
            held[rows, where] = fractions[rows, where] * rest[:, None]
            held[rows, place] = new
    return held


def pseudo_votes(
    pool: VotesTable,
    images: Iterable[bytes],
    teacher: str,
    total: int,
    looks: int = 8,
    threads: int | None = None,
) -> VotesTable:
    """Return the pool with guessed votes instead of its classes.

    Parameters
    ----------
    pool : VotesTable
        One question, one vote for the class of each galaxy.
    images : iterable of bytes
        The file of each row, in the same order.
    total : int
        Votes at the root.
    looks : int
        See `teach`.
    """
    fractions, strength, schema = teach(teacher, images, looks, threads)
    chosen = pool.counts.argmax(1)
    classes = [pool.schema.questions[0].answers[int(place)].label for place in chosen]
    held = held_to_class(fractions, strength, classes, schema)
    return replace(
        pool,
        schema=schema,
        counts=counts_of_tree(held, schema, total),
        published=held,
        form="fractions",
        assumed_total=total,
    )
