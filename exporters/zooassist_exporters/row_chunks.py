"""Where may an export be cut into pieces that can be read apart from each other?"""

from __future__ import annotations

import csv
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput

# Large enough that one piece keeps a core busy for a good while, small enough for many in memory.
CHUNK: Final = 16 << 20
# What a quote that never closes may swallow before the file is given up.
MOST_ROW: Final = 256 << 20
# What is left of the piece before and stands in front of a piece, if it is no longer than that.
ROOM_FOR_REST: Final = 1 << 20
# Bytes at the end of a piece in which the end of a row is looked for first.
TAIL: Final = 1 << 18
# Lines that are tried before more of the file is read to find the end of a row.
MOST_TRIES: Final = 2_000


class Readable(Protocol):
    """A stream of bytes."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill a buffer as far as there are bytes, and return how many there were."""


class RowShape:
    """Says whether some lines are one whole row of an export.

    Quotes alone cannot say it: a row that lost its end leaves one open, and all that follows
    looks quoted. A whole row has all cells, and a number where the id belongs.

    Parameters
    ----------
    width : int
        Number of columns.
    id_column : int
        Position of the column with the classification's id.
    """

    def __init__(self, width: int, id_column: int) -> None:
        self._width, self._id_column = width, id_column

    def lines_of_row(self, lines: list[bytes]) -> int:
        """Return how many of the lines the first row takes, 0 when it is no whole row."""
        reader = csv.reader(line.decode("utf-8", "zooassist-cp1252") for line in lines)
        try:
            cells = next(reader, [])
        except csv.Error:
            return 0
        if len(cells) != self._width or not cells[self._id_column].strip().isdecimal():
            return 0
        return reader.line_num if lines[reader.line_num - 1].endswith(b"\n") else 0

    def last_end(self, data: bytes) -> int:
        r"""Return where the last whole row in `data` ends; 0 when none is found near the end.

        Examples
        --------
        >>> RowShape(2, 0).last_end(b'1,a\n2,"b\nb"\n3,"c')
        12
        """
        end = data.rfind(b"\n") + 1
        lines: list[bytes] = []
        start = end
        for _ in range(MOST_TRIES):
            if start == 0:
                return 0
            before = data.rfind(b"\n", 0, start - 1) + 1
            lines.insert(0, data[before:start])
            start = before
            taken = self.lines_of_row(lines[:MOST_TRIES])
            if taken:
                return start + sum(map(len, lines[:taken]))
        return 0

    def end_of_rows(self, data: memoryview) -> int:
        """Return the same of a large piece, looking at its end first."""
        size = TAIL
        while size < len(data):
            tail = bytes(data[-size:])
            first = tail.find(b"\n") + 1  # of the line before it, the beginning is missing
            end = self.last_end(tail[first:])
            if end:
                return len(data) - size + first + end
            size *= 16
        return self.last_end(bytes(data))


class Rooms:
    """Memory for pieces, taken again as soon as nobody refers to what was in it.

    A heap that gets and gives back pieces of slightly different sizes grows with the file; fresh
    pages for each piece cost a tenth of the time.

    Parameters
    ----------
    size : int
        Bytes of a room.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._free: deque[NDArray[np.uint8]] = deque()

    def take(self, size: int) -> memoryview:
        """Return memory of at least `size` bytes, whose content is undefined.

        It is free again when the last view of it is gone.
        """
        if size > self._size:
            return np.empty(size, dtype=np.uint8).data
        try:
            room = self._free.pop()
        except IndexError:
            room = np.empty(self._size, dtype=np.uint8)
        # A view of its own, since the room itself stays.
        lent = room.view()
        weakref.finalize(lent, self._free.append, room).atexit = False
        return lent.data


def row_chunks(stream: Readable, shape: RowShape, size: int = CHUNK) -> Iterator[memoryview]:
    """Yield the stream in pieces of about `size` bytes, each of which starts with a row.

    Bytes are read to where they stay: copying them would keep other threads waiting for the
    interpreter's lock.

    Raises
    ------
    BadInput
        When no end of a row is found in `MOST_ROW` bytes.
    """
    rest = b""
    rooms = Rooms(size + ROOM_FOR_REST)
    while True:
        room = rooms.take(len(rest) + size)
        room[: len(rest)] = rest
        read = stream.readinto(room[len(rest) : len(rest) + size])
        if not read:
            break
        whole = room[: len(rest) + read]
        end = shape.end_of_rows(whole)
        rest = bytes(whole[end:])
        if end:
            yield whole[:end]
        elif len(rest) > MOST_ROW:
            raise BadInput(
                f"expected the end of a row within {MOST_ROW >> 20} MiB, found none; "
                "the file is no export, or it was damaged: download it again"
            )
    if rest:
        yield memoryview(rest)
