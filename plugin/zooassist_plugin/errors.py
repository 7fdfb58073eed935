"""The one family of errors: what was expected, what came, where, and what to do."""

from __future__ import annotations


class ZooassistError(Exception):
    """An error a person can act on; the command line prints its text and exits with `exit_code`."""

    exit_code = 2


class BadInput(ZooassistError):
    """A file, folder, option or record that cannot be used as given (exit code 2)."""


class MissingExtra(ZooassistError):
    """A command needs an optional dependency that is not installed (exit code 2)."""


class Refused(ZooassistError):
    """The other side (Panoptes, Caesar, a store) answered no, or did not answer (exit code 3)."""

    exit_code = 3


class ItemFailed(ZooassistError):
    """One item of many failed; the rest goes on and the command ends with exit code 1.

    Parameters
    ----------
    item : str
        Names the item as the user knows it: ``subject 5678``, ``images/g1.png``.
    reason : str
        What was expected and what came.
    remedy : str
        What the user can do about it.
    """

    exit_code = 1

    def __init__(self, item: str, reason: str, remedy: str) -> None:
        self.item, self.reason, self.remedy = item, reason, remedy
        super().__init__(f"{item}: {reason}; {remedy}")
