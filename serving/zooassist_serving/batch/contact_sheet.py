"""What do some results look like? Random images with what the model says of them, as one PNG."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import pyarrow as pa
from PIL import Image, ImageDraw, ImageFont, ImageOps

from zooassist_plugin.errors import BadInput
from zooassist_plugin.output_paths import temporary_beside, writing
from zooassist_serving.batch.committing import Success
from zooassist_serving.batch.fetching import Fetching, ShardReader
from zooassist_serving.batch.results import parts_of
from zooassist_serving.batch.shard_rows import ShardRow
from zooassist_serving.batch.stage_times import StageTimes
from zooassist_serving.batch.stores.store import Store
from zooassist_serving.preprocessing import decode_image

TILE, CAPTION, GAP, MARGIN, COLUMNS = 160, 40, 8, 16, 8
PAPER, INK, DIM, MISSING = (255, 255, 255), (30, 34, 42), (110, 118, 130), (226, 229, 234)
LONGEST_LINE: Final = 24
STACKS: Final = (".tif", ".tiff")


@dataclass(frozen=True)
class Shown:
    """One result on the sheet."""

    row: ShardRow
    caption: str


def draw_some(store: Store, jobs: Sequence[Success], count: int, random: Random) -> list[Shown]:
    """Choose predicted rows at random, of all jobs alike; memory holds one part at a time."""
    chosen: list[Shown] = []
    passed = 0
    for job in jobs:
        for table in parts_of(store, job):
            good = table.filter(pa.compute.is_null(table.column("error")))
            for at in range(good.num_rows):
                # Reservoir sampling: each row stays with the same probability.
                passed += 1
                place = len(chosen) if len(chosen) < count else random.randrange(passed)
                if place < count:
                    row = good.slice(at, 1).to_pylist()[0]
                    shown = Shown(_row(row), caption_of(row, table.schema))
                    chosen[place : place + 1] = [shown]
    return chosen


def caption_of(row: dict[str, Any], schema: pa.Schema) -> str:
    """Say in a few words what a model says: the likeliest answer to its first question, or so."""
    said = (schema.metadata or {}).get(b"label_schema")
    if said is not None:
        question = json.loads(said)["questions"][0]
        best = max(question["answers"], key=lambda each: row[f"{each['column']}_fraction"] or 0.0)
        return f"{best['label']} {row[best['column'] + '_fraction']:.0%}"
    means = [name for name in schema.names if name.endswith("_mean")]
    if means and row[means[0]] is not None:
        return f"{means[0].removesuffix('_mean')} {row[means[0]]:.4g}"
    confidence = row.get("confidence")
    return "" if confidence is None else f"confidence {confidence:.2f}"


def _row(row: dict[str, Any]) -> ShardRow:
    name, frame = str(row["image"]), int(row["frame"] or 0)
    place, _, member = name.partition("#")
    paged = frame > 0 and place.lower().endswith(STACKS)
    return ShardRow(place, member, frame, paged)


def write_sheet(shown: Sequence[Shown], fetching: Fetching, out: Path) -> None:
    """Fetch the images and lay them out; one that can't be had any more is a grey tile."""
    rows = math.ceil(len(shown) / COLUMNS)
    width = 2 * MARGIN + COLUMNS * TILE + (COLUMNS - 1) * GAP
    height = 2 * MARGIN + max(1, rows) * (TILE + CAPTION + GAP)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    with ShardReader(fetching, StageTimes()) as reader:
        items = reader.items([each.row for each in shown])
        for number, (each, item) in enumerate(zip(shown, items, strict=True)):
            down, across = divmod(number, COLUMNS)
            x, y = MARGIN + across * (TILE + GAP), MARGIN + down * (TILE + CAPTION + GAP)
            try:
                data = item.data if isinstance(item.data, bytes) else item.data()
                picture = Image.fromarray(decode_image(data))
                picture = ImageOps.contain(picture, (TILE, TILE))
            except BadInput:
                picture = Image.new("RGB", (TILE, TILE), MISSING)
            sheet.paste(picture, (x, y))
            draw.text((x, y + TILE + 2), each.caption[:LONGEST_LINE], fill=INK, font=font)
            name = each.row.name.rpartition("/")[2]
            draw.text((x, y + TILE + 18), name[-LONGEST_LINE:], fill=DIM, font=font)
    with writing(out):
        temporary = temporary_beside(out)
        sheet.save(temporary, format="PNG")
        temporary.replace(out)
