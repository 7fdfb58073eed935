"""Votes equal those of panoptes_aggregation 5.3.1, answer for answer, but for listed differences.

Its results are kept in `tests/oracle/golden` (counts by subject, no names), as `make oracle-golden`
made them; where `make oracle` has installed it, the quick ones are made again and compared.
"""

import ast
import json
import subprocess
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from zooassist_exporters.long_table.reading import read_long_table
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.rules import Rules
from zooassist_exporters.training_set import read_training_set
from zooassist_exporters.votes_export import VotesInput, export_votes

ROOT = Path(__file__).parents[2]
ORACLE = ROOT / "tests" / "oracle"
PYTHON = ROOT / ".venv-oracle" / "bin" / "python"
QUIRKS = ORACLE / "quirks.csv"

# Export -> workflows in it with question or survey votes.
EXPORTS = {
    "kenya-sample": [2030],
    "galaxyzoo-decals-panoptes_classifications": [6122],
    "superluminous-supernovae-classifications": [10],
    "many-tools-classifications-2022": [21790],
    "ap-aas229-test-classifications": [3149],
    "cat-project-classifications": [],
}
WORKFLOWS = [(name, workflow) for name, found in EXPORTS.items() for workflow in found]


def golden(name):
    return json.loads((ORACLE / "golden" / f"{name}.json").read_text(encoding="utf-8"))


def long_counts(path, workflow_id, **rules):
    """Count every raw answer by task and subject, as it stands in the long table."""
    rules = Rules(workflow_id=workflow_id, repeats="all", gold_standard=True, **rules)
    counts = defaultdict(lambda: defaultdict(lambda: defaultdict(int)))
    problems = ProblemList()
    with read_long_table(path, rules, None, problems)[0] as table:
        for records in map(table.records, table.parts()):
            subjects = records.subject_ids[records.classifications]
            for subject, answer in zip(subjects.tolist(), records.answers.tolist(), strict=True):
                key = table.keys[answer]
                if key.value is not None:
                    counts[key.task][str(subject)][key.value] += 1
    assert len(problems) == 0
    return counts


def slugged(subjects, slugs):
    """Name answers as panoptes_aggregation does: answers whose slugs are the same come together."""
    found = {}
    for subject, answers in subjects.items():
        for label, count in answers.items():
            place = found.setdefault(subject, {})
            place[slugs[label]] = place.get(slugs[label], 0) + count
    return found


def without_null(subjects):
    """Leave out those who passed on without an answer: they are no votes of ours."""
    found = {
        subject: {slug: count for slug, count in answers.items() if slug != "None"}
        for subject, answers in subjects.items()
    }
    return {subject: answers for subject, answers in found.items() if answers}


@pytest.mark.parametrize(("name", "workflow"), WORKFLOWS)
def test_questions_of_real_exports(real_export, name, workflow):
    expected = golden(name)
    counts = long_counts(real_export(f"{name}.csv.gz"), workflow)
    tasks = expected["question"][str(workflow)]
    compared = 0
    for task, subjects in tasks.items():
        assert slugged(counts[task], expected["slugs"]) == without_null(subjects), task
        compared += sum(map(len, subjects.values()))
    assert compared > 0
    surveys = expected.get("survey", {}).get(str(workflow), {})
    assert {task for task in counts if "." not in task and "/" not in task} == (
        {task for task, subjects in tasks.items() if without_null(subjects)} | set(surveys)
    ), "no other task of the export has votes"


def named_again(rows, slugs):
    """Find choices that a classification named twice with other answers: they count both."""
    again = defaultdict(lambda: defaultdict(int))
    for row in rows:
        for annotation in json.loads(row["annotations"]):
            value = annotation["value"]
            made = {json.dumps(each) for each in value or () if "choice" in each}
            choices = Counter(json.loads(each)["choice"] for each in made)
            for choice, times in choices.items():
                if times > 1:
                    again[row["subject_ids"]][slugs[choice]] += times - 1
    return again


def test_surveys_of_real_exports(real_export, real_rows):
    expected = golden("kenya-sample")
    counts = long_counts(real_export("kenya-sample.csv.gz"), 2030)
    slugs = expected["slugs"]
    again = named_again(real_rows("kenya-sample.csv.gz"), slugs)
    assert {subject: dict(choices) for subject, choices in again.items()} == {
        "10456896": {"zebra": 1},
        "4592700": {"giraffe": 1},
    }
    [(task, subjects)] = expected["survey"]["2030"].items()
    assert len(subjects) == 784
    assert slugged(counts[task], slugs) == {
        subject: {
            choice: found["count"] - again[subject][choice] for choice, found in choices.items()
        }
        for subject, choices in subjects.items()
    }
    answers = defaultdict(dict)
    for key, by_subject in counts.items():
        parts = key.split("/")
        if parts[0] == task and len(parts) == 3:
            for subject, given in slugged(by_subject, slugs).items():
                about = answers[subject, slugs[parts[1]]]
                for slug, count in given.items():
                    name = f"{slugs[parts[2]]}.{slug}"
                    about[name] = about.get(name, 0) + count
    theirs = {
        (subject, choice): found["answers"]
        for subject, choices in subjects.items()
        for choice, found in choices.items()
        if found["answers"] and not again[subject][choice]
    }
    assert {place: answers[place] for place in theirs} == theirs
    assert {place for place in answers if not again[place[0]][place[1]]} == set(theirs)


def test_an_export_of_drawings_has_no_votes_for_either(real_export):
    assert "question" not in golden("cat-project-classifications")
    path = real_export("cat-project-classifications.csv.gz")
    assert not any(long_counts(path, None).values())


def test_difference_slugs_that_collide_and_vanish():
    expected = golden("quirks")
    counts = long_counts(QUIRKS, 5)
    theirs = expected["question"]["5"]
    assert dict(counts["T0"]["7"]) == {"C++": 1, "C": 2}
    assert {slug: n for slug, n in theirs["T0"]["7"].items() if slug != "None"} == {"c": 3}
    assert dict(counts["T1"]["7"]) == {"1.5": 1, "!!!": 1, "1-5": 1}
    assert theirs["T1"]["7"]["1-5"] == 2, "'1.5' and '1-5' are one answer there"
    assert expected["slugs"]["!!!"] == "", "and this one has no name"


def test_difference_passing_on_is_no_vote():
    assert golden("quirks")["question"]["5"]["T0"]["7"]["None"] == 1
    assert None not in long_counts(QUIRKS, 5)["T0"]["7"]


@pytest.mark.parametrize(("repeats", "c", "cpp"), [("first", 1, 1), ("last", 2, 0), ("all", 2, 1)])
def test_difference_their_filter_of_repeats_is_ignored(tmp_path, repeats, c, cpp):
    assert golden("quirks")["filter_matters"] is False
    export_votes(VotesInput(QUIRKS), tmp_path / "out", Rules(repeats=repeats))
    votes = read_training_set(tmp_path / "out").votes.to_pylist()[0]
    assert (votes["which-language_c"], votes["which-language_c-2"]) == (c, cpp)


def test_difference_one_volunteer_names_a_choice_once(tmp_path):
    theirs = golden("quirks")["survey"]["5"]["T2"]["8"]
    assert {choice: found["count"] for choice, found in theirs.items()} == {"lion": 2, "hare": 1}
    assert theirs["lion"]["total"] == 3, "they count identifications, and nobody who saw nothing"
    assert dict(long_counts(QUIRKS, 5)["T2"]["8"]) == {"LION": 1, "HARE": 1}
    export_votes(VotesInput(QUIRKS), tmp_path / "out", Rules())
    found = read_training_set(tmp_path / "out")
    row = found.subjects["subject_id"].to_pylist().index(8)
    assert found.votes["t2_total-votes"].to_pylist()[row] == 2


def test_dropdowns_and_difference_what_was_typed_is_no_option():
    theirs = golden("quirks")["dropdown"]["5"]
    assert theirs["T3"]["9"] == {"0": {"a1": 1}, "1": {"like-an-egg": 1}}, "options by their key"
    assert theirs["T4"]["9"] == {"0": {"a1": 1}}
    counts = long_counts(QUIRKS, 5)
    assert {task: dict(counts[task]["9"]) for task in ("T3.0", "T4")} == {
        "T3.0": {"Red": 1},
        "T4": {"Red": 1},
    }
    assert "T3.1" not in counts


@pytest.mark.parametrize("name", ["quirks", "superluminous-supernovae-classifications"])
def test_golden_results_are_those_of_panoptes_aggregation(tmp_path, real_export, name):
    if not PYTHON.is_file():
        pytest.skip("panoptes_aggregation is not installed; `make oracle` does it")
    source = QUIRKS if name == "quirks" else real_export(f"{name}.csv.gz")
    out = tmp_path / "golden.json"
    script = ORACLE / "panoptes_aggregation_votes.py"
    subprocess.run([PYTHON, script, source, out], check=True, capture_output=True)
    assert json.loads(out.read_text(encoding="utf-8")) == golden(name)


def test_the_script_keeps_no_names_of_volunteers():
    tree = ast.parse((ORACLE / "panoptes_aggregation_votes.py").read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert not texts & {"user_name", "user_id", "user_ip"}
