"""How does finished work become visible? Once: parts first, then the file that readers trust."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from zooassist_plugin import __version__
from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.jobs import LOG, NEXT, SUCCESS, Job, Plan
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.shard_run import Predicted, part_of
from zooassist_serving.batch.stage_times import StageTimes
from zooassist_serving.batch.stores.store import Store

SUCCESS_ENCODING: Final = {"encoding-type": "zooassist-batch", "encoding-version": "0.1.0"}
# Answers of a shard, or a list of all parts.
MAX_PART_BYTES: Final = 4 * 2**30
Now = Callable[[], datetime]


@dataclass(frozen=True)
class PartRecord:
    """What `_SUCCESS` says of a part."""

    name: str
    sha256: str
    rows: int
    failed: int

    def to_json(self) -> dict[str, Any]:
        """Return an entry of the list."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "rows": self.rows,
            "failed": self.failed,
        }


@dataclass(frozen=True)
class Success:
    """What `_SUCCESS` says of a job."""

    content: dict[str, Any]
    folder: Place

    @property
    def parts(self) -> tuple[PartRecord, ...]:
        """The parts that make up the result, and no others."""
        return tuple(PartRecord(**each) for each in self.content["parts"])

    @property
    def rows(self) -> int:
        """All rows."""
        return int(self.content["rows"])

    @property
    def failed(self) -> int:
        """Rows without a prediction."""
        return int(self.content["failed"])


def commit_part(store: Store, plan: Plan, shard: int, predicted: Predicted) -> bool:
    """Write a part, unless another worker has; return whether it was we."""
    metadata = {
        "sha256": predicted.sha256,
        "rows": str(predicted.rows),
        "failed": str(predicted.failed),
    }
    return store.put_new(part_place(plan, shard), predicted.content, metadata)


def part_place(plan: Plan, shard: int) -> Place:
    """Where the predictions of a shard lie."""
    return plan.job.folder.child(plan.parts[shard])


def note_part(
    store: Store, plan: Plan, shard: int, predicted: Predicted, times: StageTimes, worker: str
) -> None:
    """Keep how a part was made, for reports; nothing depends on it."""
    note = plan.job.to_json() | {
        "shard": shard,
        "worker": worker,
        "rows": predicted.rows,
        "failed": predicted.failed,
        "causes": predicted.causes,
        "times": times.to_json(),
    }
    name = f"{LOG}{plan.parts[shard].removesuffix('.parquet')}-{secrets.token_hex(4)}.json"
    store.put(plan.job.folder.child(name), json.dumps(note).encode())


def commit_success(store: Store, plan: Plan, now: Now) -> bool:
    """Write `_SUCCESS` if every part is there and nobody has; return whether it was we."""
    there = {seen.place.name for seen in store.list(plan.job.folder.child("part-"))}
    if not there.issuperset(plan.parts):
        return False
    records = [_record(store, plan, shard) for shard in range(len(plan.shards))]
    content = SUCCESS_ENCODING | {"producer": f"zooassist {__version__}"} | plan.job.to_json()
    content |= {
        "created_at": now().isoformat(),
        "rows": sum(record.rows for record in records),
        "failed": sum(record.failed for record in records),
        "duplicates": plan.duplicates,
        "parts": [record.to_json() for record in records],
    }
    place = plan.job.folder.child(SUCCESS)
    return store.put_new(place, json.dumps(content, indent=1).encode(), {})


def _record(store: Store, plan: Plan, shard: int) -> PartRecord:
    """Say what a part is: as its writer noted where the store keeps notes, else by reading it."""
    place = part_place(plan, shard)
    looked = store.look(place)
    if looked is not None and "sha256" in looked.metadata:
        said = looked.metadata
        return PartRecord(place.name, said["sha256"], int(said["rows"]), int(said["failed"]))
    part = part_of(store.read(Seen(place), MAX_PART_BYTES))
    return PartRecord(place.name, part.sha256, part.rows, part.failed)


def read_success(store: Store, folder: Place) -> Success | None:
    """Read `_SUCCESS`; None when the job is not finished.

    Raises
    ------
    BadInput
        When it is damaged.
    """
    place = folder.child(SUCCESS)
    if store.look(place) is None:
        return None
    try:
        content = json.loads(store.read(Seen(place), MAX_PART_BYTES))
        if content["encoding-type"] != SUCCESS_ENCODING["encoding-type"]:
            raise ValueError(content["encoding-type"])
        success = Success(content, folder)
        success.parts  # noqa: B018 - refuses a damaged list now
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{place.uri}: expected the list of a job's parts, got damaged") from error
    return success


def is_next_done(store: Store, job: Job) -> bool:
    """Whether the next step was taken."""
    return store.look(job.folder.child(NEXT)) is not None


def note_next_done(store: Store, job: Job, now: Now) -> None:
    """Keep that the next step was taken."""
    store.put_new(job.folder.child(NEXT), now().isoformat().encode(), {})
