"""What is in the cells of a piece of an export? Columns of text, and the rows that broke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from zooassist_exporters.row_chunks import RowShape

# A classification is some kilobytes; one of 500 outlines a megabyte.
MOST_CELL: Final = 64 << 20
SHOWN: Final = 60
FIRST_NOT_ASCII: Final = 128
# Digits that always fit an int64.
SAFE_DIGITS: Final = 18


@dataclass(frozen=True)
class BrokenRow:
    """A row that cannot be used, numbered as in `Cells`."""

    number: int
    cause: str
    detail: str
    classification_id: int | None = None


@dataclass(frozen=True)
class Cells:
    """The cells of whole rows, as text.

    Attributes
    ----------
    numbers : array of int, one entry per row
        The first row of the piece is 0.
    table : pyarrow.Table
        String columns, one row per entry of `numbers`.
    broken : tuple of BrokenRow
    count : int
        Rows in all, whole and broken.
    """

    numbers: NDArray[np.int64]
    table: pa.Table
    broken: tuple[BrokenRow, ...]
    count: int


def shown(text: str) -> str:
    """Return a cell as it appears in a message."""
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")


def read_cells(
    data: bytes | memoryview, header: Sequence[str], wanted: Sequence[str], id_column: str
) -> Cells:
    """Split a piece of an export into cells; bytes that are no UTF-8 are Windows Latin-1.

    A row that lost its end swallows those after it up to the next quote; they are found again.

    Parameters
    ----------
    data : bytes or memoryview
        As `zooassist_exporters.row_chunks.row_chunks` yields it.
    header : sequence of str
        All columns of the file.
    wanted : sequence of str
        The columns to keep; those that the file does not have are left out.
    id_column : str
        The column by which a whole row is known.
    """
    data = _as_utf8(data)
    keep = [name for name in dict.fromkeys(header) if name in wanted]
    table, invalid = _parse(data, header, keep)
    shape = RowShape(len(header), header.index(id_column))
    found: list[tuple[int, bytes]] = []
    broken: list[BrokenRow] = []
    extra = np.zeros(table.num_rows + len(invalid) + 1, dtype=np.int64)
    shift = 0
    for position, width, text in invalid:
        at = position + shift
        rows, rest = _found_again(text.encode(), shape)
        if rest:
            cause = "wrong number of columns"
            detail = f"expected {len(header)} as in the header, got {width}"
            broken.append(BrokenRow(at, cause, detail, _leading_id(text, header, id_column)))
            at += 1
        found += [(at + step, row) for step, row in enumerate(rows)]
        more = len(rows) + bool(rest) - 1
        extra[position + 1 :] += more
        shift += more
    bad = {position for position, _, _ in invalid}
    good = np.setdiff1d(np.arange(table.num_rows + len(bad)), np.array(list(bad), dtype=np.int64))
    numbers = good + extra[good]
    if found:
        again, _ = _parse(b"".join(row for _, row in found), header, keep)
        table = pa.concat_tables([table, again]).combine_chunks()
        numbers = np.concatenate([numbers, np.array([at for at, _ in found], dtype=np.int64)])
        order = np.argsort(numbers, kind="stable")
        table, numbers = table.take(order), numbers[order]
    cells = Cells(numbers, table, tuple(broken), len(good) + len(bad) + shift)
    cells = _without_blank(cells)
    if np.frombuffer(data, np.uint8).min(initial=1) == 0:
        cells = _without_nul(cells, id_column)
    return _without_large(cells, id_column)


def _as_utf8(data: bytes | memoryview) -> bytes | memoryview:
    """Return the data in UTF-8; checked by numpy and Arrow, which do not hold up other threads."""
    if np.frombuffer(data, np.uint8).max(initial=0) < FIRST_NOT_ASCII:
        return data
    ends = pa.py_buffer(np.array([0, len(data)], dtype=np.int32))
    try:
        pa.StringArray.from_buffers(1, ends, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return bytes(data).decode("utf-8", "zooassist-cp1252").encode()
    return data


def _parse(
    data: bytes | memoryview, header: Sequence[str], keep: Sequence[str]
) -> tuple[pa.Table, list[tuple[int, int, str]]]:
    """Return whole rows, and (position, width, text) of those with more or fewer cells."""
    invalid: list[tuple[int, int, str]] = []

    def note(row: pa.csv.InvalidRow) -> str:
        invalid.append((row.number - 1, row.actual_columns, row.text))
        return "skip"

    # A column named twice counts where it stands first, as in `ExportFile.index`.
    names = [name if name not in header[:i] else f"{name} {i}" for i, name in enumerate(header)]
    table = pa.csv.read_csv(
        pa.BufferReader(data),
        # One block: what was cut at row ends here is not to be cut again.
        read_options=pa.csv.ReadOptions(
            column_names=names, use_threads=False, block_size=len(data) + 1
        ),
        parse_options=pa.csv.ParseOptions(
            newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=note
        ),
        convert_options=pa.csv.ConvertOptions(
            include_columns=list(keep),
            column_types=dict.fromkeys(keep, pa.string()),
            strings_can_be_null=False,
            check_utf8=False,
        ),
    )
    return table.combine_chunks(), invalid


def _found_again(text: bytes, shape: RowShape) -> tuple[list[bytes], bytes]:
    """Return the whole rows within the text of a broken one, and what is left of it."""
    lines = text.splitlines(keepends=True)
    if len(lines) < 2:
        return [], text
    lines = [line if line.endswith(b"\n") else line + b"\n" for line in lines]
    rows = [line for line in lines if shape.lines_of_row([line])]
    return rows, b"".join(line for line in lines if line not in rows)


def _leading_id(text: str, header: Sequence[str], id_column: str) -> int | None:
    """Return the classification's id when the row still begins with it."""
    return _known_id(text.partition(",")[0]) if header[0] == id_column else None


def _known_id(text: str) -> int | None:
    """Read an id for the list of rejects, where one that is no int64 is left out."""
    return int(text) if text.isdecimal() and len(text) <= SAFE_DIGITS else None


def _without_blank(cells: Cells) -> Cells:
    """Leave out empty lines, which are no rows."""
    if cells.table.num_columns == 0 or cells.table.num_rows == 0:
        return cells
    filled: NDArray[np.bool_] = np.zeros(cells.table.num_rows, dtype=bool)
    for column in cells.table.columns:
        filled |= pc.not_equal(column, "").to_numpy(zero_copy_only=False)
        if filled.all():
            return cells
    return _select(cells, filled, ())


def _without_nul(cells: Cells, id_column: str) -> Cells:
    marked = np.zeros(cells.table.num_rows, dtype=bool)
    for column in cells.table.columns:
        place = pc.find_substring(column.cast(pa.binary()), pattern=b"\0")
        marked |= place.to_numpy(zero_copy_only=False) >= 0
    detail = "expected text, got NUL bytes, which damaged storage leaves in place of text"
    return _reject(cells, marked, id_column, "NUL bytes", detail)


def _without_large(cells: Cells, id_column: str) -> Cells:
    marked = np.zeros(cells.table.num_rows, dtype=bool)
    for column in cells.table.columns:
        if column.nbytes > MOST_CELL:
            marked |= pc.binary_length(column).to_numpy(zero_copy_only=False) > MOST_CELL
    detail = f"expected cells of at most {MOST_CELL >> 20} MiB"
    return _reject(cells, marked, id_column, "cell too large", detail)


def _reject(
    cells: Cells, marked: NDArray[np.bool_], id_column: str, cause: str, detail: str
) -> Cells:
    if not marked.any():
        return cells
    ids = cells.table[id_column].filter(marked).to_pylist()
    broken = tuple(
        BrokenRow(int(number), cause, detail, _known_id(text))
        for number, text in zip(cells.numbers[marked], ids, strict=True)
    )
    return _select(cells, ~marked, broken)


def _select(cells: Cells, keep: NDArray[np.bool_], broken: tuple[BrokenRow, ...]) -> Cells:
    return Cells(cells.numbers[keep], cells.table.filter(keep), cells.broken + broken, cells.count)
