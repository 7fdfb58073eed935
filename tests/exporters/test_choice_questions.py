"""Surveys and dropdowns as votes, with and without the workflow export."""

import pytest

from zooassist_exporters.rules import Rules
from zooassist_exporters.training_set import read_training_set
from zooassist_exporters.votes_export import VotesInput, export_votes

SURVEY = {
    "type": "survey",
    "choices": {
        "LION": {"label": "T0.choices.LION.label"},
        "HARE": {"label": "T0.choices.HARE.label"},
        "NTHNG": {"label": "T0.choices.NTHNG.label"},
    },
    "choicesOrder": ["HARE", "LION", "NTHNG"],
    "questions": {
        "HWMN": {
            "label": "T0.questions.HWMN.label",
            "multiple": False,
            "answers": {"1": {"label": "one"}, "2": {"label": "two"}},
            "answersOrder": ["2", "1"],
        },
        "DNG": {
            "label": "T0.questions.DNG.label",
            "multiple": True,
            "answers": {"RST": {"label": "Resting"}},
        },
    },
    "questionsMap": {"HARE": ["HWMN"], "LION": ["HWMN", "DNG"], "NTHNG": []},
}
DROPDOWN = {
    "type": "dropdown",
    "instruction": "Describe it",
    "selects": [
        {
            "title": "Colour",
            "options": {
                "*": [{"label": "Red", "value": "a1"}, {"label": "Blue", "value": "b2"}],
                "a1;": [{"label": "Green", "value": "c3"}],
            },
        },
        {"title": "Free text only", "options": {}},
    ],
}
SIMPLE = {
    "type": "dropdown-simple",
    "selects": [{"title": "Size", "options": {"*": [{"label": "Big", "value": "x"}]}}],
}
TEXTS = {
    "T0.choices.LION.label": "Lion",
    "T0.choices.HARE.label": "Hare",
    "T0.choices.NTHNG.label": "Nothing here",
    "T0.questions.HWMN.label": "How many?",
    "T0.questions.DNG.label": "Doing what?",
}


def seen(choice, **answers):
    return {"choice": choice, "answers": answers, "filters": {}}


@pytest.fixture
def file(exports, row):
    def marked(number, *choices, user="ada", **others):
        select = {"select_label": "Colour", "option": True, "value": "b2", "label": "Blue"}
        size = {"select_label": "Size", "option": True, "option_index": 0, "label": "Big"}
        annotations = [
            {"task": "T0", "value": list(choices)},
            {"task": "T1", "value": [select, {"option": False, "value": "scaly"}]},
            {"task": "T2", "task_type": "dropdown-simple", "value": size},
        ]
        return row(number, annotations, user=user, **others)

    return exports.classifications(
        marked(1, seen("LION", HWMN="2", DNG=["RST"]), seen("HARE", HWMN="1")),
        marked(2, seen("LION", HWMN="1", DNG=[]), user="bob"),
        marked(3, user="cyd"),
        marked(4, seen("LION", HWMN="2"), user="bob", subject=8),
    )


def counts(found):
    return {
        column: values
        for column, values in zip(found.schema.columns, found.counts.T.tolist(), strict=True)
        if any(values)
    }


def totals(found):
    names = [question.name for question in found.schema.questions]
    return dict(zip(names, found.totals.T.tolist(), strict=True))


def run(tmp_path, given, **rules):
    export_votes(given, tmp_path / "out", Rules(**rules), overwrite=True)
    return read_training_set(tmp_path / "out")


def test_as_seen(tmp_path, file):
    found = run(tmp_path, VotesInput(file))
    assert counts(found) == {
        "t0_hare": [1, 0],
        "t0_lion": [2, 1],
        "colour_blue": [3, 1],
        "size_big": [3, 1],
    }
    assert totals(found) == {"t0": [3, 1], "colour": [3, 1], "size": [3, 1]}
    found = run(tmp_path, VotesInput(file), survey_answers=True)
    assert counts(found).items() >= {"t0-lion-hwmn_1": [1, 0], "t0-lion-hwmn_2": [1, 1]}.items()
    assert totals(found)["t0-lion-dng"] == [2, 0], "seen resting by one of two who said what"


def test_with_the_workflow(tmp_path, file, exports, version):
    tasks = {"T0": SURVEY, "T1": DROPDOWN, "T2": SIMPLE}
    given = VotesInput(file, exports.workflows(version(tasks, TEXTS)))
    found = run(tmp_path, given, names={"T0": "animal"})
    assert [(each.name, each.type, each.columns) for each in found.schema.questions] == [
        ("animal", "multiple", ("animal_hare", "animal_lion", "animal_nothing-here")),
        ("colour", "single", ("colour_red", "colour_blue", "colour_green")),
        ("size", "single", ("size_big",)),
    ]
    assert counts(found) == {
        "animal_hare": [1, 0],
        "animal_lion": [2, 1],
        "colour_blue": [3, 1],
        "size_big": [3, 1],
    }
    assert totals(found)["animal"] == [3, 1]
    found = run(tmp_path, given, survey_answers=True)
    assert {key: value for key, value in counts(found).items() if "how" in key or "do" in key} == {
        "hare-how-many_one": [1, 0],
        "lion-how-many_two": [1, 1],
        "lion-how-many_one": [1, 0],
        "lion-doing-what_resting": [1, 0],
    }


def test_labels_that_read_the_same_stay_apart(tmp_path, exports, row, version):
    shortcut = {"type": "shortcut", "answers": [{"label": "C"}, {"label": "C++"}]}
    file = exports.classifications(
        row(1, [{"task": "T5", "task_label": None, "value": ["C++"]}]),
        row(2, [{"task": "T5", "task_label": None, "value": ["C"]}], user="bob"),
        row(3, [{"task": "T5", "task_label": None, "value": ["C"]}], user="cyd"),
    )
    given = VotesInput(file, exports.workflows(version({"T5": shortcut}, {}, first_task="T5")))
    assert counts(run(tmp_path, given)) == {"t5_c-0": [2], "t5_c-1": [1]}
