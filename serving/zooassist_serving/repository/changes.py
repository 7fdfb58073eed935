"""How is a release changed while others change it too? Read, change, replace if unchanged."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zooassist_plugin.errors import BadInput
from zooassist_serving.repository.names import check_name, choose_version
from zooassist_serving.repository.release import (
    Release,
    activated,
    rolled_back,
    with_shadow,
    with_shares,
)
from zooassist_serving.repository.same_answers import check_same_answers
from zooassist_serving.repository.store import ChangedMeanwhile, Store

TRIES = 20


def activate(store: Store, name: str, version: str) -> Release:
    """Make a version of a model the one that answers, after it was verified.

    Of two activations at the same time the later one stands, and the other is in its history.

    Raises
    ------
    BadInput
        When there is no such version, or it is not sound.
    """
    store.folder(name, version)
    return _change(store, name, lambda before: activated(before, version))


def roll_back(store: Store, name: str) -> Release:
    """Make the version before the active one answer again, after it was verified.

    Raises
    ------
    BadInput
        When there is none, it is not sound, or somebody else changed meanwhile what is active:
        what would be undone then is not what was seen.
    """
    seen = _release(store, name)
    back = rolled_back(seen)
    store.folder(name, back.active)

    def undone(before: Release | None) -> Release:
        if before is None or before.active != seen.active:
            now = "nothing" if before is None else before.active
            raise BadInput(
                f"model {name}: {seen.active} was to be rolled back, but meanwhile {now} was made "
                "active; look at `zooassist model list` and roll back again if need be"
            )
        return rolled_back(before)

    return _change(store, name, undone)


def share(store: Store, name: str, shares: Mapping[str, float]) -> Release:
    """Let other versions answer shares of the subjects; without any, the active one answers all.

    Raises
    ------
    BadInput
        When a version is not there, not sound, or answers other questions than the active one.
    """
    active = store.folder(name, _release(store, name).active).card
    for version in shares:
        check_same_answers(active, store.folder(name, version).card)
    return _change(store, name, lambda before: with_shares(_some(before, name), dict(shares)))


def shadow(store: Store, name: str, version: str | None) -> Release:
    """Let a version look at every image too, its answers only logged; None ends that.

    Raises
    ------
    BadInput
        When there is no such version, it is not sound, or it answers already.
    """
    if version is not None:
        store.folder(name, version)
    return _change(store, name, lambda before: with_shadow(_some(before, name), version))


def find_version(store: Store, name: str, start: str) -> str:
    """Return the version of a model that starts so; the active one where nothing is said.

    Raises
    ------
    BadInput
        When there is none, or several.
    """
    if not start:
        return _release(store, name).active
    versions = store.versions(name)
    if not versions:
        raise BadInput(_unknown(store, name))
    return choose_version(name, start, versions)


def _change(store: Store, name: str, change: Callable[[Release | None], Release]) -> Release:
    for _ in range(TRIES):
        before = store.read(name)
        after = change(before.release)
        if after == before.release:
            return after
        try:
            store.replace(name, after, before.stamp)
        except ChangedMeanwhile:
            continue
        return after
    raise BadInput(
        f"model {name}: its release was changed {TRIES} times while it was to be changed; run again"
    )


def _release(store: Store, name: str) -> Release:
    return _some(store.read(check_name(name)).release, name, store)


def _some(release: Release | None, name: str, store: Store | None = None) -> Release:
    if release is None:
        raise BadInput(
            f"model {name}: no version is active; `zooassist model activate` makes one active"
            if store is None or store.versions(name)
            else _unknown(store, name)
        )
    return release


def _unknown(store: Store, name: str) -> str:
    names = ", ".join(store.names()) or "none"
    return f"{store.place}: expected a model {name!r}, found {names}"
