"""Which store has this place? S3 is reached when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.stores.local import LocalStore
from zooassist_serving.batch.stores.store import Looked, Store

if TYPE_CHECKING:
    from zooassist_serving.batch.stores.s3 import S3Options


class Stores:
    """All stores as one; safe to use from several threads.

    Parameters
    ----------
    options : callable, optional
        Says how S3 is reached, when it is; the defaults of boto3 otherwise.
    """

    def __init__(self, options: Callable[[], S3Options] | None = None) -> None:
        self._options = options
        self._local = LocalStore()
        self._s3: Store | None = None
        self._lock = threading.Lock()

    def of(self, place: Place) -> Store:
        """Return the store of a place."""
        if not place.bucket:
            return self._local
        with self._lock:
            if self._s3 is None:
                # Imported here: folders need no boto3.
                from zooassist_serving.batch.stores.s3 import S3Options, S3Store

                self._s3 = S3Store((self._options or S3Options)())
            return self._s3

    def read(self, seen: Seen, limit: int) -> bytes:
        """See `Store.read`."""
        return self.of(seen.place).read(seen, limit)

    def download(self, seen: Seen, path: Path, limit: int) -> None:
        """See `Store.download`."""
        self.of(seen.place).download(seen, path, limit)

    def look(self, place: Place) -> Looked | None:
        """See `Store.look`."""
        return self.of(place).look(place)

    def put_new(self, place: Place, data: bytes, metadata: Mapping[str, str]) -> bool:
        """See `Store.put_new`."""
        return self.of(place).put_new(place, data, metadata)

    def put(self, place: Place, data: bytes) -> None:
        """See `Store.put`."""
        self.of(place).put(place, data)

    def list(self, prefix: Place) -> Iterator[Seen]:
        """See `Store.list`."""
        return self.of(prefix).list(prefix)

    def presign(self, place: Place, seconds: int) -> str | None:
        """See `Store.presign`."""
        return self.of(place).presign(place, seconds)
