"""From classification exports to vote counts: rules, versions, subtasks, and real files."""

import json
from collections import Counter

import pytest

from zooassist_exporters.rules import Rules
from zooassist_exporters.training_set import read_training_set
from zooassist_exporters.votes_export import VotesInput, export_votes
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.task_text import plain_text

RING = {
    "T0": {
        "type": "single",
        "question": "T0.question",
        "answers": [
            {"label": "T0.answers.0.label", "next": "T1"},
            {"label": "T0.answers.1.label"},
        ],
    },
    "T1": {
        "type": "multiple",
        "question": "T1.question",
        "answers": [{"label": "T1.answers.0.label"}, {"label": "T1.answers.1.label"}],
    },
}
TEXTS = {
    "T0.question": "Is there a ring?",
    "T0.answers.0.label": "![r.png](https://example.org/r.png) Yes",
    "T0.answers.1.label": "No",
    "T1.question": "What else?",
    "T1.answers.0.label": "Arc",
    "T1.answers.1.label": "Merger",
}


def run(tmp_path, classifications, *, workflows=None, like=None, **rules):
    out = tmp_path / "out"
    given = VotesInput(classifications, workflows, like)
    report = export_votes(given, out, Rules(**rules), overwrite=True)
    return read_training_set(out), report


def only(training_set):
    [row] = training_set.votes.to_pylist()
    return {key: value for key, value in row.items() if value and key != "subject_id"}


def test_counts_with_a_workflow_export(tmp_path, exports, row, answer, version):
    file = exports.classifications(
        row(1, [answer("Yes"), answer(["Arc", "Merger"], "T1", "What else?")], user="ada"),
        row(2, [answer("Yes"), answer([], "T1", "What else?")], user="bob"),
        row(3, [answer("No")], user="cyd"),
        row(4, [answer("No")], user="ada", subject=8),
        row(5, [answer(None)], user="bob", subject=9),
    )
    found, report = run(tmp_path, file, workflows=exports.workflows(version(RING, TEXTS)))
    assert [(each.name, each.type, each.asked_after) for each in found.schema.questions] == [
        ("is-there-a-ring", "single", ()),
        ("what-else", "multiple", ("is-there-a-ring_yes",)),
    ]
    assert found.votes.to_pylist() == [
        {
            "subject_id": subject,
            "is-there-a-ring_yes": yes,
            "is-there-a-ring_no": no,
            "what-else_arc": arc,
            "what-else_merger": merger,
            "is-there-a-ring_total-votes": yes + no,
            "what-else_total-votes": total,
        }
        for subject, yes, no, arc, merger, total in [
            (7, 2, 1, 1, 1, 2),
            (8, 0, 1, 0, 0, 0),
            (9, 0, 0, 0, 0, 0),
        ]
    ]
    assert found.metadata(0) == {"name": "galaxy 7"}
    assert (report.subjects, report.classifications, report.votes) == (3, 5, 6)
    assert [each["name"] for each in found.manifest["sources"]] == [
        "classifications.csv",
        "workflows.csv",
    ]
    assert len(report.problems) == 0


@pytest.mark.parametrize(
    ("repeats", "yes", "no", "left_out"),
    [("first", 1, 0, 2), ("last", 0, 1, 2), ("all", 2, 1, 0)],
)
@pytest.mark.parametrize("user", ["ada", "not-logged-in-00ff"])
def test_repeats_of_one_volunteer(tmp_path, exports, row, answer, user, repeats, yes, no, left_out):
    # The file is not in the order of time, and two of the three are of the same second.
    file = exports.classifications(
        row(30, [answer("No")], user=user, minute=5),
        row(10, [answer("Yes")], user=user, minute=1),
        row(20, [answer("Yes")], user=user, minute=5),
    )
    found, report = run(tmp_path, file, repeats=repeats)
    assert only(found) == {
        key: value
        for key, value in {
            "is-there-a-ring_yes": yes,
            "is-there-a-ring_no": no,
            "is-there-a-ring_total-votes": yes + no,
        }.items()
        if value
    }
    assert report.dropped["repeated by the same volunteer"] == left_out
    assert found.manifest["options"]["repeats"] == repeats


def test_who_is_the_same_volunteer(tmp_path, exports, row, answer):
    file = exports.classifications(
        row(1, [answer("Yes")], user="ada"),
        row(2, [answer("Yes")], user="ada renamed", user_id=11),  # logged in: by id
        row(3, [answer("Yes")], user="not-logged-in-aa"),
        row(4, [answer("Yes")], user="not-logged-in-bb"),  # another hash: another volunteer
        row(5, [answer("Yes")], user="", user_ip=""),
        row(6, [answer("Yes")], user="", user_ip=""),  # nobody knows: never the same
        row(7, [answer("Yes")], user="ada", subject=8),  # another subject: no repeat
    )
    found, report = run(tmp_path, file)
    assert found.counts[:, 0].tolist() == [5, 1]
    assert report.dropped["repeated by the same volunteer"] == 1


def test_gold_standard_and_live_rules(tmp_path, exports, row, answer):
    file = exports.classifications(
        row(1, [answer("Yes")], user="ada", gold_standard="true"),
        row(2, [answer("Yes")], user="bob", metadata={"live_project": False}),
        row(3, [answer("Yes")], user="cyd"),
    )
    found, report = run(tmp_path, file)
    assert found.counts.tolist() == [[2]]
    assert report.dropped["gold standard"] == 1
    assert run(tmp_path, file, gold_standard=True)[0].counts.tolist() == [[3]]
    found, report = run(tmp_path, file, live_only=True)
    assert found.counts.tolist() == [[1]]
    assert found.manifest["options"]["left_out"] == {
        "gold standard": 1,
        "made before launch": 1,
    }


def test_several_workflows_in_one_file(tmp_path, exports, row, answer):
    file = exports.classifications(
        row(1, [answer("Yes")]), row(2, [answer("No")], workflow_id=6, user="bob")
    )
    with pytest.raises(BadInput) as caught:
        run(tmp_path, file)
    assert str(caught.value) == (
        "the export holds several workflows: 5 (1 rows), 6 (1 rows); choose one with --workflow-id"
    )
    assert only(run(tmp_path, file, workflow_id=6)[0]) == {
        "is-there-a-ring_no": 1,
        "is-there-a-ring_total-votes": 1,
    }
    with pytest.raises(BadInput, match="workflow 9 has no classification in the export"):
        run(tmp_path, file, workflow_id=9)


def test_answers_of_earlier_versions_are_matched_by_text(tmp_path, exports, row, answer, version):
    # Version 2 has the answers the other way round, with a picture and another spelling.
    before = TEXTS | {"T0.answers.0.label": "NO", "T0.answers.1.label": "**Yes**"}
    workflows = exports.workflows(version(RING, before, (1, 1)), version(RING, TEXTS, (2, 1)))
    file = exports.classifications(
        row(1, [answer("**Yes**")], user="ada", workflow_version="1.1"),
        row(2, [answer(1)], user="bob", workflow_version="1.1"),  # raw: an index of version 1.1
        row(3, [answer(0)], user="cyd", workflow_version="2.1"),
    )
    found, report = run(tmp_path, file, workflows=workflows)
    assert only(found) == {"is-there-a-ring_yes": 3, "is-there-a-ring_total-votes": 3}
    assert len(report.problems) == 0


def test_a_reused_task_is_another_question(tmp_path, exports, row, answer, version):
    old = TEXTS | {"T0.question": "Is there any ring?"}
    workflows = exports.workflows(version(RING, old, (1, 1)), version(RING, TEXTS, (2, 1)))
    file = exports.classifications(
        row(
            1,
            [answer("Yes", label="Is there any ring?")],
            user="ada",
            workflow_version="1.1",
        ),
        row(2, [answer("No")], user="bob"),
    )
    found, report = run(tmp_path, file, workflows=workflows)
    assert only(found) == {"is-there-a-ring_no": 1, "is-there-a-ring_total-votes": 1}
    assert list(map(str, report.problems)) == [
        "T0: question differs between versions: version 1.1 asked 'Is there any ring?', version "
        "2.1 asks 'Is there a ring?', 1 votes; if it was only reworded, give --reworded T0"
    ]
    found, report = run(tmp_path, file, workflows=workflows, reworded=frozenset({"T0"}))
    assert found.counts[0, :2].tolist() == [1, 1]
    assert len(report.problems) == 0


def test_answers_that_cannot_be_matched_are_counted(tmp_path, exports, row, answer, version):
    file = exports.classifications(
        row(1, [answer("Perhaps")], user="ada"),
        row(2, [answer("Perhaps")], user="bob"),
        row(3, [answer("unknown answer label")], user="cyd"),
        row(4, [answer(5)], user="not-logged-in-aa"),
        row(5, [answer("Yes", "T7", "What colour?")], user="not-logged-in-bb"),
        row(6, [answer([{"x": 1}])], user="not-logged-in-cc"),
        row(7, [answer("Yes")], user="not-logged-in-dd"),
    )
    found, report = run(tmp_path, file, workflows=exports.workflows(version(RING, TEXTS)))
    assert only(found) == {"is-there-a-ring_yes": 1, "is-there-a-ring_total-votes": 1}
    assert report.problems.counts == {
        "answer is not in the workflow": 2,
        "unknown answer label": 1,
        "answer index out of range": 1,
        "task is not asked any more": 1,
        "value does not fit the task": 1,
    }
    assert found.manifest["options"]["problems"] == report.problems.counts
    lines = list(report.problems.lines())
    assert (
        "T0: answer is not in the workflow: expected one of 'Yes', 'No', got 'Perhaps' "
        "(version 2.1), 2 votes; version 2.1 has no such answer; its votes were left out"
    ) in lines


def test_shortcuts_are_votes_of_their_own(tmp_path, exports, row, answer, version):
    tasks = RING | {"T5": {"type": "shortcut", "answers": [{"label": "T5.answers.0.label"}]}}
    texts = TEXTS | {"T5.answers.0.label": "Nothing here"}
    shortcut = {"task": "T5", "task_label": None, "value": ["Nothing here"]}
    file = exports.classifications(
        row(1, [shortcut], user="ada"), row(2, [answer("Yes")], user="bob")
    )
    workflows = exports.workflows(version(tasks, texts))
    found, report = run(tmp_path, file, workflows=workflows, names={"T5": "empty"})
    assert only(found) == {
        "is-there-a-ring_yes": 1,
        "empty_nothing-here": 1,
        "is-there-a-ring_total-votes": 1,
        "empty_total-votes": 1,
    }
    assert len(report.problems) == 0


def test_a_question_that_took_several_answers_before(tmp_path, exports, row, answer, version):
    file = exports.classifications(
        row(1, [answer(["Yes", "No"])], user="ada", workflow_version="1.9"),
        row(2, [answer(["Yes"])], user="bob", workflow_version="1.9"),
        row(3, [answer([])], user="cyd", workflow_version="1.9"),
        row(4, [answer("Yes")], user="not-logged-in-aa"),
    )
    found, report = run(tmp_path, file, workflows=exports.workflows(version(RING, TEXTS)))
    assert only(found) == {"is-there-a-ring_yes": 2, "is-there-a-ring_total-votes": 2}
    assert [problem.where for problem in report.problems] == ["classification 1"]


def test_without_a_workflow_export_the_file_says_it(tmp_path, exports, row, answer):
    file = exports.classifications(
        row(1, [answer("![y](y.png) Yes"), answer(["C++", "C"], "T10", "Languages?")], user="ada"),
        row(2, [answer("yes"), answer("Blue", "T2", "Colour?")], user="bob"),
        row(
            3, [answer("No"), answer([], "T10", "Languages?"), answer([], "T4", "Draw")], user="cyd"
        ),
    )
    found, _ = run(tmp_path, file, names={"T10": "language"})
    assert [(each.task, each.name, each.type, each.columns) for each in found.schema.questions] == [
        ("T0", "is-there-a-ring", "single", ("is-there-a-ring_no", "is-there-a-ring_yes")),
        ("T2", "colour", "single", ("colour_blue",)),
        ("T10", "language", "multiple", ("language_c", "language_c-2")),
    ]
    assert [answer.label for answer in found.schema.question("language").answers] == ["C", "C++"]
    assert found.counts.tolist() == [[1, 2, 1, 1, 1]]
    assert found.totals.tolist() == [[3, 1, 2]]


SUBTASKS = {
    "T0": {
        "type": "drawing",
        "instruction": "Outline the galaxy",
        "tools": [
            {
                "type": "ellipse",
                "label": "Galaxy",
                "details": [
                    {
                        "type": "single",
                        "question": "Is the galaxy smooth?",
                        "answers": [{"label": "Smooth"}, {"label": "Features"}],
                    },
                    {
                        "type": "multiple",
                        "question": "Anything odd?",
                        "answers": [{"label": "Ring"}, {"label": "Merger"}],
                    },
                    {"type": "text", "instruction": "Comment"},
                ],
            }
        ],
    }
}


def ellipses(*answers, odd=None):
    """A drawing annotation of the new classifier and the flattened answers to each mark."""
    marks = [
        {
            "frame": 0,
            "toolIndex": 0,
            "toolType": "ellipse",
            "x_center": 10.5 * (1 + index),
            "y_center": 20,
            "rx": 9,
            "ry": 5,
            "angle": 30,
            "details": [{"task": "T0.0.0"}, {"task": "T0.0.1"}, {"task": "T0.0.2"}],
            "tool_label": "Galaxy",
        }
        for index in range(len(answers))
    ]
    parts = [{"task": "T0", "task_label": "Outline the galaxy", "value": marks}]
    for index, value in enumerate(answers):
        parts.append({"task": "T0.0.0", "taskType": "single", "value": value, "markIndex": index})
        parts.append(
            {"task": "T0.0.1", "taskType": "multiple", "value": odd or [], "markIndex": index}
        )
        parts.append({"task": "T0.0.2", "taskType": "text", "value": "hm", "markIndex": index})
    return parts


def test_subtask_answers_of_both_classifiers(tmp_path, exports, row, version):
    old = [
        {
            "task": "T0",
            "task_label": "Outline the galaxy",
            "value": [
                {
                    "tool": 0,
                    "frame": 0,
                    "x": 10,
                    "y": 20,
                    "rx": 9,
                    "ry": 5,
                    "angle": -30,
                    "details": [{"value": 1}, {"value": [0, 1]}, {"value": "hm"}],
                    "tool_label": "Galaxy",
                }
            ],
        }
    ]
    file = exports.classifications(
        row(1, ellipses(1, odd=[1]), user="ada"),
        row(2, ellipses(0), user="bob"),
        row(3, old, user="cyd", metadata={}),
        row(4, ellipses(1, 0, 0), user="not-logged-in-aa"),  # the first mark's answer counts
        row(5, ellipses(None), user="not-logged-in-bb"),  # mark drawn, question not answered
        row(6, ellipses(), user="not-logged-in-cc"),  # mark deleted
        row(7, list(reversed(ellipses(1, 0))), user="not-logged-in-dd"),  # any order
    )
    workflows = exports.workflows(version(SUBTASKS, {}))
    found, report = run(tmp_path, file, workflows=workflows, names={"T0.0.0": "smooth"})
    assert found.schema.columns == (
        "smooth_smooth",
        "smooth_features",
        "anything-odd_ring",
        "anything-odd_merger",
    )
    assert found.counts.tolist() == [[1, 4, 1, 2]]
    assert found.totals.tolist() == [[5, 6]]
    assert len(report.problems) == 0
    assert found.schema.question("smooth").task == "T0.0.0"


MODEL = LabelSchema(
    (
        Question(
            "smooth-or-featured",
            "",
            "single",
            (),
            (
                Answer("Features", 0, "smooth-or-featured_features"),
                Answer("Smooth", 1, "smooth-or-featured_smooth"),
            ),
            "Is the galaxy simply smooth?",
        ),
        Question(
            "bar",
            "",
            "single",
            ("smooth-or-featured_features",),
            (Answer("Yes", 0, "bar_yes"), Answer("No", 1, "bar_no")),
        ),
    )
)


def test_columns_of_a_model(tmp_path, exports, row, version):
    file = exports.classifications(
        row(1, ellipses(1, odd=[1]), user="ada"), row(2, ellipses(0), user="bob", subject=8)
    )
    workflows = exports.workflows(version(SUBTASKS, {}))
    found, report = run(
        tmp_path, file, workflows=workflows, like=MODEL, names={"T0.0.0": "smooth-or-featured"}
    )
    assert found.schema == MODEL
    assert found.counts.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]
    assert found.totals.tolist() == [[1, 0], [1, 0]]
    assert len(report.notes) == 1
    assert report.notes[0].startswith("T0.0.1 'Anything odd?': the model has no such question")
    with pytest.raises(BadInput, match="--like: none of the workflow's questions is the model's"):
        run(tmp_path, file, workflows=workflows, like=MODEL)
    with pytest.raises(BadInput, match="--like needs --workflows"):
        run(tmp_path, file, like=MODEL)


def test_no_question_at_all(tmp_path, exports, row):
    file = exports.classifications(row(1, [{"task": "T0", "task_label": "Draw", "value": []}]))
    with pytest.raises(BadInput, match="no question was answered in 1 classifications"):
        run(tmp_path, file)
    file = exports.classifications()
    with pytest.raises(BadInput, match="no question was answered in 0 classifications"):
        run(tmp_path, file)
    assert not (tmp_path / "out").exists()


def test_an_output_that_exists_is_refused_before_any_work(tmp_path, exports, row, answer):
    file = exports.classifications(row(1, [answer("Yes")]))
    run(tmp_path, file)
    with pytest.raises(BadInput, match="give --overwrite"):
        export_votes(VotesInput(tmp_path / "nowhere.csv"), tmp_path / "out", Rules())


def counted_independently(rows, keep=lambda row: True):
    """Count labels per (task, question, answer) with plain loops, first per volunteer."""
    seen, counts = set(), Counter()
    for row in sorted(rows, key=lambda row: (row["created_at"], int(row["classification_id"]))):
        if not keep(row):
            continue
        who = (row["user_name"], row["subject_ids"])
        if who in seen:
            continue
        seen.add(who)
        for annotation in json.loads(row["annotations"]):
            value = annotation["value"]
            values = value if isinstance(value, list) else [value]
            is_text = list(annotation) == ["task", "value", "task_label"]
            if values and all(isinstance(each, str) for each in values) and not is_text:
                question = plain_text(annotation.get("task_label") or "").lower()
                for each in values:
                    counts[annotation["task"], question, plain_text(each).lower()] += 1
            choices = {each["choice"] for each in values if "choice" in (each or ())}
            for each in choices if isinstance(value, list) else ():
                counts[annotation["task"], "", plain_text(each).lower()] += 1
    return counts


REAL = [
    ("galaxyzoo-decals-panoptes_classifications.csv.gz", 6122, 47, 9),
    ("superluminous-supernovae-classifications.csv.gz", 10, 10, 7),
    ("many-tools-classifications-2022.csv.gz", 21790, 11, 11),
    ("kenya-sample.csv.gz", 2030, 2129, 1691),
]


@pytest.mark.parametrize(("name", "workflow_id", "votes", "subjects"), REAL)
def test_real_exports(tmp_path, real_export, real_rows, name, workflow_id, votes, subjects):
    found, report = run(tmp_path, real_export(name), workflow_id=workflow_id)
    rows = real_rows(name)
    expected = counted_independently(
        rows, lambda row: row["gold_standard"] != "true" and row["workflow_id"] == str(workflow_id)
    )
    totals = found.counts.sum(axis=0)
    assert {
        (question.task, question.text.lower(), answer.label.lower()): int(
            totals[found.schema.columns.index(answer.column)]
        )
        for question in found.schema.questions
        for answer in question.answers
    } == dict(expected)
    assert (report.votes, report.subjects, len(report.problems)) == (votes, subjects, 0)


def test_real_export_with_its_workflow(tmp_path, real_export, real_rows):
    found, report = run(
        tmp_path,
        real_export("superluminous-supernovae-classifications.csv.gz"),
        workflows=real_export("superluminous-supernovae-workflows.csv.gz"),
        names={"T0": "rising", "T1": "host"},
    )
    assert found.schema.columns == ("rising_yes", "rising_no", "host_yes", "host_no")
    assert found.schema.question("host").asked_after == ("rising_yes",)
    assert found.counts.sum(axis=0).tolist() == [3, 4, 1, 2]
    assert found.totals.sum(axis=0).tolist() == [7, 3]
    assert len(report.problems) == 0
    by_subject = {
        int(row["subject_ids"]): [
            annotation["value"] for annotation in json.loads(row["annotations"])
        ]
        for row in real_rows("superluminous-supernovae-classifications.csv.gz")
    }
    for row, subject in enumerate(found.subject_ids.tolist()):
        said = by_subject[subject]
        assert found.counts[row, :2].tolist() == [said[0] == "Yes", said[0] == "No"]
        assert found.totals[row].tolist() == [1, len(said) - 1]
