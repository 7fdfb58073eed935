import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_match import LabelPair, match_labels
from zooassist_plugin.label_schema import LabelSchema, resolve_strings, schema_from_tasks
from zooassist_plugin.trees import TREES

GALAXY_ZOO = (
    Path(__file__).parents[2] / "../shared/data/exports/galaxyzoo-workflow_6122_v28.30.json.gz"
)


def question(text, *labels, kind="single"):
    return {"type": kind, "question": text, "answers": [{"label": label} for label in labels]}


def subtasks(*details):
    return schema_from_tasks(
        {"T0": {"type": "drawing", "tools": [{"type": "ellipse", "details": list(details)}]}}, "T0"
    )


SMOOTH = "Is the galaxy simply smooth and rounded, with no sign of a disk?"


def test_subtasks_fit_a_tree_by_their_words_in_any_order():
    workflow = subtasks(
        question(f"**{SMOOTH}**", "![x.png](u) Star or artifact", "smooth", "Features or Disk"),
        question("Bar", "No", "Yes"),
    )
    match = match_labels(TREES["gz2"], workflow)
    assert match.misfits == ()
    assert match.pairs == (
        LabelPair("T0.0.0", "smooth-or-featured", (2, 0, 1)),
        LabelPair("T0.0.1", "bar", (1, 0)),
    )
    assert match.pair("T0.0.1").question == "bar"
    assert match.pair("T9") is None


def test_a_question_that_the_model_lacks_is_reported():
    [misfit] = match_labels(TREES["gz2"], subtasks(question("Colour?", "Blue", "Red"))).misfits
    assert misfit.startswith("T0.0.0 'Colour?': the model has no such question")
    assert "--map T0.0.0=<name>" in misfit


def test_answers_that_differ_are_reported_from_both_sides():
    workflow = subtasks(question(SMOOTH, "Smooth", "Features or disk", "Star", "Satellite trail"))
    match = match_labels(TREES["gz2"], workflow)
    assert match.pairs == ()
    assert re.search(
        "smooth-or-featured: only the workflow has 'Star', 'Satellite trail' "
        "and only the model has 'Star or artifact'",
        match.misfits[0],
    )


def test_an_override_replaces_the_words_of_the_question_but_not_of_the_answers():
    workflow = subtasks(question("A bar?", "Yes", "No"), question("Smooth?", "Yes", "No"))
    match = match_labels(TREES["gz2"], workflow, {"T0.0.0": "bar"})
    assert match.pairs == (LabelPair("T0.0.0", "bar", (0, 1)),)
    assert "T0.0.1" in match.misfits[0]
    with pytest.raises(
        BadInput, match=r"--map T0\.0\.1=smooth-or-featured: .* answers differ from"
    ):
        match_labels(TREES["gz2"], workflow, {"T0.0.1": "smooth-or-featured"})


def test_single_and_multiple_choice_do_not_fit():
    match = match_labels(TREES["gz2"], subtasks(question("bar", "Yes", "No", kind="multiple")))
    assert "multiple choice" in match.misfits[0]


def test_overrides_must_name_what_exists():
    workflow = subtasks(question("A bar?", "Yes", "No"))
    with pytest.raises(BadInput, match="the workflow has no question 'T7'"):
        match_labels(TREES["gz2"], workflow, {"T7": "bar"})
    with pytest.raises(BadInput, match="no question is named 'bars'"):
        match_labels(TREES["gz2"], workflow, {"T0.0.0": "bars"})


def test_the_real_galaxy_zoo_workflow_against_the_gz_decals_tree():
    if not GALAXY_ZOO.exists():
        pytest.skip("needs the real Galaxy Zoo workflow, beside the checkout in ../shared/data")
    with gzip.open(GALAXY_ZOO) as file:
        version = json.load(file)
    workflow = schema_from_tasks(resolve_strings(version["tasks"], version["strings"]), "T0")
    match = match_labels(TREES["gz-decals"], workflow)
    assert match.pairs == (
        LabelPair("T0", "smooth-or-featured", (0, 1, 2)),  # "Star or Artefact", with a picture
        LabelPair("T1", "how-rounded", (0, 1, 2)),  # "Inbetween"
        LabelPair("T3", "edge-on-bulge", (2, 0, 1)),
        LabelPair("T4", "bar", (2, 1, 0)),
        LabelPair("T5", "has-spiral-arms", (0, 1)),
        LabelPair("T6", "spiral-winding", (0, 1, 2)),
        LabelPair("T7", "spiral-arm-count", (0, 1, 2, 3, 4, 5)),
    )
    # This version of the workflow asks for three sizes of bulge, the tree for five; one answer
    # carries a note to the translators.
    assert [misfit.split()[0] for misfit in match.misfits] == ["T2", "T8", "T10", "T11"]
    assert "only the workflow has '(new image, edge and inclined) Yes'" in match.misfits[0]


def test_the_same_words_twice_are_told_apart_by_their_columns():
    """As in a model of two surveys that ask about bars at different places of their trees."""
    first = schema_from_tasks({"T0": question("Bar?", "Yes", "No")}, "T0").questions[0]
    columns = [replace(each, column=f"early-{each.column}") for each in first.answers]
    second = replace(first, name="bar-early", task="T9", answers=tuple(columns))
    both = LabelSchema((first, second))
    for asked in both.questions:
        (pair,) = match_labels(both, LabelSchema((asked,))).pairs
        assert pair.question == asked.name
