"""How is a training set written as Hamlet writes subject sets: a list of media, and labels?

``media.tsv`` is what Google's Storage Transfer takes: ``TsvHttpData-1.0``, then address, bytes and
MD5 per line. ``labels.csv`` names each file in the bucket it is transferred to, and its class.
"""

from __future__ import annotations

import base64
import csv
import hashlib
from pathlib import Path
from typing import Final
from urllib.parse import quote

from zooassist_exporters.formats.format import Notes, Options
from zooassist_exporters.formats.image_folder import chosen_question, majority
from zooassist_exporters.formats.pictures import note_lost
from zooassist_exporters.training_set import TrainingSet
from zooassist_plugin.errors import BadInput

HEAD: Final = "TsvHttpData-1.0"
MEDIA: Final = "media.tsv"
LABELS: Final = "labels.csv"


def write_hamlet(data: TrainingSet, out: Path, options: Options, notes: Notes) -> None:
    """Write the list of media and, where a bucket is given, the labels.

    Raises
    ------
    BadInput
        Without a prefix that is an address, since the list is of addresses.
    """
    if options.prefix is None or "://" not in options.prefix:
        raise BadInput(
            "hamlet lists addresses: give --prefix https://… under which the set's images lie, "
            f"got {options.prefix!r}"
        )
    out.mkdir(exist_ok=True)
    answers: list[int | None] = [None] * len(data)
    labels: list[str] = []
    if options.bucket is not None:
        question = chosen_question(data.schema, options.question)
        answers, labels = majority(data, question), [answer.label for answer in question.answers]
    else:
        notes.add("label files left out: give --bucket to write one")
    splits = data.subjects["split"].to_pylist()
    chosen = [row for row in range(len(data)) if splits[row] in options.splits]
    with (out / MEDIA).open("w", encoding="utf-8", newline="") as media:
        media.write(f"{HEAD}\n")
        lines = []
        for row in chosen:
            if not data.has_image(row):
                notes.add("subjects left out: they have no image")
                continue
            image = data.image_path(row)
            address = f"{options.prefix.rstrip('/')}/{quote(image.name)}"
            media.write(f"{address}\t{image_to_tsv(image)}\n")
            answer = answers[row]
            if answer is not None:
                lines.append((address_to_bucket(address, options.bucket or ""), labels[answer]))
            else:
                notes.add("subjects without a label: no votes", bool(labels))
    if options.bucket is not None:
        with (out / LABELS).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows(lines)
    note_lost(data, notes, "sampling", "shapes", "masks")


def image_to_tsv(image: Path) -> str:
    """Return size in bytes and MD5 in base 64, separated by a tab."""
    content = image.read_bytes()
    digest = hashlib.md5(content, usedforsecurity=False).digest()
    return f"{len(content)}\t{base64.b64encode(digest).decode('ascii')}"


def address_to_bucket(address: str, bucket: str) -> str:
    """Return where Storage Transfer puts a file: the bucket, then the address without scheme."""
    name = bucket.removeprefix("gs://").strip("/")
    return f"gs://{name}/{address.partition('://')[2]}"
