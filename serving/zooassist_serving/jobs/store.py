"""Which jobs are there, and how far is each? Tables beside the ledger's, so that jobs outlive us.

A job belongs to the process that holds its lease. The holder renews it with every batch; when it
dies, the lease runs out and another process goes on with the subjects that are not done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import JSON, ForeignKey, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from zooassist_plugin.database import Store, UtcDateTime, insert_missing
from zooassist_plugin.errors import BadInput, Refused

QUEUED, RUNNING, CANCELLING = "queued", "running", "cancelling"
CANCELLED, DONE, FAILED = "cancelled", "done", "failed"
OPEN: Final = (QUEUED, RUNNING, CANCELLING)
WAITING: Final = "waiting"
LEASE: Final = 15.0
"""Seconds after which a job of a process that has not been heard of is another's."""


class JobTables(DeclarativeBase):
    """The tables of jobs."""

    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON}  # noqa: RUF012 - as SQLAlchemy wants it


class JobRow(JobTables):
    """One job."""

    __tablename__ = "serving_jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    model_version: Mapped[str | None]
    state: Mapped[str] = mapped_column(index=True)
    total: Mapped[int]
    done: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    error: Mapped[str | None]
    holder: Mapped[str | None]
    lease_until: Mapped[datetime | None]


class ItemRow(JobTables):
    """One location of a subject in a job."""

    __tablename__ = "serving_job_items"

    job_id: Mapped[str] = mapped_column(ForeignKey("serving_jobs.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    subject_id: Mapped[int]
    frame: Mapped[int]
    url: Mapped[str]
    state: Mapped[str] = mapped_column(default=WAITING)
    answer: Mapped[dict[str, Any] | None]


@dataclass(frozen=True)
class JobItem:
    """What is to be predicted, at its place in the job."""

    position: int
    subject_id: int
    frame: int
    url: str


def utc_now() -> datetime:
    """Return the time of day."""
    return datetime.now(UTC)


class JobStore:
    """Jobs in a database.

    Parameters
    ----------
    url : str
        SQLAlchemy URL; the ledger's.
    clock : callable, optional
        Time of day, aware.

    Raises
    ------
    BadInput
        When the URL is none.
    """

    def __init__(self, url: str, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        try:
            self._store = Store(url)
        except SQLAlchemyError as error:
            raise BadInput(
                "ledger: expected a database URL such as sqlite:///assist-ledger.sqlite"
            ) from error
        try:
            self._store.create_tables(JobTables)
        except SQLAlchemyError as error:
            raise Refused(
                f"the ledger's database cannot be opened ({type(error).__name__}); check its URL "
                "and that it runs"
            ) from error

    def close(self) -> None:
        """Release every connection."""
        self._store.close()

    def add(self, identity: str, model: str, version: str, items: Sequence[JobItem]) -> bool:
        """Add a job; return False when there is one of that id already, which stays as it is."""
        now = self._clock()
        with self._store.session() as session:
            if session.get(JobRow, identity) is not None:
                return False
            job = {
                "id": identity,
                "model": model,
                "model_version": version,
                "state": QUEUED,
                "total": len(items),
                "created_at": now,
                "updated_at": now,
            }
            insert_missing(session, JobRow, [job])
            rows = [
                {
                    "job_id": identity,
                    "position": item.position,
                    "subject_id": item.subject_id,
                    "frame": item.frame,
                    "url": item.url,
                    "state": WAITING,
                }
                for item in items
            ]
            insert_missing(session, ItemRow, rows)
        return True

    def job(self, identity: str) -> dict[str, Any] | None:
        """Return a job as JSON, None when there is none of that id."""
        with self._store.session() as session:
            row = session.get(JobRow, identity)
            return None if row is None else _as_json(row)

    def latest(self, count: int) -> list[dict[str, Any]]:
        """Return the latest jobs, newest first."""
        wanted = select(JobRow).order_by(JobRow.created_at.desc(), JobRow.id).limit(count)
        with self._store.session() as session:
            return [_as_json(row) for row in session.scalars(wanted)]

    def results(self, identity: str, start: int, count: int) -> list[dict[str, Any]]:
        """Return the answers from a position on, as far as all before them are there, too."""
        wanted = (
            select(ItemRow.answer)
            .where(
                ItemRow.job_id == identity,
                ItemRow.position >= start,
                ItemRow.position < start + count,
            )
            .order_by(ItemRow.position)
        )
        found: list[dict[str, Any]] = []
        with self._store.session() as session:
            for answer in session.scalars(wanted):
                if answer is None:
                    break
                found.append(answer)
        return found

    def cancel(self, identity: str) -> dict[str, Any] | None:
        """Ask for the end of a job; what is done stays. Return it, None where there is none."""
        with self._store.session() as session:
            row = session.get(JobRow, identity)
            if row is None:
                return None
            if row.state == QUEUED:
                row.state = CANCELLED
            elif row.state == RUNNING:
                row.state = CANCELLING
            row.updated_at = self._clock()
            session.flush()
            return _as_json(row)

    def claim(self, holder: str) -> str | None:
        """Take the oldest job that nobody holds, for `LEASE` seconds; return its id."""
        now = self._clock()
        free = or_(JobRow.lease_until.is_(None), JobRow.lease_until < now)
        with self._store.session() as session:
            wanted = (
                select(JobRow)
                .where(JobRow.state.in_(OPEN), free)
                .order_by(JobRow.created_at, JobRow.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            row = session.scalars(wanted).first()
            if row is None:
                return None
            row.holder, row.lease_until = holder, now + timedelta(seconds=LEASE)
            if row.state == QUEUED:
                row.state = RUNNING
            return row.id

    def waiting(self, identity: str, count: int) -> list[JobItem]:
        """Return the next items that have no answer."""
        wanted = (
            select(ItemRow)
            .where(ItemRow.job_id == identity, ItemRow.state == WAITING)
            .order_by(ItemRow.position)
            .limit(count)
        )
        with self._store.session() as session:
            return [
                JobItem(row.position, row.subject_id, row.frame, row.url)
                for row in session.scalars(wanted)
            ]

    def settle(self, identity: str, holder: str, answers: Sequence[tuple[int, Any]]) -> bool:
        """Keep answers by position and renew the lease, in one transaction.

        Returns
        -------
        bool
            Whether to go on: False when the job is another's meanwhile (then nothing is kept), or
            is to be cancelled.
        """
        now = self._clock()
        with self._store.session() as session:
            row = session.get(JobRow, identity, with_for_update=True)
            if row is None or row.holder != holder:
                return False
            for position, answer in answers:
                state = DONE if answer["error"] is None else FAILED
                session.execute(
                    update(ItemRow)
                    .where(
                        ItemRow.job_id == identity,
                        ItemRow.position == position,
                        ItemRow.state == WAITING,
                    )
                    .values(state=state, answer=answer)
                )
            counts = _counts(session, identity)
            row.done, row.failed = counts.get(DONE, 0), counts.get(FAILED, 0)
            row.lease_until, row.updated_at = now + timedelta(seconds=LEASE), now
            return row.state == RUNNING

    def finish(self, identity: str, holder: str, error: str | None = None) -> None:
        """End a job that this process holds."""
        with self._store.session() as session:
            row = session.get(JobRow, identity, with_for_update=True)
            if row is None or row.holder != holder:
                return
            if error is not None:
                row.state, row.error = FAILED, error
            else:
                row.state = CANCELLED if row.state == CANCELLING else DONE
            row.lease_until, row.updated_at = None, self._clock()

    def release(self, identity: str, holder: str) -> None:
        """Give a job back, for another process to go on with."""
        with self._store.session() as session:
            row = session.get(JobRow, identity, with_for_update=True)
            if row is not None and row.holder == holder:
                row.holder, row.lease_until = None, None


def _counts(session: Session, identity: str) -> dict[str, int]:
    counted = (
        select(ItemRow.state, func.count())
        .where(ItemRow.job_id == identity)
        .group_by(ItemRow.state)
    )
    return {row[0]: row[1] for row in session.execute(counted)}


def _as_json(row: JobRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "model": row.model,
        "model_version": row.model_version,
        "state": row.state,
        "total": row.total,
        "done": row.done,
        "failed": row.failed,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
        "error": row.error,
    }
