"""How do a row's bytes get here? Files are read when they are needed, URLs fetched ahead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final

from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_serving.catalogue.rows import Row
from zooassist_serving.dataplane import Item

if TYPE_CHECKING:
    import requests

# Enough to hide the round trips, few enough to be polite to the host of the images.
FETCHERS: Final = 16


class Reader:
    """Makes items of rows; used as a context manager, which ends its threads and connections.

    Parameters
    ----------
    fetchers : int
        URLs in flight at once, over all callers.
    limit : int, optional
        Largest file in bytes that is fetched; by default `media.MAX_MEDIA_BYTES`.
    """

    def __init__(self, fetchers: int = FETCHERS, limit: int | None = None) -> None:
        self._fetchers, self._limit = fetchers, limit
        self._pool: ThreadPoolExecutor | None = None
        # requests' sessions are not made to be shared between threads.
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        for session in self._sessions:
            session.close()

    def items(self, rows: Sequence[Row]) -> list[Item]:
        """Return the rows as items; what is remote is on its way from now on."""
        return [Item(row.name, self._bytes_of(row), row.subject_id, row.frame) for row in rows]

    def _bytes_of(self, row: Row) -> Callable[[], bytes]:
        if row.error is not None:
            return partial(_fail, BadInput(row.error))
        if row.is_remote:
            return self._fetching().submit(self._fetch, row.place).result
        return partial(_read, row.place)

    def _fetching(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._fetchers, thread_name_prefix="fetch")
            return self._pool

    def _fetch(self, url: str) -> bytes:
        # Imported here: most catalogues are of files, and need not wait for an HTTP library.
        from zooassist_plugin import media

        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = media.media_session()
            with self._lock:
                self._sessions.append(session)
        try:
            return media.download(session, url, self._limit or media.MAX_MEDIA_BYTES)
        except ItemFailed as error:
            # The row has the address for its name; once is enough.
            raise BadInput(f"{error.reason}; {error.remedy}") from error


def _read(place: str) -> bytes:
    with open(place, "rb", buffering=0) as file:  # noqa: PTH123 - half the cost of Path's
        return file.read()


def _fail(error: BadInput) -> bytes:
    raise error
