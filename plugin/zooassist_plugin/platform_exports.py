"""How do we get an export? Reuse the ready one, request at most one a day, wait, download."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from zooassist_plugin.errors import Refused
from zooassist_plugin.http_session import PlatformRefused

if TYPE_CHECKING:
    from zooassist_plugin.panoptes import Panoptes

# Panoptes cancels a second job within 24 hours and leaves its state at "creating" for ever.
EXPORT_INTERVAL = timedelta(hours=24)
READY = ("ready", "finished")


@dataclass(frozen=True)
class Export:
    """One export; `state` is ``creating``, ``ready``, ``finished``, ``failed`` or ``requeued``."""

    state: str
    url: str
    updated_at: datetime


def describe(panoptes: Panoptes, resource: str, identifier: int, kind: str) -> Export | None:
    """Return the last export, or None when there never was one.

    Parameters
    ----------
    resource : str
        ``workflows``, ``projects`` or ``subject_sets``.
    kind : str
        ``classifications``, ``subjects`` or ``workflows``.
    """
    try:
        body, _ = panoptes.call("GET", f"/{resource}/{identifier}/{kind}_export")
    except PlatformRefused as error:
        if error.status != 404:
            raise
        # 404 stands for "never requested" and for "no such project": the resource itself tells.
        panoptes.resource(resource, identifier)
        return None
    media = body["media"][0]
    return Export(
        state=str((media.get("metadata") or {}).get("state", "")),
        url=str(media.get("src") or ""),
        updated_at=datetime.fromisoformat(media["updated_at"]),
    )


def request(panoptes: Panoptes, resource: str, identifier: int, kind: str) -> None:
    """Ask for a new export; at most once per day (see `EXPORT_INTERVAL`)."""
    body = {"media": {"content_type": "text/csv"}}
    panoptes.call("POST", f"/{resource}/{identifier}/{kind}_export", json=body)


def fetch(
    panoptes: Panoptes,
    resource: str,
    identifier: int,
    kind: str,
    out: Path,
    *,
    max_age: timedelta = EXPORT_INTERVAL,
    wait: float = 3600.0,
    poll: float = 2.0,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Path:
    """Bring an export into the file `out` (UTF-8 CSV, unpacked).

    A ready export younger than `max_age` is used again; otherwise one is requested, unless one is
    being made already.

    Parameters
    ----------
    wait, poll : float
        Seconds to wait for the export at most, and between two looks.

    Raises
    ------
    Refused
        When the export fails, is not ready in time, or cannot be downloaded.
    """
    name = f"the {kind} export of {resource[:-1]} {identifier}"
    found = describe(panoptes, resource, identifier, kind)
    age = timedelta.max if found is None else now() - found.updated_at
    if found is None or found.state not in READY or age >= max_age:
        # One that is being made is waited for, unless it was dropped so long ago that another
        # request is allowed again.
        making = found is not None and found.state not in (*READY, "failed")
        if not making or age >= EXPORT_INTERVAL:
            request(panoptes, resource, identifier, kind)
        found = _wait(panoptes, resource, identifier, kind, wait, poll, name)
    _download(panoptes, found.url, out, name)
    return out


def _wait(
    panoptes: Panoptes,
    resource: str,
    identifier: int,
    kind: str,
    wait: float,
    poll: float,
    name: str,
) -> Export:
    deadline = time.monotonic() + wait
    while True:
        found = describe(panoptes, resource, identifier, kind)
        if found is not None and found.state in READY:
            return found
        if found is not None and found.state == "failed":
            raise Refused(f"{name} failed on the server; request it again in the project builder")
        if time.monotonic() >= deadline:
            state = "absent" if found is None else repr(found.state)
            raise Refused(
                f"{name} is still {state} after {wait:.0f} s. Panoptes makes one export per day "
                "and drops further requests without a word; run again later, or download the last "
                "one from the project builder and give the file"
            )
        time.sleep(poll)


def _download(panoptes: Panoptes, url: str, out: Path, name: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file, panoptes.media.get(url, stream=True) as response:
            if response.status_code != 200:
                raise Refused(
                    f"{name}: expected the file, got status {response.status_code}; its address "
                    "is valid for a few minutes only, run again"
                )
            for chunk in response.iter_content(2**20):
                file.write(chunk)
        temporary.replace(out)
    except requests.RequestException as error:
        raise Refused(
            f"{name}: the download broke off ({type(error).__name__}); run again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
