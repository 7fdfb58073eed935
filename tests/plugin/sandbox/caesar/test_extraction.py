"""Extractors: how they are set up, and what each takes out of a classification."""

from __future__ import annotations

import pytest

from zooassist_plugin.sandbox.caesar.extraction import EXTRACTORS, MissingAnnotation, too_old


def payload(**tasks):
    return {
        "id": 99,
        "user_id": 42,
        "metadata": {"session": "abc"},
        "annotations": {key: [{"task": key, "value": value}] for key, value in tasks.items()},
    }


def extract(kind, document, /, **settings):
    settings = {"task_key": "T0", "if_missing": "error", **settings}
    return EXTRACTORS[kind](document, settings)


@pytest.mark.parametrize(
    ("value", "counts"),
    [(1, {"1": 1}), ([0, 2], {"0": 1, "2": 1}), ([], {}), (None, {"": 1}), ("yes", {"yes": 1})],
)
def test_question(value, counts):
    assert extract("question", payload(T0=value)) == counts


@pytest.mark.parametrize("name", ["question", "survey"])
def test_if_missing(name):
    with pytest.raises(MissingAnnotation, match="classification 99: no annotations for task T0"):
        extract(name, payload(T1=0))
    assert extract(name, payload(T1=0), if_missing="ignore") == {}
    assert extract(name, payload(T1=0), if_missing="reject") is None


def test_survey():
    document = payload(T0=[{"choice": "LION"}, {"choice": "LION"}, {"choice": "GNU"}])
    assert extract("survey", document) == {"LION": 2, "GNU": 1}
    assert extract("survey", payload(T0=[]), nothing_here_choice="NTHNGHR") == {"NTHNGHR": 1}
    settings = {"nothing_here_choice": "NTHNGHR", "if_missing": "nothing_here"}
    assert extract("survey", payload(T1=0), **settings) == {"NTHNGHR": 1}


@pytest.mark.parametrize(
    ("value", "blank"),
    [(None, True), ([], True), ("", True), (" ", True), (False, True), (0, False), ([1], False)],
)
def test_blank(value, blank):
    assert extract("blank", payload(T0=value)) == {"blank": blank}


def test_blank_without_the_task():
    assert extract("blank", payload()) == {"blank": True}


def test_who():
    assert extract("who", payload()) == {"user_id": 42}


def test_pluck_field():
    assert extract("pluck_field", payload(), path="$.metadata.session", name="s") == {"s": "abc"}
    many = {"path": "$.annotations.*[0].value", "name": "v"}
    assert extract("pluck_field", payload(T0=1, T1=2), **many) == {"v": [1, 2]}
    absent = {"path": "$.metadata.nothing", "name": "v"}
    with pytest.raises(MissingAnnotation, match="nothing at"):
        extract("pluck_field", payload(), **absent)
    assert extract("pluck_field", payload(), **absent, **{"if_missing": "ignore"}) == {}
    assert extract("pluck_field", payload(), **absent, **{"if_missing": "reject"}) is None


def test_shape_collects_parameters_by_frame_and_tool():
    marks = [
        {"toolIndex": 0, "toolType": "circle", "frame": 0, "x_center": 5, "y_center": 6, "r": 7},
        {"toolIndex": 0, "toolType": "circle", "frame": 0, "x_center": 8, "y_center": 9, "r": 10},
        {"toolIndex": 1, "toolType": "circle", "frame": 1, "x_center": 1, "y_center": 2, "r": 3},
        {"toolIndex": 2, "toolType": "point", "frame": 0, "x": 1, "y": 2},
    ]
    assert extract("shape", payload(T0=marks), shape="circle") == {
        "frame0": {
            "T0_toolIndex0_x": [5, 8],
            "T0_toolIndex0_y": [6, 9],
            "T0_toolIndex0_r": [7, 10],
        },
        "frame1": {"T0_toolIndex1_x": [1], "T0_toolIndex1_y": [2], "T0_toolIndex1_r": [3]},
    }
    first = [{"tool": 0, "frame": 0, "x": 1, "y": 2, "details": []}]
    assert extract("shape", payload(T0=first), shape="point") == {
        "frame0": {"T0_tool0_x": [1], "T0_tool0_y": [2]}
    }


@pytest.mark.parametrize(
    ("version", "minimum", "old"),
    [
        ("7.9", "7.10", True),
        ("7.10", "7.9", False),
        ("7.3", "7.3", False),
        ("6.99", "7", True),
        ("7.0", "7", False),
        ("", "7", False),
        ("1.1", None, False),
    ],
)
def test_versions_compare_as_numbers(version, minimum, old):
    assert too_old(version, minimum) is old


# How extractors are set up.


def test_create_answers_201_and_defaults(lab):
    workflow_id = lab.add_workflow()
    answer = lab.post(
        f"/workflows/{workflow_id}/extractors", {"extractor": {"type": "question", "key": "q"}}
    )
    assert answer.status_code == 201
    row = answer.get_json()
    assert row["config"] == {"task_key": "T0", "if_missing": "error"}
    assert (row["key"], row["workflow_id"]) == ("q", workflow_id)
    assert lab.get(f"/workflows/{workflow_id}/extractors").get_json() == [row]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"type": "dropdown", "key": "d"}, "Unknown type dropdown"),
        ({"type": "question"}, "Key can't be blank"),
        ({"type": "question", "key": "taken"}, "Key has already been taken"),
        ({"type": "question", "key": "q", "if_missing": "cry"}, "if_missing must be one of"),
        ({"type": "external", "key": "e", "url": "http://example.org/x"}, "URL must be one of"),
        ({"type": "external", "key": "e", "url": "ftp://localhost/x"}, "URL must be one of"),
        ({"type": "shape", "key": "s", "shape": "blob"}, "shape must be one of"),
        ({"type": "pluck_field", "key": "p", "name": "n", "path": "$.a[?]"}, "JSONPath"),
        ({"type": "pluck_field", "key": "p", "path": "$.a"}, "name must say"),
        ({"type": "who", "key": "w", "minimum_workflow_version": "new"}, "like 7.3"),
    ],
)
def test_wrong_extractors_are_422(lab, part, message):
    workflow_id = lab.add_workflow()
    lab.make(workflow_id, "extractor", type="who", key="taken")
    answer = lab.post(f"/workflows/{workflow_id}/extractors", {"extractor": part})
    assert answer.status_code == 422
    assert message in answer.get_json()["errors"][0]["message"]


def test_update_and_delete(lab):
    workflow_id = lab.add_workflow()
    row = lab.make(workflow_id, "extractor", type="question", key="q", task_key="T1")
    path = f"/workflows/{workflow_id}/extractors/{row['id']}"
    assert lab.put(path, {"extractor": {"if_missing": "ignore"}}).status_code == 204
    assert lab.get(path).get_json()["config"] == {"task_key": "T1", "if_missing": "ignore"}
    assert lab.delete(path).status_code == 204
    assert lab.get(path).status_code == 404
