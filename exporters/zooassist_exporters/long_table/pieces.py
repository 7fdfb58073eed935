"""Which annotations do classifications hold? Each distinct annotation is decoded once.

Panoptes writes annotations as one JSON list per row. Volunteers give few distinct answers, so the
lists are split into annotations as text, equal texts are put together, and only then is JSON read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from zooassist_exporters.cell_values import BadCell, annotation_list

Integers = NDArray[np.int64]

# Beginning of the list and text between two annotations, as Panoptes and as Python write it. The
# second cannot occur within a JSON string, where a quote has a backslash before it.
STYLES: Final = (('[{"task":', '},{"task":'), ('[{"task": ', '}, {"task": '))
END: Final = "}]"


@dataclass
class Pieces:
    """The annotations of some rows.

    Attributes
    ----------
    rows, codes : arrays, one entry per annotation
        The row, and the position in `annotations`; annotations of a row in their order.
    annotations : list of dict
        The distinct annotations.
    whole : dict
        Row -> its annotations, for rows whose list could not be split as text.
    bad : dict
        Row -> why its annotations cannot be used.
    """

    rows: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    codes: Integers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    annotations: list[dict[str, Any]] = field(default_factory=list)
    whole: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    bad: dict[int, BadCell] = field(default_factory=dict)


def split_annotations(column: pa.StringArray) -> Pieces:
    """Split the annotation lists of all rows.

    A text that was split wrongly, because a drawing holds ``{"task": ...}`` too, leaves parts that
    are no JSON objects: then the row's list is decoded as a whole.
    """
    pieces = Pieces()
    left = np.ones(len(column), dtype=bool)
    for start, between in STYLES:
        chosen = left & _as_written(column, start)
        if chosen.any():
            left[chosen] = False
            _split(pieces, column, chosen, start, between, left)
    for row in np.flatnonzero(left).tolist():
        try:
            pieces.whole[row] = annotation_list(column[row].as_py())
        except BadCell as bad:
            pieces.bad[row] = bad
    return pieces


def _as_written(column: pa.StringArray, start: str) -> NDArray[np.bool_]:
    marked = pc.and_(pc.starts_with(column, start), pc.ends_with(column, END))
    return marked.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _split(
    pieces: Pieces,
    column: pa.StringArray,
    chosen: NDArray[np.bool_],
    start: str,
    between: str,
    left: NDArray[np.bool_],
) -> None:
    """Add the annotations of the chosen rows; rows that cannot be split are marked in `left`."""
    numbers = np.flatnonzero(chosen)
    texts = column if len(numbers) == len(column) else column.filter(pa.array(chosen))
    bodies = pc.binary_slice(texts.cast(pa.binary()), len(start), -len(END))
    lists = pc.split_pattern(bodies, between)
    rows = numbers[pc.list_parent_indices(lists).to_numpy()]
    encoded = pc.list_flatten(lists).dictionary_encode()
    codes = encoded.indices.to_numpy().astype(np.int64)
    read = [_annotation(text) for text in encoded.dictionary.to_pylist()]
    wrong = np.array([annotation is None for annotation in read], dtype=bool)
    if wrong.any():
        left[rows[wrong[codes]]] = True
        keep = ~left[rows]
        rows, codes = rows[keep], codes[keep]
    offset = len(pieces.annotations)
    pieces.rows = np.concatenate([pieces.rows, rows])
    pieces.codes = np.concatenate([pieces.codes, codes + offset])
    pieces.annotations += [annotation or {} for annotation in read]


def _annotation(text: bytes) -> dict[str, Any] | None:
    """Decode what stands between ``{"task":`` and ``}``; None when it is no one object."""
    try:
        value = orjson.loads(b'{"task":' + text + b"}")
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value["task"], str) else None
