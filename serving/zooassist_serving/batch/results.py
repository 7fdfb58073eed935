"""What are the results under a prefix? Only what `_SUCCESS` files name, and the newest of each."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.committing import MAX_PART_BYTES, Success, read_success
from zooassist_serving.batch.jobs import SUCCESS
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.stores.store import Store


def finished_jobs(store: Store, prefix: Place) -> list[Success]:
    """Return the finished jobs below a prefix, of each object and model the newest.

    An object that was replaced, or predicted again with another version of a model, has a job for
    each state; the older ones stay, and are not read.
    """
    newest: dict[tuple[str, str], Success] = {}
    for seen in store.list(prefix):
        if seen.place.name != SUCCESS:
            continue
        folder = Place(seen.place.bucket, seen.place.key.removesuffix(f"/{SUCCESS}"))
        success = read_success(store, folder)
        if success is None:
            continue
        said = success.content
        key = (said["source"]["uri"], said["model"]["name"])
        if key not in newest or said["created_at"] > newest[key].content["created_at"]:
            newest[key] = success
    return list(newest.values())


def parts_of(store: Store, success: Success) -> Iterator[pa.Table]:
    """Yield the parts of a finished job, in order.

    Raises
    ------
    BadInput
        When a part is not the one that was committed.
    """
    for part in success.parts:
        place = success.folder.child(part.name)
        content = store.read(Seen(place), MAX_PART_BYTES)
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise BadInput(
                f"{place.uri}: expected the part that was committed (sha256 {part.sha256[:12]}…), "
                "got another content; remove the job's folder and predict it again"
            )
        yield pq.read_table(io.BytesIO(content))


def read_results(store: Store, prefix: Place) -> pa.Table:
    """Return all rows of all finished jobs below a prefix.

    Raises
    ------
    BadInput
        When there is none.
    """
    tables = [table for job in finished_jobs(store, prefix) for table in parts_of(store, job)]
    if not tables:
        raise BadInput(f"{prefix.uri}: expected finished jobs, found none")
    return pa.concat_tables(tables, promote_options="default")
