"""Is this a name of a model, or of a version? Anything else never becomes part of a path or key."""

from __future__ import annotations

import re

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import NAME_PATTERN

VERSION_PATTERN = r"^[0-9a-f]{16}$"
SHORTEST = 4
"""Digits of a version that a person has to type at least."""

_name, _version = re.compile(NAME_PATTERN), re.compile(VERSION_PATTERN)
_prefix = re.compile(rf"^[0-9a-f]{{{SHORTEST},16}}$")


def is_name(text: str) -> bool:
    """Say whether a model may be called so."""
    # `$` also matches before a line's end; a name has none.
    return _name.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Say whether a version may be called so: 16 hexadecimal digits."""
    return _version.fullmatch(text) is not None


def check_name(text: str) -> str:
    """Return a model's name.

    Raises
    ------
    BadInput
        When it is none: with ``..``, slashes or anything else that has a meaning in paths.
    """
    if not is_name(text):
        raise BadInput(
            f"model {text[:80]!r}: expected a name of small letters, digits, - and _, such as "
            "galaxy-zoo"
        )
    return text


def check_version(text: str) -> str:
    """Return a version.

    Raises
    ------
    BadInput
        When it is none.
    """
    if not is_version(text):
        raise BadInput(
            f"version {text[:80]!r}: expected 16 hexadecimal digits; `zooassist model list` shows "
            "the versions"
        )
    return text


def split_argument(text: str) -> tuple[str, str]:
    """Read ``galaxy-zoo`` or ``galaxy-zoo@4f1c``: a model's name, and the start of a version or "".

    Raises
    ------
    BadInput
        When either is none.
    """
    name, at, start = text.partition("@")
    check_name(name)
    if at and not _prefix.fullmatch(start):
        raise BadInput(
            f"version {start[:80]!r}: expected {SHORTEST} to 16 hexadecimal digits of a version; "
            "`zooassist model list` shows the versions"
        )
    return name, start


def choose_version(name: str, start: str, versions: tuple[str, ...]) -> str:
    """Return the one version that starts so.

    Raises
    ------
    BadInput
        When none does, or several do.
    """
    found = [version for version in versions if version.startswith(start)]
    if len(found) != 1:
        listed = ", ".join(found or versions) or "none"
        raise BadInput(
            f"model {name}: expected one version that starts with {start!r}, found {len(found)}; "
            f"choose one of {listed}"
        )
    return found[0]
