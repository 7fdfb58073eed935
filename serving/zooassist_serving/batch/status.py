"""How far are the jobs under a prefix? Counted from what lies there: no worker is asked."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.committing import MAX_PART_BYTES, read_success
from zooassist_serving.batch.jobs import LOG, PLAN, SUCCESS
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.stores.store import Store

INSIDE: Final = re.compile(
    r"^(?P<folder>.*/)(?P<file>_plan/.*|_log/.*|part-\d{5}-\w+\.parquet|_\w+)$"
)
# Seconds over which the present rate is taken.
RECENT: Final = 60.0


@dataclass(frozen=True)
class Note:
    """How one part was made; see `committing.note_part`."""

    shard: int
    worker: str
    rows: int
    failed: int
    causes: dict[str, int]
    times: dict[str, Any]

    @property
    def began(self) -> float:
        """Seconds since 1970."""
        return float(self.times["began"])

    @property
    def ended(self) -> float:
        """Seconds since 1970."""
        return float(self.times["ended"])


@dataclass
class JobState:
    """One job as it lies in the store.

    Attributes
    ----------
    shards : int or None
        None: not planned in the store, as jobs of one shard are not.
    """

    folder: Place
    source: str = ""
    model: str = ""
    shards: int | None = None
    rows: int | None = None
    parts: set[str] = field(default_factory=set)
    is_done: bool = False
    notes: list[Note] = field(default_factory=list)

    @property
    def predicted(self) -> int:
        """Rows in parts."""
        return sum(note.rows for note in self.notes)

    @property
    def failed(self) -> int:
        """Rows without a prediction."""
        return sum(note.failed for note in self.notes)

    @property
    def causes(self) -> Counter[str]:
        """Why rows failed."""
        found: Counter[str] = Counter()
        for note in self.notes:
            found.update(note.causes)
        return found

    def rate(self) -> float:
        """Images per second, from the first row to the last that is done."""
        if not self.notes:
            return 0.0
        span = max(n.ended for n in self.notes) - min(n.began for n in self.notes)
        return self.predicted / max(span, 1e-3)

    def recent_rate(self, now: float) -> float:
        """Images per second in the last minute."""
        recent = [note.rows for note in self.notes if now - note.ended <= RECENT]
        return sum(recent) / RECENT

    def to_json(self, now: float) -> dict[str, Any]:
        """Return the state as `batch status --json` prints it."""
        return {
            "folder": self.folder.uri,
            "source": self.source,
            "model": self.model,
            "done": self.is_done,
            "shards": self.shards,
            "parts": len(self.parts),
            "rows": self.rows,
            "predicted": self.predicted,
            "failed": self.failed,
            "causes": dict(self.causes.most_common()),
            "images_per_second": round(self.rate(), 1),
            "images_per_second_now": round(self.recent_rate(now), 1),
        }


def job_states(store: Store, prefix: Place) -> list[JobState]:
    """Return every job below a prefix, finished or not."""
    states: dict[str, JobState] = {}
    for folder, file, place in _files(store, prefix):
        state = states.setdefault(folder, JobState(Place(place.bucket, folder.rstrip("/"))))
        if file == PLAN:
            said = _json(store, place)
            state.shards, state.rows = len(said["shards"]), int(said["rows"])
            _name(state, said)
        elif file == SUCCESS:
            state.is_done = True
        elif file.startswith(LOG):
            said = _json(store, place)
            _name(state, said)
            given = {key: said[key] for key in Note.__dataclass_fields__}
            state.notes.append(Note(**given))
        elif file.startswith("part-"):
            state.parts.add(file)
    for state in states.values():
        _distinct(state)
        if state.is_done and state.rows is None:
            success = read_success(store, state.folder)
            if success is not None:
                state.rows, state.shards = success.rows, len(success.parts)
                _name(state, success.content)
    return [states[key] for key in sorted(states) if states[key].parts or states[key].shards]


def _distinct(state: JobState) -> None:
    """Keep one note of a shard: whoever wrote a note had committed, but may have told twice."""
    state.notes = list({note.shard: note for note in state.notes}.values())


def _files(store: Store, prefix: Place) -> Iterator[tuple[str, str, Place]]:
    for seen in store.list(prefix):
        match = INSIDE.match(seen.place.key)
        if match:
            yield match["folder"], match["file"], seen.place


def _json(store: Store, place: Place) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads(store.read(Seen(place), MAX_PART_BYTES))
        said["job"], said["model"]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{place.uri}: expected a file of a job, got a damaged one") from error
    return said


def _name(state: JobState, said: dict[str, Any]) -> None:
    state.source = str(said["source"]["uri"])
    state.model = f"{said['model']['name']} {said['model']['version']}"
