"""How is this sandbox set up? One frozen record, passed to everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path


def utc_now() -> datetime:
    """Return the present moment; tests inject another clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class SandboxConfig:
    """Everything that distinguishes one sandbox from another.

    Attributes
    ----------
    state : Path
        Folder for media, export files, keys and (by default) the SQLite file.
    public_url : str
        Scheme, host and port that appear in every URL the sandbox hands out, without a trailing
        slash: ``http://127.0.0.1:3735``, or the TLS proxy's address in front of it.
    listen_url : str
        The address listened on, where that is known; see `addresses`.
    database_url : str
        SQLAlchemy URL; empty means a SQLite file in `state`.
    clock : callable
        Returns an aware UTC datetime. Expiries, export limits and timestamps all ask it.
    token_lifetime, upload_lifetime, export_interval : int
        Seconds. Defaults are Panoptes' own: 2 h, 20 min, 24 h.
    export_delay : float
        Seconds an export stays in the state ``creating`` at least.
    subject_limit : int
        Subjects one user may upload before 403 (help.zooniverse.org states 10,000).
    callback_timeout : float
        Seconds Caesar waits for an external extractor, reducer or effect.
    retry_scale : float
        Multiplies Caesar's retry delays (count^8 + 15 s); tests use a small one.
    """

    state: Path
    public_url: str
    listen_url: str = ""
    database_url: str = ""
    clock: Callable[[], datetime] = field(default=utc_now, repr=False)
    token_lifetime: int = 7200
    upload_lifetime: int = 1200
    export_interval: int = 86_400
    export_delay: float = 0.0
    subject_limit: int = 10_000
    callback_timeout: float = 60.0
    retry_scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "public_url", self.public_url.rstrip("/"))
        if not self.database_url:
            object.__setattr__(self, "database_url", f"sqlite:///{self.state / 'sandbox.sqlite'}")
