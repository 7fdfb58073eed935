"""What are the downstream tasks of the transfer benchmark? Each one question on some galaxies.

Three sources: questions of Galaxy Zoo 2, where most volunteers came to them (their votes are
learnt from, and the most frequent answer is the right one); the example pictures of the Galaxy Zoo
website, from nine surveys, by what they illustrate; and experts' grades of gravitational lens
candidates of Space Warps.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.digests import sha256_of
from zooassist_exporters.images import Wanted
from zooassist_exporters.splits import split_of
from zooassist_exporters.votes_csv import VotesTable, subject_id_of
from zooassist_exporters.votes_csv_export import open_images
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.model_card import Preprocessing
from zooassist_serving.preprocessing import decode_image, prepare
from zooassist_training.augment import with_margin
from zooassist_training.datasets import LabelledImages, temporary_array
from zooassist_training.evaluate import ASKED_MORE_THAN, cumulative, fractions_of_votes

# Task -> question of Galaxy Zoo 2.
QUESTIONS = {
    "bar": "bar",
    "spiral": "has-spiral-arms",
    "odd": "something-odd",
    "bulge": "bulge-size",
}
# What an example picture illustrates -> the (question's title, answer) that say so.
KINDS: dict[str, frozenset[tuple[str, str]]] = {
    "smooth": frozenset(
        [
            ("Shape", "Smooth"),
            ("Round", "Completely round"),
            ("Round", "In between"),
            ("Round", "Cigar shaped"),
        ]
    ),
    "spiral": frozenset(
        ("Spiral", answer)
        for answer in (
            *("Spiral", "Tight", "Medium", "Loose"),
            *("1", "2", "3", "4", "More than 4", "Can't tell"),
        )
    ),
    "edge-on": frozenset([("Disk", "Yes"), ("Bulge", "Boxy"), ("Bulge", "Rounded")]),
    "odd": frozenset(
        ("Odd", answer)
        for answer in (
            *("Ring", "Lens or arc", "Disturbed", "Irregular"),
            *("Other", "Merger", "Overlapping", "Dust lane"),
        )
    ),
    "artifact": frozenset([("Shape", "Star or artifact")]),
}
LENS_FROM = 1.7  # of 3; the experts' mean grade from which on it is rather a lens than not
# The pool's classes say round, in between, cigar, edge-on or spiral: these tasks ask that again.
OVERLAPPING = frozenset({"spiral", "gz_examples"})
# Experts' sets are small: more to measure on than the usual fifth.
TRAIN_SHARE, VALIDATION_SHARE = 0.52, 0.08
# The part of a picture that is looked at. The examples show as much sky as Galaxy Zoo did; of the
# galaxies' pictures the middle was kept, so that 0.6 of one is about all of the other.
CROPS = {"gz_examples": 0.6}
CROP = 0.75


@dataclass(frozen=True)
class Rows:
    """A task's galaxies, before their images are read.

    Attributes
    ----------
    counts : array of shape (galaxies, answers)
        Votes; an expert's is one.
    splits : array of str, shape (galaxies,)
    volunteers : bool
        Whether there are fractions of votes to compare with.
    sha256 : str
        Of the file that the answers come from.
    """

    name: str
    schema: LabelSchema
    files: tuple[str, ...]
    subject_ids: NDArray[np.int64]
    counts: NDArray[np.float32]
    splits: NDArray[np.str_]
    volunteers: bool
    sha256: str

    @property
    def overlaps(self) -> bool:
        """Whether the pre-training's classes say something of the answer."""
        return self.name in OVERLAPPING


@dataclass(frozen=True)
class Task:
    """Rows with their images; those to train on have the margin of `augment.with_margin`."""

    rows: Rows
    training: LabelledImages
    validation: LabelledImages
    test: LabelledImages

    @property
    def majority_error(self) -> float:
        """Error of always guessing the most frequent answer of the training galaxies."""
        most = np.bincount(self.training.counts.argmax(1)).argmax()
        return float((self.test.counts.argmax(1) != most).mean())


def question_rows(name: str, table: VotesTable) -> Rows:
    """Return the galaxies that more than half of the volunteers were asked a question about."""
    schema = table.schema
    question = schema.question(QUESTIONS[name])
    where = schema.slices[question.name]
    asked = cumulative(fractions_of_votes(table.counts, schema), schema)[:, where].sum(1)
    chosen = np.flatnonzero(asked > ASKED_MORE_THAN)
    ids = np.array(table.subject_ids, dtype=np.int64)[chosen]
    return Rows(
        name=name,
        schema=LabelSchema((replace(question, asked_after=()),)),
        files=tuple(table.files[row] for row in chosen),
        subject_ids=ids,
        counts=table.counts[chosen][:, where].astype(np.float32),
        splits=np.array([split_of(int(each)) for each in ids]),
        volunteers=True,
        sha256=table.source.sha256,
    )


def example_rows(index: Path) -> Rows:
    """Return the website's example pictures of one kind each.

    One picture may illustrate several answers: it is taken once, and not at all where the answers
    are of different kinds.
    """
    kind_of = {each: kind for kind, answers in KINDS.items() for each in answers}
    kinds: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for row in _rows_of(index):
        kind = kind_of.get((row["question_title"], row["answer_text"]))
        if kind is not None:
            picture = row["original_sha1_prefix"]
            kinds.setdefault(picture, set()).add(kind)
            names.setdefault(picture, f"images/{row['name']}.jpg")
    chosen = [(picture, *found) for picture, found in kinds.items() if len(found) == 1]
    return _expert_rows(
        "gz_examples",
        index,
        tuple(KINDS),
        files=[names[picture] for picture, _ in chosen],
        groups=[picture for picture, _ in chosen],
        answers=[kind for _, kind in chosen],
    )


def grade_rows(candidates: Path) -> Rows:
    """Return the lens candidates, graded `LENS_FROM` or more, or less.

    Candidates of one subject share most of their pixels: they are in the same split.
    """
    rows = _rows_of(candidates)
    return _expert_rows(
        "space_warps",
        candidates,
        ("lens", "doubtful"),
        files=[row["file"] for row in rows],
        groups=[row["zooid"] for row in rows],
        answers=["lens" if float(row["expert_grade"]) >= LENS_FROM else "doubtful" for row in rows],
    )


def _rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _expert_rows(
    name: str,
    path: Path,
    labels: Sequence[str],
    files: Sequence[str],
    groups: Sequence[str],
    answers: Sequence[str],
) -> Rows:
    places = np.array([labels.index(answer) for answer in answers])
    schema = LabelSchema(
        (
            Question(
                name,
                "T0",
                "single",
                (),
                tuple(Answer(label, at, f"{name}_{label}") for at, label in enumerate(labels)),
            ),
        )
    )
    return Rows(
        name=name,
        schema=schema,
        files=tuple(files),
        subject_ids=np.array([subject_id_of(Path(file).stem) for file in files], dtype=np.int64),
        counts=(places[:, None] == np.arange(len(labels))).astype(np.float32),
        splits=group_splits(groups),
        volunteers=False,
        sha256=sha256_of(path),
    )


def group_splits(groups: Sequence[str]) -> NDArray[np.str_]:
    """Return a split for every row, the same for rows of one group; the same for ever."""
    names = sorted(set(groups))
    order = np.random.default_rng(0).permutation(len(names))
    place = {names[group]: rank / len(names) for rank, group in enumerate(order)}
    ends = TRAIN_SHARE, TRAIN_SHARE + VALIDATION_SHARE
    parts = ("train", "validation", "test")
    return np.array([parts[int(np.searchsorted(ends, place[each], "right"))] for each in groups])


def read_tasks(all_rows: Sequence[Rows], beside: Path, size: int) -> Mapping[str, Task]:
    """Read the images of tasks on the same pictures, by the task's name.

    Parameters
    ----------
    beside : Path
        A file beside which ``images.zip`` or the folder of images lies.
    size : int
        Side in pixels.
    """
    spec = Preprocessing(size=size, crop=CROPS.get(all_rows[0].name, CROP))
    wider = with_margin(spec)
    ids = {
        subject: file
        for rows in all_rows
        for subject, file in zip(rows.subject_ids.tolist(), rows.files, strict=True)
    }
    pictures = temporary_array((len(ids), wider.size, wider.size, 3))
    with open_images(None, beside) as archive:
        for place, (subject, file) in enumerate(ids.items()):
            data = archive.read(Wanted(subject, {}, (file,)))
            pictures[place] = prepare(decode_image(data), wider)
    place_of = {subject: place for place, subject in enumerate(ids)}
    return {rows.name: _task(rows, pictures, place_of, size) for rows in all_rows}


def _task(rows: Rows, pictures: NDArray[np.uint8], place_of: Mapping[int, int], size: int) -> Task:
    edge = (pictures.shape[1] - size) // 2
    middle = slice(edge, edge + size)  # as it would be served, see `augment.with_margin`

    def part(split: str) -> LabelledImages:
        chosen = np.flatnonzero(rows.splits == split)
        images = pictures[[place_of[int(each)] for each in rows.subject_ids[chosen]]]
        return LabelledImages(
            images=images if split == "train" else images[:, middle, middle],
            labels=rows.counts[chosen],
            subject_ids=rows.subject_ids[chosen],
            weights=np.ones(len(chosen), dtype=np.float32),
            surveys=np.zeros(len(chosen), dtype=np.int64),
        )

    return Task(rows, part("train"), part("validation"), part("test"))
