"""How do we get an export? Reuse the ready one, request at most one a day, wait, download."""

from __future__ import annotations

import logging
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
from zooassist_plugin.output_paths import check_output_file

if TYPE_CHECKING:
    from zooassist_plugin.panoptes import Panoptes

logger = logging.getLogger(__name__)

# Panoptes cancels a second job within 24 hours and leaves its state at "creating" for ever.
EXPORT_INTERVAL = timedelta(hours=24)
READY = ("ready", "finished")
SECONDS_BETWEEN_LINES = 30.0


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
    say: Callable[[str], None] = logger.info,
) -> Path:
    """Bring an export into the file `out` (UTF-8 CSV, unpacked).

    A ready export younger than `max_age` is used again; otherwise one is requested, unless one is
    being made already.

    Parameters
    ----------
    wait, poll : float
        Seconds to wait for the export at most, and between two looks.
    say : callable
        Takes a line: which export is used again, and every half minute what is waited for.

    Raises
    ------
    BadInput
        When `out` cannot be written, or its folder is not there.
    Refused
        When the export fails, is not ready in time, or cannot be downloaded; and when a newer one
        than the ready one is wanted before Panoptes would make it.
    """
    check_output_file(out, ".csv")
    name = f"the {kind} export of {resource[:-1]} {identifier}"
    found = describe(panoptes, resource, identifier, kind)
    age = timedelta.max if found is None else now() - found.updated_at
    if found is not None and found.state in READY and age < EXPORT_INTERVAL:
        _use_again(found, age, max_age, name, say)
    elif found is None or found.state not in READY or age >= max_age:
        # One that is being made is waited for, unless it was dropped so long ago that another
        # request is allowed again.
        making = found is not None and found.state not in (*READY, "failed")
        if making and age < EXPORT_INTERVAL:
            say(f"{name} is being made already; waiting for up to {wait:.0f} s")
        else:
            request(panoptes, resource, identifier, kind)
            say(f"{name} is requested; waiting for up to {wait:.0f} s")
        found = _wait(panoptes, resource, identifier, kind, wait, poll, name, say)
    else:
        say(f"using {name} of {_hour(found.updated_at)}; what came later is not in it")
    download_file(panoptes.media, found.url, out, name)
    return out


def _use_again(
    found: Export, age: timedelta, max_age: timedelta, name: str, say: Callable[[str], None]
) -> None:
    """Say that a ready export is used again, or refuse to ask for another one too soon.

    A request that Panoptes drops would also take away the export that is ready.
    """
    made, free = _hour(found.updated_at), _hour(found.updated_at + EXPORT_INTERVAL)
    if age >= max_age:
        raise Refused(
            f"{name} was made at {made}, and Panoptes makes one per day: the next can be requested "
            f"from {free} on. Run again then, or take this one with a longer --max-age"
        )
    say(
        f"using {name} of {made}; what came later is not in it. Panoptes makes one per day, the "
        f"next from {free} on"
    )


def _hour(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _wait(
    panoptes: Panoptes,
    resource: str,
    identifier: int,
    kind: str,
    wait: float,
    poll: float,
    name: str,
    say: Callable[[str], None],
) -> Export:
    began = told = time.monotonic()
    while True:
        found = describe(panoptes, resource, identifier, kind)
        if found is not None and found.state in READY:
            return found
        if found is not None and found.state == "failed":
            raise Refused(f"{name} failed on the server; request it again in the project builder")
        state, now = "absent" if found is None else repr(found.state), time.monotonic()
        if now >= began + wait:
            raise Refused(
                f"{name} is still {state} after {wait:.0f} s. Panoptes makes one export per day "
                "and drops further requests without a word; run again later, or download the last "
                "one from the project builder and give the file"
            )
        if now >= told + SECONDS_BETWEEN_LINES:
            told = now
            say(f"{name} is {state}, {now - began:.0f} of {wait:.0f} s")
        time.sleep(poll)


def download_file(session: requests.Session, url: str, out: Path, name: str) -> None:
    """Bring a file into `out`, which appears when it is whole.

    Parameters
    ----------
    session : Session
        One that sends no token: the address itself is the permission.
    name : str
        What it is, for messages.

    Raises
    ------
    Refused
        When the file cannot be had.
    """
    temporary = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file, session.get(url, stream=True) as response:
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
