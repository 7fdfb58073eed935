from __future__ import annotations

from dataclasses import replace

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.trees import TREES
from zooassist_training.evaluation.comparison import compare_schemas


def single(name, answers, after=(), task="", text=""):
    return Question(
        name, task, "single", tuple(after),
        tuple(Answer(label, i, f"{name}_{label.lower()}") for i, label in enumerate(answers)),
        text,
    )  # fmt: skip


MODEL = LabelSchema(
    (
        single("shape", ["Smooth", "Disk", "Star"], text="Is it smooth?"),
        single("edge", ["Yes", "No"], ["shape_disk"], text="Edge-on?"),
        single("bar", ["Yes", "No"], ["edge_no"], text="Is there a bar?"),
    )
)


def test_the_same_schema_is_compared_column_by_column():
    for schema in (MODEL, TREES["gz2"]):
        found = compare_schemas(schema, schema)
        assert (
            list(found.model_columns) == list(found.set_columns) == list(range(len(schema.columns)))
        )
        assert (found.left_out, found.not_asked) == ((), ())


def test_answers_in_another_order_and_other_names_are_matched_by_words():
    asked = LabelSchema(
        (
            single("t0", ["Star", "Smooth", "Disk"], text="is it SMOOTH", task="T0"),
            single("t1", ["No", "Yes"], ["t0_disk"], text="Edge on", task="T1"),
        )
    )
    found = compare_schemas(MODEL, asked)
    assert found.schema.columns == ("shape_smooth", "shape_disk", "shape_star", "edge_yes",
                                    "edge_no")  # fmt: skip
    assert list(found.model_columns) == [0, 1, 2, 3, 4]
    assert list(found.set_columns) == [1, 2, 0, 4, 3]
    assert found.schema.question("edge").asked_after == ("shape_disk",)
    assert found.not_asked == ("bar",)


def test_the_tree_is_the_training_sets():
    flat = LabelSchema(tuple(replace(each, asked_after=()) for each in reversed(MODEL.questions)))
    found = compare_schemas(MODEL, flat)
    assert [each.asked_after for each in found.schema.questions] == [(), (), ()]
    assert [each.name for each in found.schema.questions] == ["bar", "edge", "shape"]
    assert list(found.model_columns) == [5, 6, 3, 4, 0, 1, 2]


def test_what_does_not_fit_is_named_and_so_is_what_hangs_on_it():
    asked = LabelSchema(
        (
            single("shape", ["Smooth", "Disk", "Star"]),
            single("edge", ["Yes", "No", "Cannot tell"], ["shape_disk"]),
            single("bar", ["Yes", "No"], ["edge_no"]),
        )
    )
    found = compare_schemas(MODEL, asked)
    assert [each.name for each in found.schema.questions] == ["shape"]
    differs, hangs = found.left_out
    assert "only the training set has 'Cannot tell'" in differs
    assert "asked after 'edge_no'" in hangs


def test_nothing_in_common_is_refused_with_the_difference():
    asked = LabelSchema((single("colour", ["Red", "Blue"]),))
    with pytest.raises(BadInput, match=r"no such question \(it answers shape, edge, bar\)"):
        compare_schemas(MODEL, asked)


def test_two_questions_for_one_of_the_model():
    asked = LabelSchema(
        (
            single("bar", ["Yes", "No"], task="T0"),
            single("b", ["Yes", "No"], text="Is there a bar?", task="T1"),
        )
    )
    found = compare_schemas(MODEL, asked)
    assert [each.name for each in found.schema.questions] == ["bar"]
    assert "answers another question too" in found.left_out[0]
