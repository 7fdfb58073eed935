"""What was proposed, when was it visible, by which model? The only provenance there is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import (
    BigInteger,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from zooassist_plugin.database import Store, UtcDateTime
from zooassist_plugin.errors import BadInput
from zooassist_plugin.presenters.machine_learnt import canonical
from zooassist_plugin.proposals import Proposal

# State -> the states it may become. A re-proposal is a new row: a presented row never changes.
NEXT_STATES: Mapping[str, frozenset[str]] = {
    "predicted": frozenset({"submitted"}),
    "submitted": frozenset({"submitted", "presented"}),
    "presented": frozenset(),
    "failed": frozenset(),  # a later run deletes the row and tries again
}
_MANY = 500  # ids per statement: SQLite once allowed 999 variables


class _Base(DeclarativeBase):
    pass


class _Row(_Base):
    __tablename__ = "proposals"
    __table_args__ = (
        # One reduction per subject: a model version proposes a subject once.
        UniqueConstraint("workflow_id", "subject_id", "model_version"),
        Index("proposals_by_state", "workflow_id", "state"),
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    proposal_id: Mapped[str] = mapped_column(Text, unique=True)
    workflow_id: Mapped[int] = mapped_column(BigInteger)
    subject_id: Mapped[int] = mapped_column(BigInteger, index=True)
    model: Mapped[str] = mapped_column(Text)
    model_version: Mapped[str] = mapped_column(Text)
    arm: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, default="")
    workflow_version: Mapped[str] = mapped_column(Text, default="")
    proposal: Mapped[str] = mapped_column(Text, default="")
    payload: Mapped[str] = mapped_column(Text, default="")
    payload_sha256: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    submitted_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    presented_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)


@dataclass(frozen=True)
class Entry:
    """One row of the ledger.

    Attributes
    ----------
    state : str
        ``predicted`` (kept here only), ``submitted`` (Caesar was asked to import it),
        ``presented`` (read back as the classifier sees it) or ``failed`` (`reason` says why).
    payload : mapping
        The reduction's data object.
    payload_sha256 : str
        Of the payload's canonical bytes.
    workflow_version : str
        The workflow's version when the proposal was made.
    """

    proposal_id: str
    workflow_id: int
    subject_id: int
    model: str
    model_version: str
    created_at: datetime
    state: str = "predicted"
    arm: str = "assisted"
    reason: str = ""
    workflow_version: str = ""
    proposal: Mapping[str, Any] | None = None
    payload: Mapping[str, Any] | None = None
    payload_sha256: str = ""
    submitted_at: datetime | None = None
    presented_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.state not in NEXT_STATES:
            raise BadInput(f"ledger state: expected one of {list(NEXT_STATES)}, got {self.state!r}")


def entry_of(proposal: Proposal, payload: Mapping[str, Any], workflow_version: str) -> Entry:
    """Make the row of a new proposal and of the payload that a volunteer will see."""
    return Entry(
        proposal_id=proposal.proposal_id,
        workflow_id=proposal.workflow_id,
        subject_id=proposal.subject_id,
        model=proposal.model,
        model_version=proposal.model_version,
        created_at=proposal.created_at,
        arm=proposal.arm,
        workflow_version=workflow_version,
        proposal=proposal.model_dump(mode="json"),
        payload=payload,
        payload_sha256=payload_digest(payload),
    )


def payload_digest(payload: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a payload's canonical bytes."""
    return hashlib.sha256(canonical(payload)).hexdigest()


class Ledger:
    """The proposals table, in SQLite or PostgreSQL; every method is one transaction.

    Parameters
    ----------
    url : str
        SQLAlchemy URL: ``sqlite:///assist-ledger.sqlite`` or ``postgresql+psycopg://…``.

    Raises
    ------
    BadInput
        When the URL names no database that can be opened.
    """

    def __init__(self, url: str) -> None:
        try:
            self._store = Store(url)
            self._store.create_tables(_Base)
        except SQLAlchemyError as error:
            raise BadInput(
                f"ledger {url.partition('@')[2] or url}: cannot be opened ({error.args[0]}); give "
                "a URL such as sqlite:///assist-ledger.sqlite in ZOOASSIST_LEDGER or assist.toml"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release every connection."""
        self._store.close()

    def add(self, entries: Sequence[Entry]) -> int:
        """Store a batch, all of it or nothing; returns how many rows are new.

        A subject that this model version proposed already is left as it is, also when another
        process stores it at the same moment; a failed row is replaced.
        """
        if not entries:
            return 0
        insert = (
            postgresql.insert if self._store.engine.dialect.name == "postgresql" else sqlite.insert
        )
        with self._store.session() as session:
            for entry in entries:
                session.execute(
                    delete(_Row).where(
                        _Row.workflow_id == entry.workflow_id,
                        _Row.subject_id == entry.subject_id,
                        _Row.model_version == entry.model_version,
                        _Row.state == "failed",
                    )
                )
            statement = insert(_Row).values([_columns(entry) for entry in entries])
            new = session.scalars(statement.on_conflict_do_nothing().returning(_Row.id))
            return len(new.all())

    def known(self, workflow_id: int, model_version: str) -> set[int]:
        """Return the subjects that this model version need not look at again (failed ones do)."""
        with self._store.session() as session:
            return set(
                session.scalars(
                    select(_Row.subject_id).where(
                        _Row.workflow_id == workflow_id,
                        _Row.model_version == model_version,
                        _Row.state != "failed",
                    )
                )
            )

    def shown(self, workflow_id: int, other_than: str) -> set[int]:
        """Return the subjects for which another model version is or was on its way to be seen."""
        with self._store.session() as session:
            return set(
                session.scalars(
                    select(_Row.subject_id).where(
                        _Row.workflow_id == workflow_id,
                        _Row.model_version != other_than,
                        _Row.state.in_(("submitted", "presented")),
                    )
                )
            )

    def pending(self, workflow_id: int, model_version: str) -> Iterator[Entry]:
        """Yield what was predicted for the assisted arm and not seen by a read-back yet."""
        return self._entries(
            _Row.workflow_id == workflow_id,
            _Row.model_version == model_version,
            _Row.arm == "assisted",
            _Row.state.in_(("predicted", "submitted")),
        )

    def entries(self, workflow_id: int) -> Iterator[Entry]:
        """Yield every row of a workflow, oldest first."""
        return self._entries(_Row.workflow_id == workflow_id)

    def _entries(self, *where: Any) -> Iterator[Entry]:  # noqa: ANN401
        # Pages by key: a transaction stays short however slowly the caller reads.
        last = 0
        while True:
            query = select(_Row).where(_Row.id > last, *where).order_by(_Row.id).limit(_MANY)
            with self._store.session() as session:
                rows = session.scalars(query).all()
            if not rows:
                return
            last = rows[-1].id
            yield from map(_entry, rows)

    def mark(
        self, workflow_id: int, model_version: str, subject_ids: Iterable[int], state: str
    ) -> None:
        """Move rows to ``submitted`` or ``presented``; rows that may not go there stay."""
        sources = [source for source, targets in NEXT_STATES.items() if state in targets]
        if not sources:
            raise BadInput(f"ledger: no row can become {state!r}")
        stamp = {f"{state}_at": datetime.now(UTC)}
        for ids in _chunks(list(subject_ids)):
            with self._store.session() as session:
                session.execute(
                    update(_Row)
                    .where(
                        _Row.workflow_id == workflow_id,
                        _Row.model_version == model_version,
                        _Row.subject_id.in_(ids),
                        _Row.state.in_(sources),
                    )
                    .values(state=state, **stamp)
                )

    def visible_at(self, workflow_id: int, subject_id: int, when: datetime) -> Entry | None:
        """Return the proposal that a volunteer who started at `when` saw, or None."""
        query = (
            select(_Row)
            .where(
                _Row.workflow_id == workflow_id,
                _Row.subject_id == subject_id,
                _Row.presented_at <= when,
            )
            .order_by(_Row.presented_at.desc(), _Row.id.desc())
            .limit(1)
        )
        with self._store.session() as session:
            row = session.scalars(query).first()
        return None if row is None else _entry(row)

    def counts(self, workflow_id: int) -> dict[str, int]:
        """Return how many rows of a workflow are in each state."""
        query = (
            select(_Row.state, func.count())
            .where(_Row.workflow_id == workflow_id)
            .group_by(_Row.state)
        )
        with self._store.session() as session:
            found = {row[0]: row[1] for row in session.execute(query)}
        return {state: found.get(state, 0) for state in NEXT_STATES}


def _chunks(ids: Sequence[int]) -> Iterator[Collection[int]]:
    for start in range(0, len(ids), _MANY):
        yield ids[start : start + _MANY]


def _columns(entry: Entry) -> dict[str, Any]:
    columns = dict(vars(entry))
    columns["proposal"] = "" if entry.proposal is None else json.dumps(entry.proposal)
    columns["payload"] = "" if entry.payload is None else canonical(entry.payload).decode()
    return columns


def _entry(row: _Row) -> Entry:
    names = Entry.__dataclass_fields__
    columns = {name: getattr(row, name) for name in names if name not in ("proposal", "payload")}
    return Entry(
        **columns,
        proposal=json.loads(row.proposal) if row.proposal else None,
        payload=json.loads(row.payload) if row.payload else None,
    )
