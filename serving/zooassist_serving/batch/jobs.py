"""What is a job, and what are its files called? The object, the model, the shards, their names.

A job is named by what it works on and with which model, so that the same event, told twice, is the
same job, whoever works on it. Its folder::

    <output>/<name>-<job>/_plan/shard-00003-<digest>.jsonl   what to predict
                          _plan/plan.json                    the list of those; not of one shard
                          part-00003-<digest>.parquet        predictions of a shard
                          _log/part-00003-….json             how that went (advisory)
                          _SUCCESS                           all parts are there: readers trust this
                          _NEXT                              the next step was done, too
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from zooassist_plugin import __version__
from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.shard_rows import ShardRow, digest_of_rows

PLAN_ENCODING: Final = {"encoding-type": "zooassist-batch-plan", "encoding-version": "0.1.0"}
PLAN: Final = "_plan/plan.json"
SUCCESS: Final = "_SUCCESS"
NEXT: Final = "_NEXT"
LOG: Final = "_log/"
FEWEST_ROWS, MOST_ROWS = 1, 5_000
SHARD_ROWS: Final = 2_000


@dataclass(frozen=True)
class Job:
    """One object that is predicted with one model into one output.

    Attributes
    ----------
    source : Seen
    model, model_version : str
    output : Place
        The prefix under which jobs have their folders.
    """

    source: Seen
    model: str
    model_version: str
    output: Place

    @property
    def key(self) -> str:
        """The idempotency key: 32 hexadecimal digits.

        Bucket, key and state of the object, and the model's version, which is a digest of its
        graph, preprocessing and calibration.
        """
        seen = self.source
        said = "\0".join([seen.place.bucket, seen.place.key, seen.state, self.model_version])
        return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()[:32]

    @property
    def folder(self) -> Place:
        """Where its files lie."""
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", self.source.place.name).strip("-.")[:60]
        return self.output.child(f"{slug or 'job'}-{self.key[:16]}")

    def part_name(self, shard: int, rows_digest: str) -> str:
        """Name a part by what it answers for, so that two workers write one and the same."""
        digest = hashlib.sha256(f"{self.key}\0{shard}\0{rows_digest}".encode()).hexdigest()
        return f"part-{shard:05}-{digest[:16]}.parquet"

    def to_json(self) -> dict[str, Any]:
        """Say which job a file belongs to."""
        return {
            "job": self.key,
            "source": {
                "uri": self.source.place.uri,
                "etag": self.source.etag,
                "version": self.source.version,
            },
            "model": {"name": self.model, "version": self.model_version},
        }


@dataclass(frozen=True)
class PlannedShard:
    """A shard of a plan: how many rows, and their digest."""

    rows: int
    digest: str


@dataclass(frozen=True)
class Plan:
    """How a job was divided; who writes it first decides.

    Attributes
    ----------
    duplicates : int
        Rows that asked for the same again and were left out.
    """

    job: Job
    shards: tuple[PlannedShard, ...]
    duplicates: int = 0

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(shard.rows for shard in self.shards)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that the finished job has."""
        return tuple(self.job.part_name(i, each.digest) for i, each in enumerate(self.shards))

    def shard_place(self, shard: int) -> Place:
        """Where the rows of a shard lie."""
        name = f"_plan/shard-{shard:05}-{self.shards[shard].digest}.jsonl"
        return self.job.folder.child(name)

    def to_bytes(self) -> bytes:
        """Return the file."""
        content = PLAN_ENCODING | {"producer": f"zooassist {__version__}"} | self.job.to_json()
        content |= {
            "rows": self.rows,
            "duplicates": self.duplicates,
            "shards": [{"rows": each.rows, "digest": each.digest} for each in self.shards],
        }
        return json.dumps(content, indent=1).encode()

    @classmethod
    def from_bytes(cls, content: bytes, job: Job) -> Plan:
        """Read the file.

        Raises
        ------
        BadInput
            When it is damaged or of another job.
        """
        try:
            said = json.loads(content)
            if said["job"] != job.key or said["encoding-type"] != PLAN_ENCODING["encoding-type"]:
                raise ValueError(said["job"])
            shards = tuple(PlannedShard(int(e["rows"]), str(e["digest"])) for e in said["shards"])
            return cls(job, shards, int(said["duplicates"]))
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{job.folder.uri}: expected the plan of job {job.key[:16]}, got another or a "
                "damaged one; remove the folder and send the object again"
            ) from error


def check_shard_rows(rows: int) -> int:
    """Refuse a size of shards that cannot be meant.

    Raises
    ------
    BadInput
    """
    if not FEWEST_ROWS <= rows <= MOST_ROWS:
        raise BadInput(f"rows per shard: expected {FEWEST_ROWS} to {MOST_ROWS:,}, got {rows:,}")
    return rows


class Distinct:
    """Passes every row once; the same image of the same subject again is left out and counted."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()
        self.duplicates = 0

    def rows(self, rows: Iterable[ShardRow]) -> Iterator[ShardRow]:
        """Yield the rows that did not come before."""
        for row in rows:
            said = repr(row.identity()).encode("utf-8", "surrogateescape")
            # 12 bytes a row: two of a billion rows meet with a probability of 1e-11.
            digest = hashlib.blake2b(said, digest_size=12).digest()
            if digest in self._seen:
                self.duplicates += 1
                continue
            self._seen.add(digest)
            yield row


def planned(rows: Sequence[ShardRow]) -> PlannedShard:
    """Name a run of rows as a shard."""
    return PlannedShard(len(rows), digest_of_rows(rows))
