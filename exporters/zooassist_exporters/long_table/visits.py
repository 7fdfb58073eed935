"""Who classified what, when, in which workflow? The cells of many rows decoded column by column."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from zooassist_exporters.cell_values import (
    BLANK,
    BadCell,
    filled,
    moment,
    subject_number,
    whole_number,
)
from zooassist_exporters.cells import SAFE_DIGITS, Cells
from zooassist_exporters.classifications import TRUE
from zooassist_exporters.vote_records import Integers

UTC_SUFFIX: Final = " UTC"
SECOND: Final = timedelta(microseconds=1)
EPOCH: Final = moment("1970-01-01 00:00:00 UTC")
USER_BITS: Final = 62


@dataclass(frozen=True)
class Visits:
    """The decoded cells of whole rows, one entry per row.

    Attributes
    ----------
    numbers : array
        Row numbers as in `Cells`.
    created : array
        Microseconds since 1970 UTC.
    users : array
        62 bits of a digest of the user id, name or address hash; negative, and different for
        every row, where there is none of them.
    versions : list of str
        The distinct workflow versions; `version_codes` says which of them each row has.
    bad : dict
        Row -> why it cannot be used; the entries of such a row mean nothing.
    """

    numbers: Integers
    classification_ids: Integers
    workflow_ids: Integers
    subject_ids: Integers
    created: Integers
    users: Integers
    version_codes: Integers
    versions: list[str]
    bad: Mapping[int, BadCell] = field(default_factory=dict)


def text_column(cells: Cells, name: str) -> pa.Array:
    """Return a column with "" for blank cells, and for a column that the file lacks."""
    if name not in cells.table.column_names:
        return pa.array([""] * cells.table.num_rows, pa.string())
    column = _one_chunk(cells.table[name])
    blank = pc.is_in(column, pa.array(BLANK[1:]))
    return pc.if_else(blank, "", column) if pc.any(blank).as_py() else column


def decode_visits(cells: Cells) -> Visits:
    """Decode what every rule asks for."""
    bad: dict[int, BadCell] = {}
    ids = _numbers(_one_chunk(cells.table["classification_id"]), _id, bad)
    workflows = _numbers(_one_chunk(cells.table["workflow_id"]), _workflow, bad)
    subjects = _numbers(_one_chunk(cells.table["subject_ids"]), subject_number, bad)
    created = _moments(_one_chunk(cells.table["created_at"]), bad)
    versions = text_column(cells, "workflow_version").dictionary_encode()
    return Visits(
        numbers=cells.numbers,
        classification_ids=ids,
        workflow_ids=workflows,
        subject_ids=subjects,
        created=created,
        users=_users(cells),
        version_codes=versions.indices.to_numpy().astype(np.int64),
        versions=versions.dictionary.to_pylist(),
        bad=bad,
    )


def gold_standard(cells: Cells) -> NDArray[np.bool_]:
    """Say which rows are experts' gold standard."""
    lower = pc.utf8_lower(text_column(cells, "gold_standard"))
    return pc.is_in(lower, pa.array(TRUE)).to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def microseconds(when: datetime) -> int:
    """Return a moment as `Visits.created` has it."""
    return (when - EPOCH) // SECOND


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _id(text: str) -> int:
    return whole_number(text, "classification_id")


def _workflow(text: str) -> int:
    return whole_number(text, "workflow_id")


def _numbers(column: pa.Array, read: Callable[[str], int], bad: dict[int, BadCell]) -> Integers:
    """Read a column of ids at once where all are plain digits, else one by one."""
    longest = pc.max(pc.binary_length(column)).as_py() or 0
    if longest <= SAFE_DIGITS and pc.all(pc.ascii_is_decimal(column)).as_py():
        return column.cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]
    return _one_by_one(column, read, bad)


def _moments(column: pa.Array, bad: dict[int, BadCell]) -> Integers:
    if pc.all(pc.ends_with(column, UTC_SUFFIX)).as_py():
        texts = pc.binary_slice(column.cast(pa.binary()), 0, -len(UTC_SUFFIX)).cast(pa.string())
        try:
            return texts.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()  # type: ignore[no-any-return]
        except pa.ArrowInvalid:
            pass  # one of them is no time: find out which
    return _one_by_one(column, lambda text: microseconds(moment(text)), bad)


def _one_by_one(column: pa.Array, read: Callable[[str], int], bad: dict[int, BadCell]) -> Integers:
    values = np.zeros(len(column), dtype=np.int64)
    for row, text in enumerate(column.to_pylist()):
        try:
            values[row] = read(text)
        except BadCell as found:
            bad.setdefault(row, found)
    return values


def _users(cells: Cells) -> Integers:
    """Give each volunteer a number made of a digest, so that pieces read apart agree on it."""
    user_id, name = text_column(cells, "user_id"), text_column(cells, "user_name")
    user = pc.if_else(pc.equal(user_id, ""), name, user_id)
    unknown = pc.equal(user, "")
    if pc.any(unknown).as_py():
        user = pc.if_else(unknown, text_column(cells, "user_ip"), user)
    encoded = _one_chunk(user).dictionary_encode()
    numbers = np.array([_digest(text) for text in encoded.dictionary.to_pylist()], dtype=np.int64)
    users: Integers = numbers[encoded.indices.to_numpy()]
    nobody = users < 0
    users[nobody] = -1 - cells.numbers[nobody]
    return users


@lru_cache(maxsize=1 << 16)
def _digest(text: str) -> int:
    if not filled(text):
        return -1
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) >> (64 - USER_BITS)
