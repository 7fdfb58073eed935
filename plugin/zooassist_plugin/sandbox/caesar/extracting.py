"""When a classification arrives: which extracts follow?"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.caesar.extraction import EXTRACTORS, too_old
from zooassist_plugin.sandbox.caesar.outbound import Breaker, Remote
from zooassist_plugin.sandbox.caesar.reducing import REDUCE_JOB
from zooassist_plugin.sandbox.caesar.rendering import classification_json
from zooassist_plugin.sandbox.caesar.tables import (
    CaesarSubject,
    CaesarWorkflow,
    Extract,
    Extractor,
)
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.tables import Classification, Subject

log = logging.getLogger(__name__)

CLASSIFICATION_JOB = "caesar.classification"
RERUN_JOB = "caesar.rerun_extractors"
# Panoptes hands classifications over by a Kinesis stream, whose records end at 1 MiB.
LARGEST = 1024 * 1024
_CHUNK = 500


def _known_subject(session: Session, subject_id: int, now: datetime) -> CaesarSubject | None:
    """Take over a subject's metadata from Panoptes, as every classification brings it along."""
    source = session.get(Subject, subject_id)
    if source is None:
        return None
    subject = session.get(CaesarSubject, subject_id)
    if subject is None:
        subject = CaesarSubject(
            id=subject_id, metadata_=source.metadata_, created_at=now, updated_at=now
        )
        session.add(subject)
    elif subject.metadata_ != source.metadata_:
        subject.metadata_, subject.updated_at = source.metadata_, now
    return subject


class Extracting:
    """The extract jobs of one sandbox."""

    def __init__(self, sandbox: Sandbox, remote: Remote, breaker: Breaker) -> None:
        self._sandbox, self._remote, self._breaker = sandbox, remote, breaker

    def classification(self, payload: dict[str, Any]) -> None:
        """Job: extract from one classification, then have its subject and volunteer reduced."""
        with self._sandbox.store.session() as session:
            found = self._read(session, payload["classification_id"])
        if found is None:
            return
        classification, extractors = found
        # No transaction is open here: an external extractor may take its time, or call us back.
        extracted = self._extract(classification, extractors)
        with self._sandbox.store.session() as session:
            self._write(session, classification, extracted)
            names = ("workflow_id", "subject_id", "user_id")
            job = {name: classification[name] for name in names}
            self._sandbox.jobs.enqueue(session, REDUCE_JOB, job)

    def _read(
        self, session: Session, classification_id: int
    ) -> tuple[dict[str, Any], list[Extractor]] | None:
        """Read one classification and its extractors; None when Caesar passes it over."""
        row = session.get(Classification, classification_id)
        if row is None or not row.subject_ids:
            return None
        workflow = session.get(CaesarWorkflow, row.workflow_id)
        if workflow is None or workflow.status != "active":
            return None
        extractors = list(
            session.scalars(
                select(Extractor).where(Extractor.workflow_id == workflow.id).order_by(Extractor.id)
            )
        )
        if not extractors:
            return None
        size = len(json.dumps([row.annotations, row.metadata_], ensure_ascii=False).encode())
        if size > LARGEST:
            log.warning("classification %s has %d bytes: Caesar never sees it", row.id, size)
            return None
        subject = _known_subject(session, int(row.subject_ids[0]), self._sandbox.config.clock())
        if subject is None:
            return None
        session.flush()
        return classification_json(row, subject), extractors

    def _extract(
        self, classification: dict[str, Any], extractors: Sequence[Extractor]
    ) -> dict[str, dict[str, Any]]:
        """Run every extractor; one that fails fails the job, and nothing is written."""
        extracted: dict[str, dict[str, Any]] = {}
        for extractor in extractors:
            if too_old(classification["workflow_version"], extractor.minimum_workflow_version):
                continue
            if extractor.type == "external":
                with self._breaker.guard(f"extractor-{extractor.id}"):
                    data = self._remote.ask(extractor.config.get("url"), classification)
            else:
                data = EXTRACTORS[extractor.type](classification, extractor.config)
            if data is not None:
                extracted[extractor.key] = data
        return extracted

    def _write(
        self,
        session: Session,
        classification: dict[str, Any],
        extracted: dict[str, dict[str, Any]],
    ) -> None:
        now = self._sandbox.config.clock()
        row = session.get_one(Classification, classification["id"])
        known = {
            extract.extractor_key: extract
            for extract in session.scalars(
                select(Extract).where(Extract.classification_id == row.id)
            )
        }
        for key, data in extracted.items():
            extract = known.get(key)
            if extract is None:
                extract = Extract(
                    workflow_id=row.workflow_id,
                    project_id=row.project_id,
                    subject_id=classification["subject_id"],
                    extractor_key=key,
                    classification_id=row.id,
                    workflow_version=row.workflow_version,
                    created_at=now,
                    updated_at=now,
                )
                session.add(extract)
            if extract.data != data:
                extract.data, extract.updated_at = data, now
            extract.user_id, extract.classification_at = row.user_id, row.created_at

    def rerun(self, payload: dict[str, Any]) -> None:
        """Job: extract from every classification of a workflow again."""
        last = 0
        while True:
            with self._sandbox.store.session() as session:
                numbers = list(
                    session.scalars(
                        select(Classification.id)
                        .where(
                            Classification.workflow_id == payload["workflow_id"],
                            Classification.id > last,
                        )
                        .order_by(Classification.id)
                        .limit(_CHUNK)
                    )
                )
                for number in numbers:
                    job = {"classification_id": number}
                    self._sandbox.jobs.enqueue(session, CLASSIFICATION_JOB, job)
            if not numbers:
                return
            last = numbers[-1]
