"""How does a worker serve a repository? Its releases on one data plane, followed while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from zooassist_plugin.errors import BadInput
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.models_to_serve import ModelsToServe, SkippedModel
from zooassist_serving.model_folder import ModelFolder
from zooassist_serving.repository.following import Follower
from zooassist_serving.repository.opening import open_repository
from zooassist_serving.repository.releases import ReleasedPlane, Releases

NOTHING = "no version is active; `zooassist model activate` makes one active"


@dataclass(frozen=True)
class Repository:
    """Which repository is served, and how.

    Attributes
    ----------
    only : tuple of str
        These models; all by default.
    memory : int or None
        Bytes of the graphs in memory; see `ModelPool`.
    """

    address: str
    only: tuple[str, ...] = ()
    memory: int | None = None


class Problems(Sequence[SkippedModel]):
    """What is not served as its release says, as it is now."""

    def __init__(self, releases: Releases) -> None:
        self._releases = releases

    @overload
    def __getitem__(self, place: int) -> SkippedModel: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[SkippedModel]: ...

    def __getitem__(self, place: int | slice) -> SkippedModel | Sequence[SkippedModel]:
        """Return one of them, or some."""
        return self._now()[place]

    def __len__(self) -> int:
        return len(self._releases.problems)

    def __iter__(self) -> Iterator[SkippedModel]:
        return iter(self._now())

    def _now(self) -> list[SkippedModel]:
        return [SkippedModel(name, reason) for name, reason in self._releases.problems]


def open_releases(
    repository: Repository,
    make: Callable[[type[DataPlane], bool], DataPlane],
    on_active: Callable[[ModelFolder], None],
) -> Follower:
    """Load what the releases say, and follow them from now on.

    Parameters
    ----------
    make : callable
        Class, and whether metrics count it -> an empty data plane.
    on_active : callable
        Told of every version that begins to answer.

    Raises
    ------
    BadInput
        When no model can be served at all.
    """
    plane = make(ReleasedPlane, True)
    releases = Releases(
        open_repository(repository.address),
        plane,
        maker=make(DataPlane, True),
        quiet=make(DataPlane, False),
        budget=repository.memory,
        only=repository.only,
        on_active=on_active,
    )
    releases.follow()
    if not plane.names:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in releases.problems)
        raise BadInput(f"{repository.address}: no model can be served: {reasons or NOTHING}")
    return Follower(releases).start()


def find_released(repository: Repository) -> ModelsToServe:
    """Verify what the releases say, before a worker begins: S3 is asked once for all of them.

    Raises
    ------
    BadInput
        When no model can be served.
    Refused
        When S3 does not answer.
    """
    store = open_repository(repository.address)
    folders, skipped = [], []
    for name in repository.only or store.names():
        try:
            release = store.read(name).release
            if release is not None:
                folders.append(store.folder(name, release.active))
            elif repository.only:
                raise BadInput(f"model {name}: {NOTHING}")
        except BadInput as error:
            skipped.append(SkippedModel(name, str(error)))
    if not folders:
        reason = skipped[0].reason if skipped else NOTHING
        raise BadInput(f"{repository.address}: no model can be served: {reason}")
    return ModelsToServe(tuple(folders), tuple(skipped))
