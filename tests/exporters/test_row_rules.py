"""The rules of an export, row by row: the same rows stay as when columns are counted."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from zooassist_exporters.classifications import ClassificationFile
from zooassist_exporters.long_table.choosing import choose_rows
from zooassist_exporters.long_table.visits import decode_visits
from zooassist_exporters.row_rules import counted, left_out
from zooassist_exporters.rules import Rules
from zooassist_exporters.version_ranges import VersionRanges

RULES = [
    Rules(),
    Rules(workflow_id=5),
    Rules(gold_standard=True),
    Rules(live_only=True),
    Rules(seen_before=False),
    Rules(retired_only=True),
    Rules(since=datetime(2026, 6, 1, 10, 3, tzinfo=UTC)),
    Rules(before=datetime(2026, 6, 1, 10, 3, tzinfo=UTC)),
    Rules(versions=VersionRanges.parse("2.10,3")),
    Rules(excluded_users=frozenset({"bob", "13"})),
    Rules(part=(2, 3)),
    Rules(live_only=True, workflow_id=5, excluded_users=frozenset({"ada"})),
]


@pytest.fixture
def file(exports, row):
    return exports.classifications(
        row(1, []),
        row(2, [], workflow_id=6, user="bob"),
        row(3, [], gold_standard="true", subject=8),
        row(4, [], metadata={"live_project": False}, user="cyd", subject=9),
        row(5, [], metadata={"seen_before": True}, workflow_version="2.10"),
        row(6, [], metadata={"already_seen": True, "live_project": False}, user="bob"),
        row(7, [], subject=11, subject_data={"11": {"retired": {"id": 1, "retired_at": "2026"}}}),
        row(8, [], workflow_version="3.0", metadata="", user="not-logged-in-1", subject=10),
        row(9, [], metadata={"note": '"live_project": false'}, subject_data={"7": {}}),
    )


@pytest.mark.parametrize("rules", RULES)
def test_rows_and_columns_agree(file, rules):
    with ClassificationFile(file) as opened:
        rows = list(opened.rows())
    causes = [left_out(row, rules) for row in rows]
    kept = [row.classification_id for row, cause in zip(rows, causes, strict=True) if not cause]
    with ClassificationFile(file) as opened:
        [chunk] = opened.chunks()
        cells = opened.cells(chunk)
    visits = decode_visits(cells)
    usable = visits.classification_ids > 0
    keep, dropped = choose_rows(cells, visits, usable, rules)
    assert kept == visits.classification_ids[keep].tolist()
    assert Counter(cause for cause in causes if cause) == dropped


VISITS = [("ada", 1), ("bob", 2), ("ada", 3), ("cyd", 4)]


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        (Rules(), [1, 2, 4]),
        (Rules(repeats="last"), [2, 3, 4]),
        (Rules(repeats="all"), [1, 2, 3, 4]),
        (Rules(min_classifications=4), []),
        (Rules(min_classifications=3), [1, 2, 4]),
        (Rules(max_classifications=2), [1, 2]),
        (Rules(max_classifications=2, repeats="last"), [2, 3]),
    ],
)
def test_which_of_a_subjects_classifications_count(rules, kept):
    found, dropped = counted(VISITS, lambda visit: visit[0], rules)
    assert [number for _, number in found] == kept
    assert sum(dropped.values()) == len(VISITS) - len(kept)
