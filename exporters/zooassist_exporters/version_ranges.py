"""Which workflow versions are meant by ``28.*``, ``27.1-28.30`` or ``12.10``?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from zooassist_exporters.workflows import Version
from zooassist_plugin.errors import BadInput

ANY: Final = "*"
# No workflow gets that far.
LAST: Final = 2**31


@dataclass(frozen=True)
class VersionRanges:
    """Workflow versions: what was asked for, and pairs of the first and the last that is meant.

    Versions are pairs of integers, never fractions: 12.10 is the tenth minor version of 12, and
    neither 12.1 nor 12.100.
    """

    text: str
    ranges: tuple[tuple[Version, Version], ...]

    @classmethod
    def parse(cls, text: str) -> VersionRanges:
        """Read a comma-separated list.

        Raises
        ------
        BadInput
            When a part of it is no version or range.

        Examples
        --------
        >>> "28.7" in VersionRanges.parse("28.*"), "12.1" in VersionRanges.parse("12.10,13")
        (True, False)
        """
        return cls(text, tuple(_range(part.strip(), text) for part in text.split(",")))

    def __contains__(self, text: object) -> bool:
        version = Version.parse(text) if isinstance(text, str) else None
        return version is not None and any(first <= version <= last for first, last in self.ranges)

    def __str__(self) -> str:
        return self.text


def _range(part: str, text: str) -> tuple[Version, Version]:
    low, dash, high = part.partition("-")
    first, last = _end(low, 0, text), _end(high if dash else low, LAST, text)
    if first > last:
        raise BadInput(f"--versions: expected the smaller version first, got {part!r}")
    return first, last


def _end(text: str, minor: int, whole: str) -> Version:
    """Read a version whose minor number may be left open: ``28`` and ``28.*`` are all of 28."""
    major, _, rest = text.strip().partition(".")
    if major.isdecimal() and (rest.isdecimal() or rest in ("", ANY)):
        return Version(int(major), int(rest) if rest.isdecimal() else minor)
    raise BadInput(f"--versions: expected 28.30, 28.* or 27.1-28.30, got {whole!r}")
