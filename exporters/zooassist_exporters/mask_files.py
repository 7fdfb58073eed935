"""How do consensus masks get into files? PNG maps per frame and tables about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from zooassist_exporters.reductions.masks.consensus import Consensus
from zooassist_exporters.training_set_layout import MASKS, mask_name

CONSENSUS: Final = "consensus.parquet"
CONTOURS: Final = "contours.parquet"

# One row per frame and class, also for classes that nobody agreed on in the frame.
CONSENSUS_SCHEMA: Final = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("number", pa.int32(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("needed", pa.int32()),
        pa.field("volunteers", pa.int32(), nullable=False),
        pa.field("drawn_by", pa.int32(), nullable=False),
        pa.field("area", pa.int64(), nullable=False),
        pa.field("objects", pa.int32(), nullable=False),
        pa.field("agreement", pa.float64(), nullable=False),
    ]
)
# One row per frame, class and level of agreement; the geometry is GeoJSON in natural pixels.
CONTOURS_SCHEMA: Final = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("number", pa.int32(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("level", pa.int32(), nullable=False),
        pa.field("volunteers", pa.int32(), nullable=False),
        pa.field("share", pa.float64(), nullable=False),
        pa.field("geometry", pa.string(), nullable=False),
    ]
)
ROWS_AT_ONCE: Final = 1000


class TableFile:
    """A parquet file that is written in pieces."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema
        self._rows: list[Mapping[str, Any]] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row, together with others."""
        self._rows.append(row)
        if len(self._rows) >= ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait."""
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


@contextmanager
def table_file(path: Path, schema: pa.Schema) -> Iterator[TableFile]:
    """Open a table for writing; it is whole only when the block ends."""
    with pq.ParquetWriter(path, schema) as writer:
        table = TableFile(writer, schema)
        yield table
        table.flush()


def write_maps(found: Consensus, staging: Path, subject_id: int, frame: int) -> Path:
    """Write label map, agreement and instances of a frame; return the path of the label map."""
    (staging / MASKS).mkdir(exist_ok=True)
    path = staging / mask_name(subject_id, frame)
    _write_png(found.labels, path)
    _write_png(found.agreement, staging / mask_name(subject_id, frame, "agreement"))
    _write_png(found.instances, staging / mask_name(subject_id, frame, "instances"))
    return path


def _write_png(values: NDArray[np.uint8] | NDArray[np.uint16], path: Path) -> None:
    """Write a greyscale PNG of 8 or 16 bits, as the array has."""
    Image.fromarray(values).save(path, "PNG")
