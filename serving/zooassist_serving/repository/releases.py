"""What does a server hold of a repository? It follows the releases, and swaps what has changed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zooassist_plugin.errors import ZooassistError
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.model_folder import ModelFolder
from zooassist_serving.repository.pool import Key, ModelPool
from zooassist_serving.repository.release import Release
from zooassist_serving.repository.released_model import Backing, ReleasedModel
from zooassist_serving.repository.same_answers import check_same_answers
from zooassist_serving.repository.shadow import Shadows
from zooassist_serving.repository.store import Store
from zooassist_serving.served_model import ServedModel

logger = logging.getLogger(__name__)

# Seconds: how often the list of models is read, and how long a release that cannot be served is
# left alone at first and at most.
LISTING, FIRST_PAUSE, LONGEST_PAUSE = 10.0, 1.0, 60.0


class ReleasedPlane(DataPlane):
    """A data plane whose models are releases; they may be out of memory and are ready all the same.

    Every one was loaded and run before it was held.
    """

    def ready(self) -> bool:
        """Whether there is a model at all."""
        return bool(self.names)


@dataclass(frozen=True)
class _Followed:
    stamp: str
    released: ReleasedModel
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Trouble:
    stamp: str
    reason: str
    pause: float
    until: float


class Releases:
    """The releases of a repository, served by a data plane.

    Parameters
    ----------
    plane : DataPlane
        Answers; holds no models at first. A `ReleasedPlane`, where readiness is asked of it.
    maker, quiet : DataPlane
        Make versions and shadows, and hold no model themselves: what they made leaves memory with
        its last user. No metric counts what a shadow predicts.
    budget : int, optional
        See `ModelPool`.
    only : tuple of str
        Serve these models; all by default.
    on_active : callable
        Told of every version that begins to answer.
    clock : callable
        Seconds that never go back.
    """

    def __init__(
        self,
        store: Store,
        plane: DataPlane,
        *,
        maker: DataPlane,
        quiet: DataPlane,
        budget: int | None = None,
        only: tuple[str, ...] = (),
        on_active: Callable[[ModelFolder], None] = lambda folder: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store, self.plane = store, plane
        self._maker, self._quiet, self._only, self._clock = maker, quiet, only, clock
        self._on_active = on_active
        self.pool = ModelPool(store.folder, self._load, budget)
        self.shadows = Shadows(self.pool.lease)
        self._followed: dict[str, _Followed] = {}
        self._trouble: dict[str, _Trouble] = {}
        self._names: Sequence[str] = only
        self._listed: float | None = None

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        """What is not served as its release says: model, and why."""
        followed = list(self._followed.items())
        noted = [(name, problem) for name, each in followed for problem in each.problems]
        return (*((name, each.reason) for name, each in list(self._trouble.items())), *noted)

    def release(self, name: str) -> Release:
        """Return what is served under a model's name.

        Raises
        ------
        BadInput
            When there is no such model.
        """
        self.plane.at(name)
        return self._followed[name].released.release

    def follow(self) -> bool:
        """Look at every release, and serve what has changed; returns whether anything has.

        A version is loaded and run before it answers, and the one before stays until its last
        request is done. A release that cannot be served leaves what was served before, and is
        tried again from time to time. Called by one thread at a time.
        """
        changed = [self._follow_one(name) for name in self._known_names()]
        self.pool.keep_only(set(self._keys()))
        return any(changed)

    def _follow_one(self, name: str) -> bool:
        stamp = ""
        try:
            stamped = self.store.read(name)
            stamp, known = stamped.stamp, self._followed.get(name)
            if stamped.release is None or (known is not None and known.stamp == stamp):
                self._trouble.pop(name, None)
                return False
            trouble = self._trouble.get(name)
            if trouble is not None and trouble.stamp == stamp and self._clock() < trouble.until:
                return False
            followed = self._prepared(name, stamped.release, stamp)
            if name not in self.plane.names:
                self.plane.add(followed.released.folder)
            self._on_active(followed.released.folder)
            self.plane.swap(name, followed.released)
        except ZooassistError as error:
            self._note(name, stamp, str(error))
            return False
        self._followed[name] = followed
        self._trouble.pop(name, None)
        logger.warning("model %s: version %s answers", name, followed.released.release.active)
        for problem in followed.problems:
            logger.error("model %s: %s", name, problem)
        return True

    def _prepared(self, name: str, release: Release, stamp: str) -> _Followed:
        with self.pool.lease(Key(name, release.active)) as model:
            folder = model.folder
        sound: dict[str, float] = {}
        problems: list[str] = []
        for version, share in release.shares.items():
            try:
                with self.pool.lease(Key(name, version)) as model:
                    check_same_answers(folder.card, model.card)
                sound[version] = share
            except ZooassistError as error:
                problems.append(f"version {version} answers nobody: {error}")
        served = release.model_copy(update={"shares": sound})
        backing = Backing(self.pool, self.shadows)
        return _Followed(stamp, ReleasedModel(folder, served, backing), tuple(problems))

    def _note(self, name: str, stamp: str, reason: str) -> None:
        before = self._trouble.get(name)
        again = before is not None and before.stamp == stamp
        pause = min(2 * before.pause, LONGEST_PAUSE) if before and again else FIRST_PAUSE
        if before is None or before.reason != reason:
            logger.error("model %s: its release is not served: %s", name, reason)
        self._trouble[name] = _Trouble(stamp, reason, pause, self._clock() + pause)

    def _known_names(self) -> Sequence[str]:
        if self._only:
            return self._only
        if self._listed is None or self._clock() >= self._listed + LISTING:
            try:
                self._names = self.store.names()
            except ZooassistError as error:
                if self._listed is None:
                    raise
                logger.error("the models of %s cannot be listed: %s", self.store.place, error)
            self._listed = self._clock()
        return self._names

    def _keys(self) -> Sequence[Key]:
        return [
            Key(name, version, is_shadow=version == each.released.release.shadow)
            for name, each in self._followed.items()
            for version in each.released.release.versions
        ]

    def _load(self, folder: ModelFolder, is_shadow: bool) -> ServedModel:
        model = (self._quiet if is_shadow else self._maker).prepare(folder)
        model.warm_up()
        return model
