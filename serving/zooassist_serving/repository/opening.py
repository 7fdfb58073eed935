"""Which repository does an address mean? A folder of this machine, or a prefix in S3."""

from __future__ import annotations

import os
from pathlib import Path

from zooassist_plugin.errors import BadInput
from zooassist_serving.repository.local_store import LocalStore
from zooassist_serving.repository.release import RELEASE_FILE
from zooassist_serving.repository.s3_store import S3Place, S3Store
from zooassist_serving.repository.store import Store


def open_repository(
    address: str, *, cache: Path | None = None, endpoint_url: str | None = None
) -> Store:
    """Open a repository of models.

    Parameters
    ----------
    address : str
        A folder, or ``s3://bucket/prefix``.
    cache : Path, optional
        Where versions from S3 are kept; `default_cache` by default.
    endpoint_url : str, optional
        An S3 server other than AWS.

    Raises
    ------
    BadInput
        When the address is neither.
    """
    if address.startswith("s3://"):
        place = S3Place.parse(address)
        return S3Store(place, cache or default_cache(), endpoint_url=endpoint_url)
    if "://" in address:
        raise BadInput(f"{address[:200]}: expected a folder or s3://bucket/prefix")
    root = Path(address)
    if root.exists() and not root.is_dir():
        raise BadInput(f"{address}: expected a folder of models, found a file")
    return LocalStore(root)


def is_repository(address: str) -> bool:
    """Say whether an address is that of a repository, and not of a folder of model folders."""
    return address.startswith("s3://") or any(Path(address).glob(f"*/{RELEASE_FILE}"))


def default_cache() -> Path:
    """Return where copies of models are kept: ``~/.cache/zooassist/models``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "zooassist" / "models"
