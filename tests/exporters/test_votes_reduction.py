"""Vote counts against plain loops, on random classifications."""

import csv
import io
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zooassist_exporters.long_table.reading import read_long_table
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.reductions.votes import SubjectVotes, count_votes
from zooassist_exporters.rules import REPEATS, Rules
from zooassist_exporters.seen_answers import columns_as_seen

COLUMNS = [
    "classification_id",
    "user_name",
    "workflow_id",
    "workflow_version",
    "created_at",
    "annotations",
    "subject_ids",
]
START = datetime(2026, 6, 1, tzinfo=UTC)

ONE = st.sampled_from(["a", "b", "c", None])
SEVERAL = st.lists(st.sampled_from(["x", "y", "z"]), unique=True, max_size=3)
CLASSIFICATIONS = st.lists(
    st.tuples(
        st.integers(1, 3),  # subject
        st.sampled_from(["ada", "bob", "not-logged-in-0f", ""]),
        st.integers(0, 3),  # second
        ONE,
        st.none() | SEVERAL,
    ),
    max_size=12,
)


class Row(NamedTuple):
    classification_id: int
    subject_id: int
    user: str
    created_at: datetime
    annotations: list


def export_row(number, subject, user, second, one, several):
    annotations = [{"task": "T0", "task_label": "One?", "value": one}]
    if several is not None:
        annotations.append({"task": "T1", "task_label": "Several?", "value": several})
    # Ids are not in the order of the file.
    created = START + timedelta(seconds=second)
    return Row(1000 + (number * 7) % 13, subject, user, created, annotations)


def export_text(rows, separators):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        time = row.created_at.strftime("%Y-%m-%d %H:%M:%S UTC")
        cell = json.dumps(row.annotations, separators=separators)
        writer.writerow([row.classification_id, row.user, 5, "1.1", time, cell, row.subject_id])
    return text.getvalue()


def expected_counts(rows, repeats):
    groups = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.created_at, row.classification_id)):
        groups[row.subject_id, row.user or row.classification_id].append(row)
    counts, totals = defaultdict(int), defaultdict(int)
    for (subject, _), visits in groups.items():
        kept = {"first": visits[:1], "last": visits[-1:], "all": visits}[repeats]
        for row in kept:
            for annotation in row.annotations:
                task, value = annotation["task"], annotation["value"]
                if value is None:
                    continue
                totals[subject, task] += 1
                for label in value if isinstance(value, list) else [value]:
                    counts[subject, task, label] += 1
    return dict(counts), dict(totals)


def counted(path, rules, problems):
    """Count through the long table; return counts and totals by subject, task and label."""
    # Pieces of one row each, so that the parts of a file are put together too.
    table, _ = read_long_table(path, rules, None, problems, workers=1, chunk_size=64)
    with table:
        columns = columns_as_seen(table.keys, rules)
        votes = SubjectVotes.together(
            count_votes(records, columns, rules) for records in map(table.records, table.parts())
        )
    schema = columns.schema
    counts, totals = {}, {}
    for row, subject in enumerate(votes.subject_ids.tolist()):
        for position, question in enumerate(schema.questions):
            if votes.totals[row, position]:
                totals[subject, question.task] = int(votes.totals[row, position])
            for answer in question.answers:
                count = votes.counts[row, schema.columns.index(answer.column)]
                if count:
                    counts[subject, question.task, answer.label] = int(count)
    assert len(votes.conflicts) == 0
    return counts, totals, {question.task for question in schema.questions}


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    classifications=CLASSIFICATIONS,
    repeats=st.sampled_from(REPEATS),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,", ": ")]),
)
def test_counts_equal_plain_loops(tmp_path, classifications, repeats, separators):
    rows = [export_row(number, *given) for number, given in enumerate(classifications)]
    path = tmp_path / "classifications.csv"
    path.write_text(export_text(rows, separators))
    problems = ProblemList()
    counts, totals, known = counted(path, Rules(repeats=repeats), problems)
    wanted_counts, wanted_totals = expected_counts(rows, repeats)
    assert counts == wanted_counts
    # A task of which nobody ever chose anything cannot be told from an empty drawing.
    assert totals == {key: value for key, value in wanted_totals.items() if key[1] in known}
    assert len(problems) == 0
