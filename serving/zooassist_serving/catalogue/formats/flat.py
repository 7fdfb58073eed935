"""zooassist's own predictions file, as parquet or CSV: one row per image, the failed ones too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from zooassist_plugin.errors import BadInput
from zooassist_serving.catalogue.formats.output_format import Format
from zooassist_serving.predictions import arrow_schema

PARTS_PER_GROUP: Final = 16


class _FlatFormat(Format):
    """Rows with the columns of `arrow_schema`."""

    summarised = True

    @property
    def schema(self) -> pa.Schema:
        """Columns of the file."""
        return arrow_schema(self.card, self.options.embedding, with_ids=self.options.with_ids)

    def tables(self, parts: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
        """Yield the rows as they are written, some parts at a time."""
        schema, waiting = self.schema, []
        for part in parts:
            waiting.append(self._filled(part, schema))
            if len(waiting) == PARTS_PER_GROUP:
                yield pa.Table.from_batches(waiting, schema)
                waiting = []
        if waiting:
            yield pa.Table.from_batches(waiting, schema)

    def _filled(self, part: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        constant = {"model": self.card.name, "model_version": self.card.version}
        arrays = [
            pa.repeat(constant[field.name], part.num_rows)
            if field.name in constant
            else part.column("name" if field.name == "image" else field.name)
            for field in schema
        ]
        return pa.record_batch(arrays, schema=schema)


class ParquetFormat(_FlatFormat):
    """The predictions file of zooassist."""

    suffixes = (".parquet",)

    def write(self, parts: Iterable[pa.RecordBatch], out: Path) -> list[str]:
        """Write row groups of some thousand rows."""
        texts = [each.name for each in self.schema if pa.types.is_string(each.type)]
        # Numbers repeat too seldom for a dictionary, and trying costs more than the rest.
        with pq.ParquetWriter(out, self.schema, compression="zstd", use_dictionary=texts) as writer:
            for table in self.tables(parts):
                writer.write_table(table)
        return []


class CsvFormat(_FlatFormat):
    """The same columns as comma-separated text; an empty cell is no value."""

    suffixes = (".csv",)

    def check(self) -> None:
        """Refuse lists, which CSV has no word for."""
        if self.options.embedding is not None:
            raise BadInput("--embedding: CSV holds no lists; write parquet, or leave it out")

    def write(self, parts: Iterable[pa.RecordBatch], out: Path) -> list[str]:
        """Write line by line."""
        with pa.csv.CSVWriter(out, self.schema) as writer:
            for table in self.tables(parts):
                writer.write_table(table)
        return []
