"""Which classifications count: every rule, on self-written rows."""

from datetime import UTC, datetime

import pytest

from zooassist_exporters.rules import Rules
from zooassist_exporters.training_set import read_training_set
from zooassist_exporters.version_ranges import VersionRanges
from zooassist_exporters.votes_export import VotesInput, export_votes
from zooassist_plugin.errors import BadInput

RETIRED = {"retired": {"id": 1, "retired_at": "2026-06-03T00:00:00Z", "classifications_count": 9}}
ACTIVE = {"retired": {"id": 2, "retired_at": None, "classifications_count": 3}}


@pytest.fixture
def counted(tmp_path):
    def run(file, **rules):
        out = tmp_path / "out"
        report = export_votes(VotesInput(file), out, Rules(**rules), overwrite=True)
        found = read_training_set(out)
        subjects = found.subjects["subject_id"].to_pylist()
        totals = dict(zip(subjects, found.totals[:, 0].tolist(), strict=True))
        return totals, {key: count for key, count in report.dropped.items() if count}, found

    return run


def test_seen_before(counted, exports, row, answer):
    file = exports.classifications(
        row(1, [answer("Yes")], metadata={"seen_before": True}),
        row(2, [answer("Yes")], user="bob", metadata={"already_seen": True}),
        row(3, [answer("Yes")], user="cyd", metadata={"note": '"seen_before":true'}),
        row(4, [answer("Yes")], user="dan", metadata={"seen_before": False}),
    )
    assert counted(file)[0] == {7: 4}
    assert counted(file, seen_before=False)[:2] == ({7: 2}, {"seen before": 2})


def test_retired_subjects(counted, exports, row, answer):
    data = {7: RETIRED, 8: ACTIVE, 9: {"retired": None}, 10: {"retired": "2020"}}
    rows = [
        row(number, [answer("Yes")], subject=subject, subject_data={str(subject): status})
        for number, (subject, status) in enumerate(data.items(), start=1)
    ]
    file = exports.classifications(*rows, row(9, [answer("Yes")], subject=11, subject_data=""))
    assert counted(file)[0] == {7: 1, 8: 1, 9: 1, 10: 1, 11: 1}
    assert counted(file, retired_only=True)[:2] == ({7: 1}, {"not retired": 4})


def test_dates(counted, exports, row, answer):
    times = ["2026-06-01 23:59:59 UTC", "2026-06-02 00:00:00 UTC", "2026-06-03T02:00:00+02:00"]
    file = exports.classifications(
        *(
            row(i, [answer("Yes")], user=f"u{i}", created_at=time)
            for i, time in enumerate(times, start=1)
        )
    )
    second, third = datetime(2026, 6, 2, tzinfo=UTC), datetime(2026, 6, 3, tzinfo=UTC)
    assert counted(file, since=second)[:2] == ({7: 2}, {"made earlier": 1})
    assert counted(file, before=second)[:2] == ({7: 1}, {"made later": 2})
    assert counted(file, since=second, before=third)[0] == {7: 1}
    manifest = counted(file, since=second)[2].manifest
    assert manifest["options"]["since"] == "2026-06-02T00:00:00+00:00"


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("12.10", {"12.10"}),
        ("12.*", {"12.1", "12.10", "12.100"}),
        ("12", {"12.1", "12.10", "12.100"}),
        ("12.2-12.100", {"12.10", "12.100"}),
        ("12.100-13", {"12.100", "13.2"}),
        ("12.1, 13.2", {"12.1", "13.2"}),
        ("14-", None),
    ],
)
def test_versions_are_no_fractions(counted, exports, row, answer, text, versions):
    if versions is None:
        with pytest.raises(BadInput, match=r"expected 28\.30, 28\.\* or 27\.1-28\.30"):
            VersionRanges.parse(text)
        return
    all_versions = ["12.1", "12.10", "12.100", "13.2"]
    file = exports.classifications(
        *(
            row(i, [answer("Yes")], subject=i, workflow_version=version)
            for i, version in enumerate(all_versions, start=1)
        )
    )
    found, dropped, _ = counted(file, versions=VersionRanges.parse(text))
    assert {all_versions[subject - 1] for subject in found} == versions
    assert dropped == {"other workflow version": 4 - len(versions)}


def test_excluded_volunteers(counted, exports, row, answer):
    file = exports.classifications(
        row(1, [answer("Yes")], user="ada"),
        row(2, [answer("Yes")], user="bob"),
        row(3, [answer("Yes")], user="cyd"),
    )
    found, dropped, training_set = counted(file, excluded_users=frozenset({"bob", "13"}))
    assert (found, dropped) == ({7: 1}, {"excluded volunteer": 2})
    assert training_set.manifest["options"]["excluded_users"] == 2


def test_fewest_and_most_classifications(counted, exports, row, answer):
    rows = [
        row(10 * subject + i, [answer("Yes" if i > 1 else "No")], subject=subject, user=f"u{i}")
        for subject in (1, 2, 3)
        for i in range(subject + 1)
    ]
    # A repeat does not count as one of them.
    file = exports.classifications(*reversed(rows), row(99, [answer("Yes")], subject=1, user="u0"))
    assert counted(file)[0] == {1: 2, 2: 3, 3: 4}
    found, dropped, _ = counted(file, min_classifications=3)
    assert found == {2: 3, 3: 4}
    assert dropped == {
        "repeated by the same volunteer": 1,
        "subject with too few classifications": 2,
    }
    found, dropped, training_set = counted(file, max_classifications=2)
    assert found == {1: 2, 2: 2, 3: 2}
    assert training_set.counts.tolist() == [[2, 0]] * 3, "the first two by time said no"
    assert dropped["beyond the most classifications of a subject"] == 3
    assert counted(file, min_classifications=4, max_classifications=4)[0] == {3: 4}


def test_parts_together_are_the_whole(counted, exports, row, answer):
    rows = [row(i, [answer("Yes")], subject=100 + i % 7, user=f"u{i}") for i in range(1, 50)]
    file = exports.classifications(*rows)
    parts = [counted(file, part=(k, 3))[0] for k in (1, 2, 3)]
    assert sum(map(len, parts)) == 7
    assert parts[0] | parts[1] | parts[2] == counted(file)[0]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"since": datetime(2026, 1, 1)}, "expected a time with its zone"),
        (
            {"since": datetime(2026, 2, 1, tzinfo=UTC), "before": datetime(2026, 1, 1, tzinfo=UTC)},
            "expected --from before --to",
        ),
        ({"min_classifications": 0}, "expected at least 1 classification"),
        ({"min_classifications": 5, "max_classifications": 4}, "to be at most --max"),
        ({"part": (0, 3)}, "expected K/N with K from 1 to N"),
        ({"part": (4, 3)}, "expected K/N with K from 1 to N"),
    ],
)
def test_rules_that_contradict_themselves(rules, message):
    with pytest.raises(BadInput, match=message):
        Rules(**rules)
