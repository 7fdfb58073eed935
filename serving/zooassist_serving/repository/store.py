"""What must a place do to hold a repository of models?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import CARD_FILE
from zooassist_serving.model_folder import ModelFolder
from zooassist_serving.repository.release import Release


@dataclass(frozen=True)
class Stamped:
    """A release, and the stamp of the very bytes that it was read from.

    Attributes
    ----------
    release : Release or None
        None when nothing was activated yet.
    stamp : str
        Changes with every change; "" where there is no file.
    """

    release: Release | None
    stamp: str


class ChangedMeanwhile(Exception):
    """Somebody else replaced the release after it was read; read it again."""


class Store(Protocol):
    """A folder or a bucket; every method may be called from several processes at a time.

    Methods raise `BadInput` for what is not sound, and `Refused` when the other side does not
    answer.
    """

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        ...

    def names(self) -> tuple[str, ...]:
        """Return the models that have a folder here, sorted."""
        ...

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the whole versions of a model, sorted."""
        ...

    def read(self, name: str) -> Stamped:
        """Return a model's release."""
        ...

    def replace(self, name: str, release: Release, stamp: str) -> None:
        """Replace a model's release by another, in one step.

        Raises
        ------
        ChangedMeanwhile
            When the release no longer has that stamp.
        """
        ...

    def folder(self, name: str, version: str) -> ModelFolder:
        """Return a version's folder on this machine, verified."""
        ...

    def add(self, folder: ModelFolder) -> bool:
        """Keep a copy of a verified model folder; returns whether it is new."""
        ...


def check_is(folder: ModelFolder, name: str, version: str) -> ModelFolder:
    """Return a folder that holds what its place says.

    Raises
    ------
    BadInput
        When it holds another model.
    """
    if (folder.card.name, folder.card.version) != (name, version):
        raise BadInput(
            f"{folder.path}: expected model {name} {version}, as its place says, found "
            f"{folder.card.name} {folder.card.version}; add the model again"
        )
    return folder


def files_of(folder: ModelFolder) -> tuple[Path, ...]:
    """Return the files of a model folder in the order in which they are copied: the card last.

    A version without its card is not there yet, however much of it is.
    """
    files = [path for path in folder.path.iterdir() if path.is_file() and path.name[0] != "."]
    return tuple(sorted(files, key=lambda path: (path.name == CARD_FILE, path.name)))
