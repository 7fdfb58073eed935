"""Vote counts against plain loops, on random classifications."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from zooassist_exporters.classifications import ExportRow
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.reductions.votes import count_votes
from zooassist_exporters.rules import REPEATS, Rules
from zooassist_exporters.seen_answers import columns_as_seen
from zooassist_exporters.vote_records import collect_votes

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


def export_row(number, subject, user, second, one, several):
    annotations = [{"task": "T0", "task_label": "One?", "value": one}]
    if several is not None:
        annotations.append({"task": "T1", "task_label": "Several?", "value": several})
    return ExportRow(
        row=number + 2,
        classification_id=1000 + (number * 7) % 13,  # not in the order of the file
        workflow_id=5,
        workflow_version="1.1",
        subject_id=subject,
        user=user,
        user_id=None,
        user_name=user,
        created_at=START + timedelta(seconds=second),
        gold_standard=False,
        annotations=annotations,
        metadata_text="",
        subject_data_text="",
    )


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


@settings(max_examples=200, deadline=None)
@given(classifications=CLASSIFICATIONS, repeats=st.sampled_from(REPEATS))
def test_counts_equal_plain_loops(classifications, repeats):
    rows = [export_row(number, *given) for number, given in enumerate(classifications)]
    rules, problems = Rules(repeats=repeats), ProblemList()
    records = collect_votes(rows, rules, None, problems)
    columns = columns_as_seen(records.keys, rules)
    schema = columns.schema
    votes = count_votes(
        records,
        columns.questions,
        columns.columns,
        columns.single,
        len(schema.columns),
        repeats,
    )
    counts, totals = {}, {}
    for row, subject in enumerate(votes.subject_ids.tolist()):
        for position, question in enumerate(schema.questions):
            if votes.totals[row, position]:
                totals[subject, question.task] = int(votes.totals[row, position])
            for answer in question.answers:
                count = votes.counts[row, schema.columns.index(answer.column)]
                if count:
                    counts[subject, question.task, answer.label] = int(count)
    known = {question.task for question in schema.questions}
    wanted_counts, wanted_totals = expected_counts(rows, repeats)
    assert counts == wanted_counts
    # A task of which nobody ever chose anything cannot be told from an empty drawing.
    assert totals == {key: value for key, value in wanted_totals.items() if key[1] in known}
    assert len(problems) == len(votes.conflicts) == 0
