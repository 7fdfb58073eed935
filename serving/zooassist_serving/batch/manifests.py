"""Which rows does a manifest in the store ask for? KaDE's JSON, CSV, TSV, parquet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.reading_rules import ReadingRules
from zooassist_serving.batch.shard_rows import ShardRow
from zooassist_serving.catalogue.manifest import MANIFEST_SUFFIX, manifest_rows
from zooassist_serving.catalogue.rows import Row
from zooassist_serving.catalogue.tables import open_table


def rows_of_manifest(path: Path, source: Place, rules: ReadingRules) -> Iterator[ShardRow]:
    """Yield one row per entry, however long the manifest; a bad entry is a row with an error.

    Parameters
    ----------
    path : Path
        The manifest on this machine, under its own name.
    source : Place
        Where it came from: relative entries are relative to that.

    Raises
    ------
    BadInput
        When it is no manifest at all, or is damaged on the way.
    """
    try:
        if path.suffix.lower() == MANIFEST_SUFFIX:
            rows: Iterator[Row] = manifest_rows(path, takes=bool)
        else:
            rows = open_table(path).rows()
        for row in rows:
            yield _resolved(row, path, source, rules)
    except BadInput as error:
        # The copy on this machine is nothing that its owner knows.
        raise BadInput(str(error).replace(str(path), source.uri)) from error


def _resolved(row: Row, path: Path, source: Place, rules: ReadingRules) -> ShardRow:
    entry = row.name.removeprefix(path.name).strip()
    if row.error is not None and not row.place:
        return ShardRow(
            source.uri,
            member=entry,
            subject_id=row.subject_id,
            id_str=row.id_str,
            frame=row.frame,
            error=row.error,
        )
    # Tables put their own folder before what is relative.
    text = row.place.removeprefix(f"{path.parent}/")
    error = row.error
    place = f"{source.uri}#{text}"
    if error is None:
        try:
            place = rules.resolve(text, source)
        except BadInput as refused:
            error = str(refused)
    return ShardRow(
        place, subject_id=row.subject_id, id_str=row.id_str, frame=row.frame, error=error
    )
