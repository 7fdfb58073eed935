"""Can an output be written where it shall go? Asked before the work, not after it."""

from __future__ import annotations

import os
from pathlib import Path

from zooassist_plugin.errors import BadInput


def check_parent(out: Path) -> None:
    """Make sure that the folder which will hold `out` is there and can be written.

    One rule for all commands: they make the file or folder that is named, never the folders
    above it, so that a mistyped path is an error and not a new tree.

    Raises
    ------
    BadInput
        When the folder is not there, is a file, or is not this account's to write.
    """
    parent = out.absolute().parent
    if not parent.is_dir():
        found = "found a file" if parent.exists() else "found none; make it first"
        raise BadInput(f"{parent}: expected a folder to write {out.name} into, {found}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise BadInput(
            f"{parent}: this account may not write {out.name} there; choose another folder, or "
            "mend its permissions"
        )
