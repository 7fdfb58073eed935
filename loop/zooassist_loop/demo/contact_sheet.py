"""Draw outlines on the images: one PNG that shows what the volunteers saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont, ImageOps

from zooassist_plugin.shapes import Ellipse

TILE = 208
CAPTION = 40
GAP = 10
MARGIN = 20
HEADER = 54
INK = (232, 236, 243)
DIM = (150, 160, 176)
PAPER = (16, 19, 26)
RETIRED = (126, 217, 87)
OPEN = (58, 66, 82)
OUTLINE_POINTS = 90
# Twice the size, then down again: PIL draws lines without smoothing.
OVERSAMPLED = 2
LINE = 3  # oversampled pixels
STRETCHED = 0.2  # percent of the pixels that a stretched tile shows as black, and as white

Vertices = Sequence[tuple[float, float]]


class Pen(NamedTuple):
    """What is drawn with a colour, as the legend says it."""

    colour: tuple[int, int, int]
    what: str


PROPOSED = Pen((94, 220, 255), "proposed outline")
AGREED = Pen((255, 190, 70), "outline that volunteers agree on")
CERTAIN = Pen(RETIRED, "retired as certain")


@dataclass(frozen=True)
class Outline:
    """A closed line on a tile; vertices in natural pixels of its image."""

    vertices: Vertices
    pen: Pen


@dataclass(frozen=True)
class Tile:
    """One image of the sheet.

    Attributes
    ----------
    stretched : bool
        Show a dark image as bright as it goes; volunteers' screens don't.
    """

    image: Path
    outlines: tuple[Outline, ...]
    caption: str
    note: str
    retired: bool
    stretched: bool = False


def ellipse_points(ellipse: Ellipse) -> list[tuple[float, float]]:
    """Sample an ellipse whose angle is clockwise-positive with y pointing down."""
    turn = math.radians(ellipse.angle)
    points = []
    for step in range(OUTLINE_POINTS):
        t = 2 * math.pi * step / OUTLINE_POINTS
        u, v = ellipse.rx * math.cos(t), ellipse.ry * math.sin(t)
        x = ellipse.x_center + u * math.cos(turn) - v * math.sin(turn)
        y = ellipse.y_center + u * math.sin(turn) + v * math.cos(turn)
        points.append((x, y))
    return points


def _draw_tile(
    tile: Tile, side: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> Image.Image:
    with Image.open(tile.image) as opened:
        picture = opened.convert("RGB")
    if tile.stretched:
        picture = ImageOps.autocontrast(picture, cutoff=STRETCHED, preserve_tone=True)
    scale = side / max(picture.size)
    size = (round(picture.width * scale), round(picture.height * scale))
    cell = Image.new("RGB", (side, side + CAPTION), PAPER)
    enlarged = (OVERSAMPLED * size[0], OVERSAMPLED * size[1])
    large = picture.resize(enlarged, Image.Resampling.BICUBIC)
    pencil = ImageDraw.Draw(large)
    for outline in tile.outlines:
        line = [(OVERSAMPLED * scale * x, OVERSAMPLED * scale * y) for x, y in outline.vertices]
        # A corner more than closed, so that the first one is as round as the others.
        line += line[:2]
        pencil.line(line, fill=outline.pen.colour, width=LINE, joint="curve")
    cell.paste(large.resize(size, Image.Resampling.LANCZOS), (0, 0))
    draw = ImageDraw.Draw(cell)
    edge = RETIRED if tile.retired else OPEN
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=edge, width=3 if tile.retired else 1)
    draw.text((2, side + 4), tile.caption, fill=INK, font=font)
    draw.text((2, side + 21), tile.note, fill=RETIRED if tile.retired else DIM, font=font)
    return cell


def write_contact_sheet(
    tiles: Sequence[Tile],
    title: str,
    out: Path,
    pens: Sequence[Pen],
    columns: int = 6,
    side: int = TILE,
) -> None:
    """Lay the tiles out in rows and write one PNG.

    Parameters
    ----------
    tiles : sequence of Tile
        In reading order; may be empty, which gives a sheet with its title alone.
    pens : sequence of Pen
        That the legend explains.
    side : int
        Of a tile, in pixels.
    """
    font = ImageFont.load_default(size=13)
    rows = math.ceil(len(tiles) / columns)
    width = 2 * MARGIN + columns * side + (columns - 1) * GAP
    height = MARGIN + HEADER + rows * (side + CAPTION + GAP) + MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, fill=INK, font=ImageFont.load_default(size=22))
    x = float(width - MARGIN)
    for pen in reversed((*pens, CERTAIN)):
        x -= draw.textlength(pen.what, font=font)
        draw.text((x, MARGIN + 6), pen.what, fill=pen.colour, font=font)
        x -= 24
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        place = (
            MARGIN + column * (side + GAP),
            MARGIN + HEADER + row * (side + CAPTION + GAP),
        )
        sheet.paste(_draw_tile(tile, side, font), place)
    partial = out.with_suffix(".partial")
    sheet.save(partial, format="PNG", optimize=True)
    partial.replace(out)
