"""Where do a report's numbers come from? A classification export, or a training set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from zooassist_exporters.long_table.reading import read_long_table
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.reductions.votes import SubjectVotes, counted_answers, tally
from zooassist_exporters.reductions.weighting.ballots import BallotBox
from zooassist_exporters.report.agreement import volunteer_facts
from zooassist_exporters.report.facts import Facts, question_facts
from zooassist_exporters.rules import Rules
from zooassist_exporters.seen_answers import columns_as_seen
from zooassist_exporters.training_set import read_training_set
from zooassist_exporters.vote_records import Integers
from zooassist_exporters.workflow_answers import columns_of_workflow
from zooassist_exporters.workflows import WorkflowExport
from zooassist_plugin.errors import BadInput

MICROSECONDS_PER_DAY: Final = 86_400 * 10**6
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC).date()


def facts_of_export(path: Path, workflows: Path | None, rules: Rules) -> Facts:
    """Read a classification export as `zooassist export votes` does, and describe it.

    Raises
    ------
    BadInput
        When the file is no classification export, or nothing in it can be counted.
    """
    problems, box = ProblemList(), BallotBox()
    versions = None if workflows is None else WorkflowExport(workflows)
    table, source = read_long_table(path, rules, versions, problems)
    days: Counter[date] = Counter()
    users: list[Integers] = []
    per_subject: list[Integers] = []
    with table:
        if not table.classifications:
            raise BadInput(f"{source.name}: no classification of it counts; check the rules")
        if versions is None:
            columns = columns_as_seen(table.keys, rules)
        else:
            [workflow_id] = table.workflow_ids
            columns = columns_of_workflow(table.keys, versions.versions(workflow_id), rules)
        parts = []
        times = np.zeros(len(table.keys), dtype=np.int64)
        for records in map(table.records, table.parts()):
            times += np.bincount(records.answers, minlength=len(times))
            counted = counted_answers(records, columns, rules)
            box.add(counted)
            parts.append(tally(counted, columns))
            users.append(records.users)
            per_subject.append(np.unique(records.subject_ids, return_counts=True)[1])
            found, count = np.unique(records.created // MICROSECONDS_PER_DAY, return_counts=True)
            for day, number in zip(found.tolist(), count.tolist(), strict=True):
                days[EPOCH + timedelta(days=day)] += number
        votes = SubjectVotes.together(parts)
        sources = [(source.name, source.sha256)]
        if versions is not None:
            sources.append((versions.source.name, versions.source.sha256))
        for position, problem in columns.misfits.items():
            problems.add(problem, int(times[position]))
        return Facts(
            title=source.name,
            kind="classification export",
            subjects=len(votes.subject_ids),
            votes=int(votes.counts.sum()),
            classifications=table.classifications - votes.dropped.total(),
            left_out=dict((table.dropped + votes.dropped).most_common()),
            problems=dict(problems.counts.most_common()),
            questions=question_facts(columns.schema, votes.counts, votes.totals),
            per_subject=np.concatenate(per_subject),
            days=days,
            volunteers=volunteer_facts(box.ballots(), votes, columns.schema, np.concatenate(users)),
            sources=sources,
            options=_shown(rules.to_json()),
        )


def facts_of_training_set(path: Path) -> Facts:
    """Describe a training set; who voted when is not in it.

    Raises
    ------
    BadInput
        When the folder is no training set.
    """
    found = read_training_set(path)
    options = found.manifest.get("options") or {}
    totals = found.totals
    busiest = totals.max(axis=1) if totals.shape[1] else np.zeros(len(found), dtype=np.int64)
    return Facts(
        title=path.resolve().name,
        kind="training set",
        subjects=len(found),
        votes=int(found.counts.sum()),
        classifications=None,
        left_out=options.get("left_out") or {},
        problems=options.get("problems") or {},
        questions=question_facts(found.schema, found.counts, totals),
        per_subject=busiest,
        sources=[
            (str(source.get("name")), str(source.get("sha256")))
            for source in found.manifest.get("sources") or ()
        ],
        options=_shown({k: v for k, v in options.items() if k not in ("left_out", "problems")}),
    )


def _shown(options: Mapping[str, object]) -> dict[str, str]:
    """Write out the options that say something."""
    words = {True: "yes", False: "no"}
    return {
        key.replace("_", " "): words[value] if isinstance(value, bool) else str(value)
        for key, value in options.items()
        if isinstance(value, bool) or value not in (None, {}, [], 0)
    }
