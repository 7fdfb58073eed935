"""What is the sha256 of a file, and which files did an artefact come from?"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Source:
    """A file that went into an artefact: its name without folders, digest and size in bytes."""

    name: str
    sha256: str
    size: int

    @classmethod
    def of(cls, path: Path) -> Source:
        """Describe a file on disk."""
        return cls(path.name, sha256_of(path), path.stat().st_size)

    def to_json(self) -> Mapping[str, Any]:
        """Return the entry of ``sources`` in a manifest."""
        return {"name": self.name, "sha256": self.sha256, "bytes": self.size}
