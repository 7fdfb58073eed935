"""Draw the proposals on the galaxies: one PNG that shows what the volunteers saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from zooassist_plugin.shapes import Ellipse

TILE = 208
CAPTION = 40
GAP = 10
MARGIN = 20
HEADER = 54
INK = (232, 236, 243)
DIM = (150, 160, 176)
PAPER = (16, 19, 26)
PROPOSAL = (94, 220, 255)
RETIRED = (126, 217, 87)
OPEN = (58, 66, 82)
OUTLINE_POINTS = 90


@dataclass(frozen=True)
class Tile:
    """One galaxy of the sheet; `ellipse` in natural pixels of `image`."""

    image: Path
    ellipse: Ellipse | None
    caption: str
    note: str
    retired: bool


def ellipse_points(ellipse: Ellipse, scale: float) -> list[tuple[float, float]]:
    """Sample an ellipse whose angle is clockwise-positive with y pointing down."""
    turn = math.radians(ellipse.angle)
    points = []
    for step in range(OUTLINE_POINTS + 1):
        t = 2 * math.pi * step / OUTLINE_POINTS
        u, v = ellipse.rx * math.cos(t), ellipse.ry * math.sin(t)
        x = ellipse.x_center + u * math.cos(turn) - v * math.sin(turn)
        y = ellipse.y_center + u * math.sin(turn) + v * math.cos(turn)
        points.append((x * scale, y * scale))
    return points


def _draw_tile(tile: Tile, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> Image.Image:
    with Image.open(tile.image) as opened:
        picture = opened.convert("RGB")
    scale = TILE / max(picture.size)
    size = (round(picture.width * scale), round(picture.height * scale))
    cell = Image.new("RGB", (TILE, TILE + CAPTION), PAPER)
    # Twice the size, then down again: PIL draws lines without smoothing.
    large = picture.resize((2 * size[0], 2 * size[1]), Image.Resampling.BICUBIC)
    if tile.ellipse is not None:
        line = ellipse_points(tile.ellipse, 2 * scale)
        ImageDraw.Draw(large).line(line, fill=PROPOSAL, width=3, joint="curve")
    cell.paste(large.resize(size, Image.Resampling.LANCZOS), (0, 0))
    draw = ImageDraw.Draw(cell)
    edge = RETIRED if tile.retired else OPEN
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=edge, width=3 if tile.retired else 1)
    draw.text((2, TILE + 4), tile.caption, fill=INK, font=font)
    draw.text((2, TILE + 21), tile.note, fill=RETIRED if tile.retired else DIM, font=font)
    return cell


def write_contact_sheet(tiles: Sequence[Tile], title: str, out: Path, columns: int = 6) -> None:
    """Lay the tiles out in rows and write one PNG.

    Parameters
    ----------
    tiles : sequence of Tile
        In reading order; may be empty, which gives a sheet with its title alone.
    """
    font = ImageFont.load_default(size=13)
    rows = math.ceil(len(tiles) / columns)
    width = 2 * MARGIN + columns * TILE + (columns - 1) * GAP
    height = MARGIN + HEADER + rows * (TILE + CAPTION + GAP) + MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, fill=INK, font=ImageFont.load_default(size=22))
    legend = [(PROPOSAL, "proposed outline"), (RETIRED, "retired as certain")]
    x = float(width - MARGIN)
    for colour, text in reversed(legend):
        x -= draw.textlength(text, font=font)
        draw.text((x, MARGIN + 6), text, fill=colour, font=font)
        x -= 24
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        place = (
            MARGIN + column * (TILE + GAP),
            MARGIN + HEADER + row * (TILE + CAPTION + GAP),
        )
        sheet.paste(_draw_tile(tile, font), place)
    partial = out.with_suffix(".partial")
    sheet.save(partial, format="PNG", optimize=True)
    partial.replace(out)
