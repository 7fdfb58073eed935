"""Which rows does an object stand for? One image, or all that a manifest or archive holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from zooassist_plugin.model_card import ModelCard
from zooassist_serving.batch.archives import Archive
from zooassist_serving.batch.manifests import rows_of_manifest
from zooassist_serving.batch.object_kinds import kind_of
from zooassist_serving.batch.places import Seen
from zooassist_serving.batch.reading_rules import ReadingRules
from zooassist_serving.batch.shard_rows import ShardRow
from zooassist_serving.batch.stack_pages import StackPages
from zooassist_serving.batch.stores.store import Store


@dataclass(frozen=True)
class Limits:
    """What is not looked into: bytes of one image, and of a file that holds many."""

    image: int
    container: int


def is_single(seen: Seen, card: ModelCard) -> bool:
    """Whether an object is one row, as its name alone tells."""
    kind = kind_of(seen.place.name)
    return kind in ("image", "volume", None) or (kind == "stack" and card.kind == "volume")


def rows_of_object(
    seen: Seen, card: ModelCard, store: Store, rules: ReadingRules, limits: Limits
) -> Iterator[ShardRow]:
    """Yield the rows of an object, as they are read.

    Raises
    ------
    BadInput
        When it cannot be opened, or is damaged on the way.
    """
    kind = kind_of(seen.place.name)
    one = ShardRow(seen.place.uri, etag=seen.etag, version=seen.version)
    if is_single(seen, card):
        yield replace(one, error=_misfit(seen, card))
        return
    with _on_this_machine(seen, store, limits.container) as path:
        if kind == "manifest":
            yield from rows_of_manifest(path, seen.place, rules)
        elif kind == "archive":
            with Archive(path, seen.place.uri, limits.image) as archive:
                for member in archive.members():
                    error = member.error or _misfit_of_image(card)
                    yield replace(one, member=member.name, error=error)
        else:
            with StackPages(path, seen.place.uri) as pages:
                many = len(pages) > 1
                for number in range(len(pages)):
                    yield replace(one, frame=number, paged=many)


def _misfit(seen: Seen, card: ModelCard) -> str | None:
    is_volume = kind_of(seen.place.name) in ("volume", "stack")
    if card.kind == "volume":
        return None if is_volume else _misfit_of_image(card)
    if is_volume:
        return (
            f"expected images for the model {card.name} of kind {card.kind!r}, got a volume; "
            "choose a model of kind 'volume'"
        )
    return None


def _misfit_of_image(card: ModelCard) -> str | None:
    if card.kind != "volume":
        return None
    return f"expected a volume for the model {card.name}, got an image; choose another model"


@contextmanager
def _on_this_machine(seen: Seen, store: Store, limit: int) -> Iterator[Path]:
    """Give a file under the object's own name, whose ending says how it is read."""
    if not seen.place.bucket:
        yield Path(seen.place.key)
        return
    with TemporaryDirectory(prefix="zooassist-") as folder:
        path = Path(folder) / seen.place.name[-120:]
        store.download(seen, path, limit)
        yield path
