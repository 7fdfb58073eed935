"""How does a folder of this machine hold a repository?"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import CARD_FILE
from zooassist_plugin.output_paths import temporary_beside, writing
from zooassist_serving.model_folder import ModelFolder, load_model_folder
from zooassist_serving.repository.names import check_name, check_version, is_name, is_version
from zooassist_serving.repository.release import MAX_BYTES, RELEASE_FILE, Release, read_release
from zooassist_serving.repository.store import (
    ChangedMeanwhile,
    Stamped,
    check_is,
    files_of,
)

LOCK_FILE = ".release.lock"


class LocalStore:
    """A repository in a folder; changes of one model wait for each other by a lock on a file.

    The release is replaced by a rename, so that a reader sees the one before or the one after. On
    a network file system the lock is the server's business; NFS from version 4 on has it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._root)

    def names(self) -> tuple[str, ...]:
        """Return the models that have a folder here, sorted; see `Store`."""
        return tuple(sorted(path.name for path in _folders(self._root) if is_name(path.name)))

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the whole versions of a model, sorted."""
        found = _folders(self._root / check_name(name))
        return tuple(
            sorted(p.name for p in found if is_version(p.name) and (p / CARD_FILE).is_file())
        )

    def read(self, name: str) -> Stamped:
        """Return a model's release."""
        path = self._release(name)
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return Stamped(None, "")
        except OSError as error:
            raise BadInput(
                f"{path}: cannot be read: {error.strerror}; check who may read it"
            ) from error
        return Stamped(read_release(content, str(path)), hashlib.sha256(content).hexdigest())

    def replace(self, name: str, release: Release, stamp: str) -> None:
        """Replace a model's release by another, in one step; see `Store`."""
        path = self._release(name)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked(name):
                content = path.read_bytes() if path.exists() else b""
                now = hashlib.sha256(content).hexdigest() if content else ""
                if now != stamp:
                    raise ChangedMeanwhile(name)
                temporary = path.with_name(f".{RELEASE_FILE}.{os.getpid()}")
                with temporary.open("wb") as file:
                    file.write(release.to_bytes())
                    file.flush()
                    # A rename that survives a power cut before its content would be an empty file.
                    os.fsync(file.fileno())
                temporary.replace(path)

    def folder(self, name: str, version: str) -> ModelFolder:
        """Return a version's folder, verified."""
        path = self._root / check_name(name) / check_version(version)
        return check_is(load_model_folder(path), name, version)

    def add(self, folder: ModelFolder) -> bool:
        """Keep a copy of a verified model folder; returns whether it is new."""
        out = self._root / folder.card.name / folder.card.version
        with writing(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            if (out / CARD_FILE).exists():
                # The same digest is the same model; a damaged copy is replaced by the sound one.
                try:
                    self.folder(folder.card.name, folder.card.version)
                except BadInput:
                    shutil.rmtree(out)
                else:
                    return False
            temporary = temporary_beside(out)
            temporary.mkdir()
            try:
                for path in files_of(folder):
                    shutil.copyfile(path, temporary / path.name)
                check_is(load_model_folder(temporary), folder.card.name, folder.card.version)
                return _put_in_place(temporary, out)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)

    def _release(self, name: str) -> Path:
        return self._root / check_name(name) / RELEASE_FILE

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with (self._root / name / LOCK_FILE).open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _folders(path: Path) -> list[Path]:
    """Return the folders in a folder; none where there is no folder."""
    try:
        return [each for each in path.iterdir() if each.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise BadInput(
            f"{path}: cannot be read: {error.strerror}; check who may read it"
        ) from error


def _put_in_place(temporary: Path, out: Path) -> bool:
    """Give a finished folder its name; False when another process was faster."""
    try:
        temporary.rename(out)
    except OSError:
        if not (out / CARD_FILE).exists():
            raise
        return False
    return True
