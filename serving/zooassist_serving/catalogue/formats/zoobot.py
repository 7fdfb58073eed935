"""What Zoobot's own tools write and read: concentrations by `id_str`, as CSV or HDF5.

Failed images are not in the file: readers of these formats expect a number in every cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput, MissingExtra
from zooassist_serving.catalogue.formats.output_format import (
    Format,
    concentrations_of,
    good_rows,
    keys_of,
    samples_in,
)

# Galaxies per chunk of an HDF5 data set.
CHUNK_ROWS: Final = 256


class _ZoobotFormat(Format):
    def check(self) -> None:
        """Refuse features: Zoobot writes them to files of their own."""
        if self.options.embedding is not None:
            raise BadInput(
                "--embedding: Zoobot's prediction files hold none; write parquet, or leave it out"
            )


class ZoobotCsvFormat(_ZoobotFormat):
    """`id_str` and `<answer>_pred`; several samples are a JSON list in the cell."""

    suffixes = (".csv",)

    def write(self, parts: Iterable[pa.RecordBatch], out: Path) -> list[str]:
        """Write line by line."""
        columns = self.card.schema_of_votes.columns
        samples = samples_in(parts, len(columns))
        kind = pa.float32() if samples == 1 else pa.string()
        fields = [pa.field("id_str", pa.string())]
        fields += [pa.field(f"{column}_pred", kind) for column in columns]
        with pa.csv.CSVWriter(out, pa.schema(fields)) as writer:
            for part in map(good_rows, parts):
                values = concentrations_of(part, len(columns))
                cells = [_cells(values[:, :, i]) for i in range(len(columns))]
                arrays = [pa.array(keys_of(part), pa.string()), *cells]
                writer.write_batch(pa.record_batch(arrays, schema=pa.schema(fields)))
        return []


def _cells(values: NDArray[np.floating]) -> pa.Array:
    """Return one column: numbers, or JSON lists of numbers."""
    import pyarrow.compute as pc

    rows, samples = values.shape
    if samples == 1:
        return pa.array(np.ascontiguousarray(values[:, 0]))
    words = pa.array(np.ascontiguousarray(values).reshape(-1)).cast(pa.string())
    offsets = pa.array(np.arange(0, rows * samples + 1, samples, dtype=np.int32))
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, words), ", ")
    return pc.binary_join_element_wise("[", joined, "]", "")


class ZoobotHdf5Format(_ZoobotFormat):
    """Data sets `predictions` (galaxy, answer, forward pass), `id_str` and `label_cols`."""

    suffixes = (".hdf5", ".h5")

    def check(self) -> None:
        """Refuse when h5py is missing, before any work."""
        super().check()
        try:
            import h5py  # noqa: F401
        except ModuleNotFoundError as error:
            raise MissingExtra(
                "--format zoobot-hdf5 needs 'h5py', which is not installed; "
                'run: pip install "zooassist[hdf5]"'
            ) from error

    def write(self, parts: Iterable[pa.RecordBatch], out: Path) -> list[str]:
        """Append part after part; the data sets grow."""
        import h5py

        columns = self.card.schema_of_votes.columns
        samples = samples_in(parts, len(columns))
        text = h5py.string_dtype("utf-8")
        with h5py.File(out, "w") as file:
            predictions = file.create_dataset(
                "predictions",
                shape=(0, len(columns), samples),
                maxshape=(None, len(columns), samples),
                chunks=(CHUNK_ROWS, len(columns), samples),
                dtype="float32",
                compression="gzip",
            )
            ids = file.create_dataset(
                "id_str", shape=(0,), maxshape=(None,), chunks=(CHUNK_ROWS,), dtype=text
            )
            file.create_dataset("label_cols", data=np.array(columns, dtype=object), dtype=text)
            for part in map(good_rows, parts):
                if not part.num_rows:
                    continue
                start, stop = len(ids), len(ids) + part.num_rows
                predictions.resize(stop, axis=0)
                ids.resize(stop, axis=0)
                values = concentrations_of(part, len(columns))
                predictions[start:stop] = values.transpose(0, 2, 1)
                ids[start:stop] = keys_of(part)
        return []
