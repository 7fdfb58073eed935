"""How does the image of each subject get into a training set? Fetched or copied once, checked."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Protocol

import requests

from zooassist_exporters.image_check import ALSO_CALLED, SUFFIXES, image_suffix
from zooassist_exporters.problems import Problem, ProblemList
from zooassist_exporters.training_set_layout import IMAGES
from zooassist_plugin import media
from zooassist_plugin.errors import BadInput, ItemFailed

# Enough to hide the round trips, few enough to be polite to the host of the images.
THREADS: Final = 8
FRAME: Final = 0


@dataclass(frozen=True)
class Wanted:
    """A subject whose image is wanted; `hints` are names that its file may have."""

    subject_id: int
    metadata: Mapping[str, Any]
    hints: tuple[str, ...] = ()


class ImageSource(Protocol):
    """Where images come from."""

    def read(self, wanted: Wanted) -> bytes:
        """Return the image file of a subject; raises `ItemFailed` when there is none."""


class SubjectMedia:
    """Images fetched from the addresses in a subject export; frame 0 of each subject."""

    def __init__(self, locations: Mapping[int, tuple[str, ...]]) -> None:
        self._locations = locations
        # requests' sessions are not made to be shared between threads.
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()

    def __enter__(self) -> SubjectMedia:
        return self

    def __exit__(self, *error: object) -> None:
        for session in self._sessions:
            session.close()

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = media.media_session()
            with self._lock:
                self._sessions.append(session)
        return session

    def read(self, wanted: Wanted) -> bytes:
        """Fetch with timeouts and retries."""
        urls = self._locations.get(wanted.subject_id)
        if not urls:
            raise ItemFailed(
                f"subject {wanted.subject_id}",
                "the subject export has no location for it",
                "give the subject export of the same project, made after the classifications",
            )
        return media.download(self._session(), urls[FRAME])


class FolderImages:
    """Images of a folder: named by subject id, or as some metadata value of the subject says.

    Raises
    ------
    BadInput
        When the folder does not exist.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise BadInput(f"{folder}: expected a folder of images, found none")
        self._folder = folder
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        self._by_path = {path.relative_to(folder).as_posix(): path for path in files}
        self._by_name: dict[str, Path] = {}
        self._by_stem: dict[str, Path] = {}
        for path in files:
            self._by_name.setdefault(path.name, path)
            if path.suffix.lower() in (*SUFFIXES, *ALSO_CALLED):
                self._by_stem.setdefault(path.stem, path)

    def find(self, wanted: Wanted) -> Path | None:
        """Return the file of a subject: a hint, a metadata value, or ``<subject id>.<suffix>``."""
        values = [value for value in wanted.metadata.values() if isinstance(value, str) and value]
        for text in (*wanted.hints, *values):
            found = self._by_path.get(text) or self._by_name.get(text.rsplit("/", 1)[-1])
            if found is not None:
                return found
        return self._by_stem.get(str(wanted.subject_id))

    def read(self, wanted: Wanted) -> bytes:
        """Read the subject's file."""
        path = self.find(wanted)
        if path is None:
            named = wanted.hints[0] if wanted.hints else f"{wanted.subject_id}.*"
            raise ItemFailed(
                f"subject {wanted.subject_id}",
                f"expected an image {named} in {self._folder}, found none",
                "name the file after the subject id, or as one of the subject's metadata says",
            )
        try:
            return path.read_bytes()
        except OSError as error:
            raise ItemFailed(
                f"subject {wanted.subject_id}",
                f"cannot read {path}: {error.strerror}",
                "check the file's permissions",
            ) from error


@dataclass(frozen=True)
class StagedImages:
    """Images that lie checked in a training set's staging folder, by subject id."""

    paths: Mapping[int, Path]
    reused: int


def stage_images(
    wanted: Iterable[Wanted],
    source: ImageSource,
    staging: Path,
    problems: ProblemList,
    done: Callable[[], None] = lambda: None,
    threads: int = THREADS,
) -> StagedImages:
    """Bring every subject's image into the staging folder, once.

    An image that an earlier, interrupted run left there is kept if it is still whole. A subject
    whose image cannot be had is a problem; the rest goes on.

    Parameters
    ----------
    done : callable
        Called once per subject, for a progress bar.
    threads : int
        How many images are in flight.
    """
    folder = staging / IMAGES
    paths: dict[int, Path] = {}
    reused = 0
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for item, future in _in_flight(pool, wanted, source, folder, 4 * threads):
            try:
                paths[item.subject_id], kept = future.result()
                reused += kept
            except ItemFailed as error:
                problems.add(
                    Problem(
                        f"subject {item.subject_id}",
                        "no image",
                        error.reason if error.item.startswith("subject") else str(error),
                        error.remedy,
                    )
                )
            done()
    return StagedImages(paths, reused)


def _in_flight(
    pool: ThreadPoolExecutor,
    wanted: Iterable[Wanted],
    source: ImageSource,
    folder: Path,
    most: int,
) -> Iterator[tuple[Wanted, Future[tuple[Path, bool]]]]:
    """Keep at most `most` fetches waiting, so that a million subjects do not fill the memory."""
    items = iter(wanted)
    running: dict[Future[tuple[Path, bool]], Wanted] = {}
    while True:
        for item in islice(items, most - len(running)):
            running[pool.submit(_stage, item, source, folder)] = item
        if not running:
            return
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            yield running.pop(future), future


def _stage(wanted: Wanted, source: ImageSource, folder: Path) -> tuple[Path, bool]:
    """Return the subject's file, and whether it was there before."""
    present = _present(folder, wanted.subject_id)
    if present is not None:
        return present, True
    data = source.read(wanted)
    try:
        suffix = image_suffix(data)
    except BadInput as error:
        reason, _, remedy = str(error).rpartition("; ")
        raise ItemFailed(f"subject {wanted.subject_id}", reason, remedy) from error
    target = folder / f"{wanted.subject_id}{suffix}"
    temporary = folder / f".{wanted.subject_id}{suffix}"
    temporary.write_bytes(data)
    os.replace(temporary, target)  # noqa: PTH105
    return target, False


def _present(folder: Path, subject_id: int) -> Path | None:
    """Return an image that an earlier attempt finished; they get their name only when checked."""
    for suffix in SUFFIXES:
        path = folder / f"{subject_id}{suffix}"
        if path.is_file():
            return path
    return None
