"""How do we get everything that Caesar holds about a workflow? As one file, made on request."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from zooassist_plugin.caesar import Caesar
from zooassist_plugin.errors import Refused
from zooassist_plugin.http_session import timed_session
from zooassist_plugin.platform_exports import download_file

KINDS: Final = ("extracts", "subject_reductions", "user_reductions")
READY: Final = "complete"
ENDED: Final = ("failed", "canceling", "canceled")


@dataclass(frozen=True)
class DataRequest:
    """One request; `status` is ``pending``, ``processing``, ``complete``, ``failed``…

    Attributes
    ----------
    url : str
        Where the file is, "" before it is complete.
    records : int or None
        Rows in the file, as far as Caesar says.
    """

    request_id: int
    status: str
    url: str
    records: int | None


def fetch_data(
    caesar: Caesar,
    workflow_id: int,
    kind: str,
    out: Path,
    *,
    wait: float = 3600.0,
    poll: float = 2.0,
    tell: Callable[[str], None] = lambda status: None,
) -> DataRequest:
    """Ask Caesar for a file, wait for it, and bring it into `out` (CSV with ``data.*`` columns).

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    wait, poll : float
        Seconds to wait at most, and between two looks.
    tell : callable
        Gets the status at every look.

    Raises
    ------
    Refused
        When the request fails, is not ready in time, or the file cannot be downloaded.
    """
    if kind not in KINDS:
        raise ValueError(f"expected one of {KINDS}, got {kind!r}")
    path = f"/workflows/{workflow_id}/data_requests"
    request = _request(caesar.call("POST", path, {"data_request": {"requested_data": kind}}))
    name = f"Caesar's {kind.replace('_', ' ')} of workflow {workflow_id}"
    deadline = time.monotonic() + wait
    while request.status != READY or not request.url:
        tell(request.status)
        if request.status in ENDED:
            raise Refused(f"{name}: the request {request.status}; run again later")
        if time.monotonic() >= deadline:
            raise Refused(
                f"{name}: still {request.status!r} after {wait:.0f} s; run again with a longer "
                "--wait"
            )
        time.sleep(poll)
        request = _request(caesar.call("GET", f"{path}/{request.request_id}"))
    with timed_session() as session:
        download_file(session, request.url, out, name)
    return request


def _request(row: Any) -> DataRequest:  # noqa: ANN401 - JSON
    try:
        records = row.get("records_count")
        return DataRequest(
            request_id=int(row["id"]),
            status=str(row.get("status") or "pending"),
            url=str(row.get("url") or ""),
            records=None if records is None else int(records),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refused(
            f"Caesar answered a data request with {str(row)[:80]!r}; check that CAESAR_ENDPOINT is "
            "a Caesar server"
        ) from error
