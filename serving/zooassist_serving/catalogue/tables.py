"""Which rows does a table ask for? CSV, TSV or parquet with a column of paths or URLs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from zooassist_plugin.errors import BadInput
from zooassist_serving.catalogue.rows import Row, is_url, printable, row_of

DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}
TABLE_SUFFIXES: Final = {*DELIMITERS, ".parquet"}
# Names of a column of images, best first; `file_loc` is that of Zoobot's training catalogues.
IMAGE_COLUMNS: Final = (
    "image",
    "image_path",
    "image_url",
    "file_loc",
    "file",
    "file_path",
    "filename",
    "path",
    "url",
    "location",
    "png_loc",
)
ID_COLUMN: Final = "id_str"
SUBJECT_COLUMN: Final = "subject_id"
BATCH_ROWS: Final = 2048
CSV_BLOCK_BYTES: Final = 2**20


@dataclass(frozen=True)
class Table:
    """A table whose columns have been found; nothing of its rows is read yet.

    Attributes
    ----------
    image, id_str, subject_id : str or None
        Names of its columns.
    total : int or None
        Number of rows, where the file says so itself.
    """

    path: Path
    image: str
    id_str: str | None
    subject_id: str | None
    total: int | None

    def rows(self) -> Iterator[Row]:
        """Yield a row per line of the table, batch by batch.

        Raises
        ------
        BadInput
            When the file turns out to be damaged on the way.
        """
        folder, number = self.path.parent, 0
        refused: list[str] = []
        wanted = [each for each in (self.image, self.id_str, self.subject_id) if each is not None]
        read = _parquet_batches if self.path.suffix.lower() == ".parquet" else _csv_batches
        try:
            for batch in read(self.path, wanted, refused):
                columns = {name: batch.column(i).to_pylist() for i, name in enumerate(wanted)}
                blank: list[Any] = [None] * batch.num_rows
                for place, id_str, subject in zip(
                    columns[self.image],
                    columns.get(self.id_str or "", blank),
                    columns.get(self.subject_id or "", blank),
                    strict=True,
                ):
                    number += 1
                    yield self._row(folder, number, place, id_str, subject)
                yield from self._refused(refused)
            yield from self._refused(refused)
        except (pa.ArrowException, OSError) as error:
            raise BadInput(
                f"{self.path}: cannot be read after row {number}: {_one_line(error)}; "
                "write the table again"
            ) from error

    def _row(
        self,
        folder: Path,
        number: int,
        place: bytes | None,
        id_str: bytes | None,
        subject: bytes | None,
    ) -> Row:
        text = os.fsdecode(place).strip() if place else ""
        name = printable(os.fsdecode(id_str)) if id_str else None
        try:
            # A number column with gaps is written with a point: 5678.0.
            written = os.fsdecode(subject).removesuffix(".0") if subject else ""
            subject_id = int(written) if written else None
        except ValueError:
            return Row(
                "",
                f"{self.path.name} row {number}",
                id_str=name,
                error=f"expected a number as {self.subject_id}, got {written[:40]!r}; mend it",
            )
        if not text:
            return Row(
                "",
                f"{self.path.name} row {number}",
                subject_id,
                name,
                error=f"expected a path or URL in column {self.image!r}, got an empty cell; "
                "fill it in or leave the row out",
            )
        place_ = text if is_url(text) else os.path.join(folder, text)  # noqa: PTH118
        return row_of(place_, subject_id=subject_id, id_str=name)

    def _refused(self, refused: list[str]) -> Iterator[Row]:
        for said in refused:
            yield Row("", f"{self.path.name}", error=f"{said}; mend that line")
        refused.clear()


def open_table(path: Path, image_column: str | None = None) -> Table:
    """Find the columns of a table.

    Parameters
    ----------
    image_column : str, optional
        Name of the column of paths or URLs; else the first of `IMAGE_COLUMNS` that is there.

    Raises
    ------
    BadInput
        When the file is no table, or has no such column.
    """
    try:
        names, total = _names(path)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path}: cannot be read as a table: {_one_line(error)}") from error
    repeated = {name for name in names if names.count(name) > 1}
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    if image_column is not None:
        found = image_column if image_column in names else None
        expected = f"a column {image_column!r}"
    else:
        found = next((by_lower[each] for each in IMAGE_COLUMNS if each in by_lower), None)
        expected = f"a column of images, named {', '.join(IMAGE_COLUMNS[:-1])} or png_loc"
    if found is None or found in repeated:
        raise BadInput(
            f"{path}: expected {expected}, {'once, ' if found else ''}got "
            f"{', '.join(map(repr, names[:20])) or 'none'}; name it with --image-column"
        )
    others = {each: by_lower.get(each) for each in (ID_COLUMN, SUBJECT_COLUMN)}
    used = {each: name for each, name in others.items() if name is not None and name != found}
    if repeated & set(used.values()):
        raise BadInput(
            f"{path}: expected each column once, got {sorted(repeated)[0]!r} twice; rename one"
        )
    return Table(path, found, used.get(ID_COLUMN), used.get(SUBJECT_COLUMN), total)


def _names(path: Path) -> tuple[list[str], int | None]:
    if path.suffix.lower() == ".parquet":
        with pq.ParquetFile(path) as file:
            return list(file.schema_arrow.names), file.metadata.num_rows
    with _open_csv(path, None, lambda row: "skip") as reader:
        return list(reader.schema.names), None


def _open_csv(
    path: Path, columns: Sequence[str] | None, on_invalid: Callable[[Any], str]
) -> pa.csv.CSVStreamingReader:
    # As bytes: a file name need not be text.
    types = dict.fromkeys(columns or (), pa.binary())
    return pa.csv.open_csv(
        path,
        read_options=pa.csv.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES),
        parse_options=pa.csv.ParseOptions(
            delimiter=DELIMITERS[path.suffix.lower()],
            newlines_in_values=True,
            invalid_row_handler=on_invalid,
        ),
        convert_options=pa.csv.ConvertOptions(
            include_columns=list(columns or ()), column_types=types
        ),
    )


def _csv_batches(
    path: Path, columns: Sequence[str], refused: list[str]
) -> Iterator[pa.RecordBatch]:
    def remember(row: Any) -> str:  # noqa: ANN401
        refused.append(
            f"expected {row.expected_columns} cells, got {row.actual_columns} in the line "
            f"{row.text[:60]!r}"
        )
        return "skip"

    with _open_csv(path, columns, remember) as reader:
        yield from reader


def _parquet_batches(
    path: Path, columns: Sequence[str], refused: list[str]
) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
            # By name: parquet keeps its own order of columns.
            arrays = [_as_bytes(batch.column(name)) for name in columns]
            yield pa.record_batch(arrays, names=list(columns))


def _as_bytes(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return column
    return column.cast(pa.string()).cast(pa.binary())


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
