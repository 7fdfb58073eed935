"""What does a message of the queue ask for? S3 events of AWS, Ceph and emulators, our own shards.

Events come at least once, late and out of order. Keys of AWS are form-encoded, those of Ceph raw
(both seen on real servers), and are decoded once. The first message of a new notification is
``s3:TestEvent`` and holds no object.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.places import Place, Seen

SHARD_MESSAGE: Final = "zooassist-shard"
OBJECT_MESSAGE: Final = "zooassist-object"
ENCODING_VERSION: Final = "0.1.0"
CREATED: Final = "ObjectCreated"
# Envelope -> where the event is in it.
ENVELOPES: Final = (("Type", "Notification", "Message"),)


class ForeignMessage(BadInput):
    """A message that is neither an S3 event nor one of ours."""


@dataclass(frozen=True)
class Arrived:
    """An object was created.

    Attributes
    ----------
    otherwise : Place or None
        What the key means if it was encoded in the other way.
    """

    seen: Seen
    otherwise: Place | None = None

    def to_text(self) -> str:
        """Return a message of ours about the object, for those that no bucket told of."""
        return json.dumps({OBJECT_MESSAGE: ENCODING_VERSION, **_named(self.seen)})


@dataclass(frozen=True)
class ShardOrder:
    """One shard of a job that is planned.

    Attributes
    ----------
    source : Seen
        The object that the job is about.
    shard : int
    """

    source: Seen
    shard: int

    def to_text(self) -> str:
        """Return the message."""
        return json.dumps(
            {SHARD_MESSAGE: ENCODING_VERSION, **_named(self.source), "shard": self.shard}
        )


@dataclass(frozen=True)
class Message:
    """What a message asks for; nothing at all for a test event or a deletion."""

    arrived: tuple[Arrived, ...] = ()
    shard: ShardOrder | None = None


def read_message(body: str) -> Message:
    """Read the text of a message.

    Raises
    ------
    ForeignMessage
        When it is none that we know.
    """
    try:
        content = json.loads(body)
    except ValueError as error:
        raise ForeignMessage(_foreign(body)) from error
    if not isinstance(content, dict):
        raise ForeignMessage(_foreign(body))
    for key, value, inner in ENVELOPES:
        # SNS between bucket and queue wraps the event as text.
        if content.get(key) == value and isinstance(content.get(inner), str):
            return read_message(content[inner])
    try:
        if SHARD_MESSAGE in content:
            return Message(shard=_shard(content))
        if OBJECT_MESSAGE in content:
            return Message(arrived=(Arrived(_source(content, OBJECT_MESSAGE)),))
        if content.get("Event") == "s3:TestEvent":
            return Message()
        if isinstance(content.get("Records"), list) and content["Records"]:
            return Message(arrived=_records(content["Records"], body))
        if content.get("source") == "aws.s3" and isinstance(content.get("detail"), dict):
            return Message(arrived=_event_bridge(content))
    except (KeyError, TypeError, ValueError, BadInput) as error:
        raise ForeignMessage(_foreign(body)) from error
    raise ForeignMessage(_foreign(body))


def _foreign(body: str) -> str:
    return (
        "expected an S3 event or a shard of ours in the queue, got "
        f"{' '.join(body.split())[:120]!r}; look who else writes to the queue"
    )


def _shard(content: Mapping[str, Any]) -> ShardOrder:
    shard = content["shard"]
    if not isinstance(shard, int) or shard < 0:
        raise ValueError(shard)
    return ShardOrder(_source(content, SHARD_MESSAGE), shard)


def _named(seen: Seen) -> dict[str, str]:
    return {"source": seen.place.uri, "etag": seen.etag, "version": seen.version}


def _source(content: Mapping[str, Any], kind: str) -> Seen:
    if content[kind] != ENCODING_VERSION:
        raise ValueError(content[kind])
    place = Place.parse(content["source"])
    return Seen(place, str(content["etag"] or ""), str(content["version"] or ""))


def _records(records: list[Any], body: str) -> tuple[Arrived, ...]:
    arrived = []
    for record in records:
        source = record.get("eventSource")
        if source not in ("aws:s3", "ceph:s3", "minio:s3"):
            raise ForeignMessage(_foreign(body))
        if CREATED not in record["eventName"]:
            continue
        bucket, said = record["s3"]["bucket"]["name"], record["s3"]["object"]
        raw = str(said["key"])
        decoded = unquote_plus(raw)
        key, other = (raw, decoded) if source == "ceph:s3" else (decoded, raw)
        seen = Seen(
            Place(bucket, key),
            etag=str(said.get("eTag") or "").strip('"'),
            version=str(said.get("versionId") or ""),
            size=_size(said.get("size")),
        )
        if not _is_marker(seen):
            arrived.append(Arrived(seen, Place(bucket, other) if other != key else None))
    return tuple(arrived)


def _event_bridge(content: Mapping[str, Any]) -> tuple[Arrived, ...]:
    """Read what EventBridge sends: its keys are raw."""
    if content["detail-type"] != "Object Created":
        return ()
    said = content["detail"]["object"]
    seen = Seen(
        Place(content["detail"]["bucket"]["name"], said["key"]),
        etag=str(said.get("etag") or ""),
        version=str(said.get("version-id") or ""),
        size=_size(said.get("size")),
    )
    return () if _is_marker(seen) else (Arrived(seen),)


def _size(said: Any) -> int | None:  # noqa: ANN401
    return None if said is None else int(said)


def _is_marker(seen: Seen) -> bool:
    """Whether this is what consoles put where a person makes a "folder"."""
    return seen.place.key.endswith("/")
