"""Real exports made long: their rows again and again, with ids of their own.

Annotations and metadata stay those of the real rows, so there are as few distinct annotations as
in the sample. Users, subjects and classifications are as many as in a project of that size.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path

Row = dict[str, str]
USERS = 5_000
ANONYMOUS = 0.2
# Stand where a row's own ids go; no export holds them.
MARKS = ("\x01id\x01", "\x01name\x01", "\x01user\x01", "\x01subject\x01")


class ScaledExport:
    """Rows of an export, drawn at random and renumbered.

    Parameters
    ----------
    source : Path
        A real export, gzip-compressed.
    per_subject : int
        Classifications of each subject.
    wanted : callable
        Which of the real rows are drawn from.
    """

    def __init__(
        self, source: Path, per_subject: int, wanted: Callable[[Row], bool] = lambda row: True
    ) -> None:
        csv.field_size_limit(2**31 - 1)
        with gzip.open(source, "rt", encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if wanted(row)]
        self.header = list(rows[0])
        self.workflow_id = int(rows[0]["workflow_id"])
        self._per_subject = per_subject
        self._parts = [self._cut(row) for row in rows]

    def lines(self, count: int) -> Iterator[bytes]:
        """Yield the header and `count` rows."""
        yield _line(self.header)
        draw = random.Random(1)
        for number in range(count):
            user = draw.randrange(USERS)
            anonymous = draw.random() < ANONYMOUS
            values = {
                MARKS[0]: str(100_000_000 + number),
                MARKS[1]: f"not-logged-in-{user:020x}" if anonymous else f"volunteer{user}",
                MARKS[2]: "" if anonymous else str(user + 1),
                MARKS[3]: str(1_000_000 + number // self._per_subject),
            }
            parts = self._parts[draw.randrange(len(self._parts))]
            yield "".join([values.get(part, part) for part in parts]).encode()

    def write(self, path: Path, count: int) -> int:
        """Write an export of `count` rows; return its size in bytes."""
        with path.open("wb", buffering=1 << 20) as stream:
            stream.writelines(self.lines(count))
        return path.stat().st_size

    def _cut(self, row: Row) -> list[str]:
        subject = row["subject_ids"]
        marked = row | {
            "classification_id": MARKS[0],
            "user_name": MARKS[1],
            "user_id": MARKS[2],
            "subject_ids": MARKS[3],
            "subject_data": row["subject_data"].replace(f'"{subject}"', f'"{MARKS[3]}"', 1),
        }
        text = _line([marked[column] for column in self.header]).decode()
        parts = [text]
        for mark in MARKS:
            parts = [piece for part in parts for piece in _around(part, mark)]
        return parts


def _around(text: str, mark: str) -> Iterator[str]:
    for number, piece in enumerate(text.split(mark)):
        if number:
            yield mark
        yield piece


def _line(cells: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
