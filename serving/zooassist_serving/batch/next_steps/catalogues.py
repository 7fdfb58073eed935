"""How do the parts of a job become one file? Row group by row group, in the parts' order."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.committing import Success
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.results import parts_of
from zooassist_serving.batch.stores.store import Store


def write_catalogue(success: Success, out: Place, store: Store) -> None:
    """Write all rows of a job into one parquet or CSV file; memory holds one part.

    Raises
    ------
    BadInput
        When a part is not what `_SUCCESS` says.
    """
    with tempfile.TemporaryDirectory(prefix="zooassist-") as folder:
        path = Path(folder) / "catalogue"
        writer: pq.ParquetWriter | pa.csv.CSVWriter | None = None
        try:
            for table in parts_of(store, success):
                if writer is None:
                    is_csv = out.key.endswith(".csv")
                    kind = pa.csv.CSVWriter if is_csv else pq.ParquetWriter
                    lists = [f.name for f in table.schema if pa.types.is_fixed_size_list(f.type)]
                    if is_csv and lists:
                        raise BadInput(
                            f"{out.uri}: CSV holds no lists ({lists[0]}); write .parquet"
                        )
                    writer = kind(path, table.schema)
                # One job has one model: the schemas differ in an unused id_str at most.
                writer.write_table(_like(table, writer.schema))
        finally:
            if writer is not None:
                writer.close()
        store.put(out, path.read_bytes())


def _like(table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = [
        table.column(field.name)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
