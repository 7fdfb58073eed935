"""Which object is meant? A place in a bucket or folder, and the version of it that was seen."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Final

from zooassist_plugin.errors import BadInput

S3: Final = "s3://"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object lies.

    Attributes
    ----------
    bucket : str
        Empty for a file of this machine.
    key : str
        As the store has it, not encoded; a path where there is no bucket.
    """

    bucket: str
    key: str

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read ``s3://bucket/key`` or a path; whatever follows the bucket is the key as it is.

        Raises
        ------
        BadInput
        """
        if not text.startswith(S3):
            if not text or "\0" in text or "://" in text:
                raise BadInput(f"expected s3://bucket/key or a path, got {text[:200]!r}")
            return cls("", text)
        bucket, _, key = text.removeprefix(S3).partition("/")
        if len(bucket) < 3:
            raise BadInput(f"expected s3://bucket/key, got {text[:200]!r}")
        return cls(bucket, key)

    @property
    def uri(self) -> str:
        """The text that `parse` reads."""
        return f"{S3}{self.bucket}/{self.key}" if self.bucket else self.key

    @property
    def name(self) -> str:
        """Last part of the key."""
        return posixpath.basename(self.key.rstrip("/"))

    def child(self, name: str) -> Place:
        """Return a place inside this one."""
        return Place(self.bucket, f"{self.key.rstrip('/')}/{name}" if self.key else name)

    def beside(self, relative: str) -> Place:
        """Return what a relative path in this object's folder means.

        Raises
        ------
        BadInput
            When it climbs out of the bucket, or is absolute.
        """
        folder = posixpath.dirname(self.key)
        key = posixpath.normpath(posixpath.join(folder, relative))
        if relative.startswith("/") or key.startswith("../") or key in ("..", ".", ""):
            raise BadInput(f"{relative[:200]!r}: expected a path inside the bucket; mend it")
        return Place(self.bucket, key)

    def is_below(self, prefix: Place) -> bool:
        """Whether this lies under a prefix."""
        return self.bucket == prefix.bucket and self.key.startswith(prefix.key)


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it was when somebody told of it or looked at it.

    Attributes
    ----------
    etag : str
        Without quotes; empty when it is not known.
    version : str
        Of buckets that keep versions, else empty.
    size : int or None
        Bytes.
    """

    place: Place
    etag: str = ""
    version: str = ""
    size: int | None = None

    @property
    def state(self) -> str:
        """What tells this content from another under the same key: the version, else the ETag."""
        return self.version if self.version not in ("", "null") else self.etag
