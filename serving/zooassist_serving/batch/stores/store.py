"""What can be asked of a store, and how does it say no?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from zooassist_plugin.errors import BadInput, Refused
from zooassist_serving.batch.places import Place, Seen

Trouble = Literal["gone", "denied", "changed", "large", "unreadable"]


class ObjectProblem(BadInput):
    """One object cannot be read; others can.

    Parameters
    ----------
    trouble : Trouble
        ``gone``: deleted or never there; ``changed``: replaced since it was seen.
    """

    def __init__(self, trouble: Trouble, message: str) -> None:
        self.trouble = trouble
        super().__init__(message)


class Busy(Refused):
    """The store has trouble that passes: to be tried again later, as a whole."""


@dataclass(frozen=True)
class Looked:
    """What a store says of an object without sending it.

    Attributes
    ----------
    metadata : mapping
        What the writer noted; stores may keep nothing.
    """

    seen: Seen
    metadata: Mapping[str, str] = field(default_factory=dict)


class Store(Protocol):
    """A place for objects.

    Every method raises `ObjectProblem` for what concerns one object, `Busy` for what passes, and
    `Refused` for what no retry mends: credentials, region, clock.
    """

    def read(self, seen: Seen, limit: int) -> bytes:
        """Return an object of at most `limit` bytes, in the state that was seen."""
        ...

    def download(self, seen: Seen, path: Path, limit: int) -> None:
        """Write an object into a file of this machine, in constant memory."""
        ...

    def look(self, place: Place) -> Looked | None:
        """Say what is there; None when nothing is."""
        ...

    def put_new(self, place: Place, data: bytes, metadata: Mapping[str, str]) -> bool:
        """Write an object that appears whole, unless one is there already.

        Returns
        -------
        bool
            Whether it was this call that wrote it.
        """
        ...

    def put(self, place: Place, data: bytes) -> None:
        """Write an object, replacing what is there: for notes that nothing depends on."""
        ...

    def list(self, prefix: Place) -> Iterator[Seen]:
        """Yield what lies below a prefix, in the order of the keys."""
        ...

    def presign(self, place: Place, seconds: int) -> str | None:
        """Return an address at which anybody can read the object for a while, if there is one."""
        ...


def too_large(place: Place, size: int, limit: int) -> ObjectProblem:
    """Explain an object over a limit."""
    return ObjectProblem(
        "large",
        f"{place.uri}: expected at most {limit:,} bytes, got {size:,}; make it smaller, or raise "
        "the limit",
    )


def changed(place: Place) -> ObjectProblem:
    """Explain an object that was replaced."""
    return ObjectProblem(
        "changed", f"{place.uri}: was replaced while it was read; the new one has its own event"
    )


def gone(place: Place) -> ObjectProblem:
    """Explain an object that is not there."""
    return ObjectProblem(
        "gone", f"{place.uri}: expected an object, found none; it was deleted or never written"
    )
