"""Which rows does a whole folder or prefix stand for? All that is in it, but for manifests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard
from zooassist_serving.batch.expanding import Limits, rows_of_object
from zooassist_serving.batch.object_kinds import EXPECTED, kind_of
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.reading_rules import ReadingRules
from zooassist_serving.batch.shard_rows import ShardRow
from zooassist_serving.batch.stores.store import Store

# What is taken out of a folder; a manifest there names what lies beside it, most often.
TAKEN = ("image", "archive", "stack", "volume")


def seen_source(argument: str, store: Store) -> Seen:
    """Say what an argument means: one object, or a folder with a digest of its listing.

    Raises
    ------
    BadInput
        When nothing is there.
    """
    place = Place.parse(argument)
    if place.key and not place.key.endswith("/"):
        looked = _looked(place, store)
        if looked is not None:
            return looked
    folder = _folder(place)
    digest, count = hashlib.sha256(), 0
    for seen in _taken(folder, store):
        digest.update(f"{seen.place.key}\0{seen.state}\n".encode("utf-8", "surrogateescape"))
        count += 1
    if not count:
        raise BadInput(f"{argument}: expected {EXPECTED}, found none; check the path")
    return Seen(folder, etag=digest.hexdigest()[:32])


def rows_of_source(
    source: Seen, card: ModelCard, store: Store, rules: ReadingRules, limits: Limits
) -> Iterator[ShardRow]:
    """Yield the rows of an object or of a folder.

    Raises
    ------
    BadInput
        When the one object cannot be opened; in a folder such an object is a row that failed.
    """
    if not source.place.key.endswith("/"):
        yield from rows_of_object(source, card, store, rules, limits)
        return
    for seen in _taken(source.place, store):
        try:
            yield from rows_of_object(seen, card, store, rules, limits)
        except BadInput as error:
            yield ShardRow(seen.place.uri, error=str(error))


def objects_of(argument: str, store: Store) -> Iterator[Seen]:
    """Yield the object that an argument names, or all below the prefix that it is.

    Manifests too: each is told of by itself.
    """
    place = Place.parse(argument)
    looked = None if not place.key or place.key.endswith("/") else _looked(place, store)
    if looked is not None:
        yield looked
        return
    yield from store.list(_folder(place) if not place.bucket or place.key else place)


def _looked(place: Place, store: Store) -> Seen | None:
    try:
        looked = store.look(place)
    except BadInput:
        # A folder of this machine cannot be opened as a file.
        return None
    return None if looked is None else looked.seen


def _folder(place: Place) -> Place:
    key = place.key.rstrip("/")
    return Place(place.bucket, f"{key}/" if key or not place.bucket else "/")


def _taken(folder: Place, store: Store) -> Iterator[Seen]:
    prefix = Place(folder.bucket, "") if folder.bucket and folder.key == "/" else folder
    for seen in store.list(prefix):
        if kind_of(seen.place.name) in TAKEN:
            yield seen
