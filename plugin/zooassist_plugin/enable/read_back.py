"""Does a volunteer's classifier really get our proposals? Its own anonymous query, judged."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zooassist_plugin.caesar import Caesar, ReadBack
from zooassist_plugin.enable.situation import Check
from zooassist_plugin.extracts_csv import CsvHost, write_extracts
from zooassist_plugin.http_session import PlatformRefused
from zooassist_plugin.panoptes import Panoptes
from zooassist_plugin.presenters.checking import payload_problems
from zooassist_plugin.presenters.machine_learnt import canonical
from zooassist_plugin.records import Subject
from zooassist_plugin.workflow import Workflow

NAME = "read back as a volunteer"
# Shows nothing: written to a subject that has no proposal, to see whether writing arrives.
PROBE: Mapping[str, Any] = {"data": [], "proposal_id": "enable-check"}
POLL = 0.25  # seconds between two looks


@dataclass(frozen=True)
class Probed:
    """The read-back's check, and whether `PROBE` was written to the test subject.

    Attributes
    ----------
    in_trouble : bool
        Whether Caesar itself could not answer.
    """

    check: Check
    subject_id: int | None = None
    written: bool = False
    in_trouble: bool = False


# What failed -> what to do about it.
REMEDIES = {
    "trouble": "wait a few minutes and run `zooassist status`",
    "above": "mend the lines above first",
    "content": "Caesar holds something else than a proposal for this subject: run `zooassist "
    "propose` again, which writes over it, or name another --subject",
    "late": "run `zooassist status` in a minute: Caesar works in turn",
}


def judge(answer: ReadBack, workflow: Workflow, frames: int) -> tuple[bool, str]:
    """Say whether the classifier can use an answer, and what its volunteer would see."""
    if answer.problem:
        return False, answer.problem
    problems = [
        problem
        for payload in answer.payloads
        for problem in payload_problems(payload, workflow, frames)
    ]
    if problems:
        return False, "; ".join(problems[:3])
    marks = sum(len(payload["data"]) for payload in answer.payloads)
    if not answer.payloads:
        return True, "an answer without proposals"
    return True, f"{marks} mark{'' if marks == 1 else 's'} to see"


def choose_subject(
    panoptes: Panoptes, workflow: Workflow, subject_id: int | None
) -> Subject | None:
    """Return the subject of that id, or the first one of the workflow's subject sets."""
    if subject_id is not None:
        return panoptes.subject(subject_id)
    for subject_set_id in workflow.subject_set_ids:
        for subject in panoptes.subjects(subject_set_id):
            return subject
    return None


def look(
    caesar: Caesar, workflow: Workflow, subject: Subject | None, *, all_passed: bool = True
) -> Probed:
    """Ask without writing anything.

    Parameters
    ----------
    all_passed : bool
        Whether the other checks did; else they come first.
    """
    if subject is None:
        return Probed(_no_subject())
    answer = caesar.visible_proposals(workflow.workflow_id, subject.subject_id)
    return _judged(answer, workflow, subject, "content" if all_passed else "above")


def _judged(answer: ReadBack, workflow: Workflow, subject: Subject, fault: str) -> Probed:
    passed, detail = judge(answer, workflow, len(subject.locations))
    if answer.in_trouble:
        fault = "trouble"
    elif answer.problem and fault == "content":
        fault = "late"
    return Probed(
        _check(passed, f"subject {subject.subject_id}: {detail}", fault),
        subject.subject_id,
        in_trouble=answer.in_trouble,
    )


def probe(
    caesar: Caesar,
    workflow: Workflow,
    subject: Subject | None,
    host: CsvHost | None,
    wait: float,
) -> Probed:
    """Ask; where there is no proposal yet, write an empty one and wait until it is visible.

    Proposals that are there already are never touched.

    Parameters
    ----------
    host : CsvHost or None
        Without one the empty proposal is written directly, which works only for subjects that
        Caesar has seen before.
    wait : float
        Seconds to wait for Caesar's background job.
    """
    if subject is None:
        return Probed(_no_subject())
    workflow_id, subject_id = workflow.workflow_id, subject.subject_id
    answer = caesar.visible_proposals(workflow_id, subject_id)
    if answer.problem or answer.payloads:
        return _judged(answer, workflow, subject, "content")
    try:
        arrived = _write(caesar, workflow_id, subject_id, host, wait)
    except PlatformRefused as error:
        if error.status != 404 or host is not None:
            raise
        detail = "an answer without proposals; nothing could be written, give --csv-host"
        return Probed(_check(True, f"subject {subject_id}: {detail}"), subject_id)
    found = "was written and read back" if arrived else f"was not visible after {wait:.0f} s"
    detail = f"subject {subject_id}: an empty proposal {found}"
    return Probed(_check(arrived, detail), subject_id, written=True)


def is_payload(found: object, expected: Mapping[str, Any]) -> bool:
    """Compare two payloads byte for byte in their canonical form."""
    return isinstance(found, Mapping) and canonical(found) == canonical(expected)


def _write(
    caesar: Caesar, workflow_id: int, subject_id: int, host: CsvHost | None, wait: float
) -> bool:
    """Write `PROBE` and wait until it is visible; returns whether it is."""
    if host is None:
        caesar.put_reduction(workflow_id, subject_id, PROBE)
        return _arrived(caesar, workflow_id, subject_id, wait)
    with tempfile.TemporaryDirectory(prefix="zooassist-") as folder:
        path = Path(folder) / "enable-check.csv"
        write_extracts(path, [(subject_id, PROBE)])
        with host(path) as url:
            caesar.import_extracts(workflow_id, url)
            # The host stays open until Caesar's background job has fetched the file.
            return _arrived(caesar, workflow_id, subject_id, wait)


def _arrived(caesar: Caesar, workflow_id: int, subject_id: int, wait: float) -> bool:
    deadline = time.monotonic() + wait
    while True:
        answer = caesar.visible_proposals(workflow_id, subject_id)
        if any(is_payload(payload, PROBE) for payload in answer.payloads):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)


def _check(passed: bool, detail: str, fault: str = "late") -> Check:
    return Check(NAME, passed, detail, "" if passed else REMEDIES[fault])


def _no_subject() -> Check:
    return Check(
        NAME,
        False,
        "no subject to ask about",
        "link a subject set with at least one subject to the workflow, or give --subject",
    )
