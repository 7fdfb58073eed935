import gzip
import json
from pathlib import Path

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import (
    Answer,
    LabelSchema,
    Question,
    resolve_strings,
    schema_from_tasks,
    schema_of,
)
from zooassist_plugin.task_text import plain_text, slug
from zooassist_plugin.workflow import Step, Workflow

GALAXY_ZOO = (
    Path(__file__).parents[2] / "../shared/data/exports/galaxyzoo-workflow_6122_v28.30.json.gz"
)


def ask(text, *answers, kind="single", **extra):
    """A question; an answer is a label, or a label and where it leads."""
    listed = [
        {"label": a} if isinstance(a, str) else {"label": a[0], "next": a[1]} for a in answers
    ]
    return {"type": kind, "question": text, "answers": listed, **extra}


def asked_after(schema):
    return {question.task: question.asked_after for question in schema.questions}


def test_next_links_of_answers_say_who_is_asked():
    tasks = {
        "T0": ask("Smooth?", ("Yes", "T1"), ("No", "T2"), "Star"),
        "T1": ask("Round?", "Yes", "No"),
        "T2": ask("Spiral?", "Yes", "No"),
    }
    schema = schema_from_tasks(tasks, "T0")
    assert schema.columns == (
        "smooth_yes", "smooth_no", "smooth_star",
        "round_yes", "round_no",
        "spiral_yes", "spiral_no",
    )  # fmt: skip
    assert asked_after(schema) == {"T0": (), "T1": ("smooth_yes",), "T2": ("smooth_no",)}
    assert schema.slices == {"smooth": slice(0, 3), "round": slice(3, 5), "spiral": slice(5, 7)}
    assert schema.question("round").task == "T1"


def test_several_parents_are_all_named():
    tasks = {
        "T0": ask("A", ("x", "T1"), ("y", "T2"), "z"),
        "T1": ask("B", ("p", "T3"), "q"),
        "T2": ask("C", ("r", "T3"), "s"),
        "T3": ask("D", "t"),
    }
    assert asked_after(schema_from_tasks(tasks, "T0"))["T3"] == ("b_p", "c_r")


def test_a_task_that_every_answer_leads_to_inherits_the_question_s_own_condition():
    tasks = {
        "T0": ask("A", ("x", "T1"), "y"),
        "T1": ask("B", ("p", "T2"), ("q", "T2")),
        "T2": ask("C", ("r", "T3"), ("s", "T4")),
        "T3": ask("D", ("t", "T4"), ("u", "T4")),
        "T4": ask("E", "v"),
    }
    after = asked_after(schema_from_tasks(tasks, "T0"))
    assert after["T2"] == ("a_x",)
    assert after["T4"] == ("a_x",), "both ways lead there, so everybody after A=x is asked"
    everybody = {"T0": ask("A", ("x", "T1"), ("y", "T1")), "T1": ask("B", "p")}
    assert asked_after(schema_from_tasks(everybody, "T0"))["T1"] == ()


def test_a_task_s_own_next_passes_its_condition_on():
    tasks = {
        "T0": ask("A", ("x", "T1"), "y"),
        "T1": ask("B", "p", "q", kind="multiple", next="T2"),
        "T2": {"type": "text", "instruction": "Why?", "next": "T3"},
        "T3": ask("C", "r"),
    }
    schema = schema_from_tasks(tasks, "T0")
    assert asked_after(schema) == {"T0": (), "T1": ("a_x",), "T3": ("a_x",)}
    assert schema.question("b").type == "multiple"


def test_subtasks_of_drawing_tools_are_questions_of_their_own():
    tools = [
        {"type": "point", "label": "Star"},
        {
            "type": "ellipse",
            "details": [
                ask("Smooth?", "Yes", "No"),
                {"type": "text", "instruction": "Notes"},
                ask("Odd?", "Ring", "Lens", kind="multiple"),
            ],
        },
    ]
    tasks = {"T0": {"type": "drawing", "tools": tools, "next": "T1"}, "T1": ask("More?", "Yes")}
    schema = schema_from_tasks(tasks, "T0")
    assert [(q.task, q.name, q.type) for q in schema.questions] == [
        ("T0.1.0", "smooth", "single"),
        ("T0.1.2", "odd", "multiple"),
        ("T1", "more", "single"),
    ]
    assert all(q.asked_after == () for q in schema.questions)


def test_members_of_a_combo_share_its_condition():
    tasks = {
        "T0": ask("A", ("x", "T3"), "y"),
        "T1": ask("B", "p"),
        "T2": ask("C", "q"),
        "T3": {"type": "combo", "tasks": ["T2", "T1"], "next": "T4"},
        "T4": ask("D", "r"),
    }
    schema = schema_from_tasks(tasks, "T0")
    assert asked_after(schema) == {"T0": (), "T2": ("a_x",), "T1": ("a_x",), "T4": ("a_x",)}
    assert schema.columns == ("a_x", "a_y", "c_q", "b_p", "d_r")
    into_member = {**tasks, "T0": ask("A", ("x", "T1"), "y")}
    assert asked_after(schema_from_tasks(into_member, "T0"))["T2"] == ("a_x",)


def test_stored_steps_lead_by_step_keys_and_the_first_task_may_be_called_init():
    tasks = {
        "init": ask("A", ("x", "P1"), ("y", "P2")),
        "T1": ask("B", "p"),
        "T2": ask("C", "q"),
    }
    steps = (Step("P0", ("init",)), Step("P1", ("T1",), "P2"), Step("P2", ("T2",)))
    assert asked_after(schema_from_tasks(tasks, "init", steps=steps)) == {
        "init": (),
        "T1": ("a_x",),
        "T2": (),
    }
    assert asked_after(schema_from_tasks(tasks | {"init": ask("A", "x", next="T1")}, "init")) == {
        "init": (),
        "T1": (),
    }


def test_tasks_that_nobody_reaches_are_left_out():
    tasks = {"T0": ask("A", "x"), "T1": ask("B", ("p", "T0"))}
    assert schema_from_tasks(tasks, "T0").columns == ("a_x",)
    assert schema_from_tasks({}, "").columns == ()


def test_names_replace_slugs():
    tasks = {"T0": ask("Is the galaxy simply smooth?", "Smooth, yes", "C++", "C")}
    names = {"T0": "smooth-or-featured", "T0.answers.0": "smooth", "T0.answers.1": "c-plus-plus"}
    assert schema_from_tasks(tasks, "T0", names).columns == (
        "smooth-or-featured_smooth",
        "smooth-or-featured_c-plus-plus",
        "smooth-or-featured_c",
    )


@pytest.mark.parametrize(
    ("tasks", "first", "names", "words"),
    [
        (
            {"T0": ask("A", ("x", "T1")), "T1": ask("B", ("y", "T0"))},
            "T0", {}, r"the tasks lead in a circle: T\d -> T\d -> T\d; cut one",
        ),
        ({"T0": ask("A", ("x", "T0"))}, "T0", {}, "lead in a circle: T0 -> T0"),
        ({"T0": ask("A", ("x", "T9"))}, "T0", {}, r"T0.answers.0.next: .*got 'T9'"),
        ({"T0": ask("A", "x", kind="multiple", next="T9")}, "T0", {}, r"S0.next: .*got 'T9'"),
        ({"T0": ask("A", "x")}, "T5", {}, "first_task: no task is named 'T5'"),
        ({"T0": {"type": "combo", "tasks": ["T8"]}}, "T0", {}, "step S0: no task is named 'T8'"),
        (
            {"T0": ask("A?", "x", kind="multiple", next="T1"), "T1": ask("a!", "x")},
            "T0", {}, r"T0 \('A\?'\) and T1 \('a!'\) would both be named 'a'",
        ),
        (
            {"T0": ask("A", "C++", "C")},
            "T0", {}, r"T0.answers.0 \('C\+\+'\) and T0.answers.1 \('C'\) would both be named 'c'",
        ),
        ({"T0": ask("A")}, "T0", {}, "task T0: expected a single question to have answers"),
        ({"T0": {"type": "single", "question": "A", "answers": ["x"]}}, "T0", {}, "T0.answers"),
        ({"T0": "single"}, "T0", {}, "task T0: expected an object"),
        ({"T0": ask("A", "x")}, "T0", {"T7": "b"}, "name for 'T7': no such question"),
        ({"T0": ask("A", "x")}, "T0", {"T0": "a_b"}, "words joined by hyphens, got 'a_b'"),
    ],
)  # fmt: skip
def test_a_workflow_that_makes_no_schema_is_refused_by_its_place(tasks, first, names, words):
    with pytest.raises(BadInput, match=words):
        schema_from_tasks(tasks, first, names)


def question(name, after=(), columns=None, kind="single"):
    answers = tuple(Answer(c, i, c) for i, c in enumerate(columns or (f"{name}_yes",)))
    return Question(name, "T0", kind, tuple(after), answers)


@pytest.mark.parametrize(
    ("questions", "words"),
    [
        (lambda: [question("a"), question("a", columns=["b"])], "question 'a' appears twice"),
        (lambda: [question("a"), question("b", columns=["a_yes"])], "'a_yes' is made twice"),
        (lambda: [question("a", ["b_no"])], "asked after 'b_no', which is no label column"),
        (lambda: [question("a", ["a_yes"])], "wait for each other: a -> a"),
        (lambda: [question("a", ["b_yes"]), question("b", ["a_yes"])], "wait for each other"),
        (lambda: [question("a"), question("b", ["a_yes"] * 2)], "names one parent column twice"),
        (lambda: [question("")], "expected a question name"),
        (lambda: [question("a", columns=[""])], "expected a label column, got none"),
        (lambda: [question("a", kind="text")], "expected type single or multiple"),
        (lambda: [Question("a", "T0", "single", (), ())], r"indices 0, 1, 2…, got \[\]"),
        (lambda: [Question("a", "T", "single", (), (Answer("x", 1, "x"),))], r"got \[1\]"),
    ],
)
def test_a_schema_is_validated_on_construction(questions, words):
    with pytest.raises(BadInput, match=words):
        LabelSchema(tuple(questions()))


def test_a_schema_survives_json_and_bad_json_is_refused():
    schema = LabelSchema((question("a"), question("b", ["a_yes"])))
    stored = json.loads(json.dumps(schema.to_json()))
    assert LabelSchema.from_json(stored) == schema
    del stored["questions"][0]["answers"][0]["column"]
    for bad in (stored, {}, {"questions": [1]}, {"questions": None}):
        with pytest.raises(BadInput, match="label schema: expected"):
            LabelSchema.from_json(bad)


def test_an_unknown_question_is_answered_with_the_names():
    with pytest.raises(BadInput, match="no question is named 'c'; expected one of a, b"):
        LabelSchema((question("a"), question("b"))).question("c")


def test_the_real_galaxy_zoo_workflow():
    if not GALAXY_ZOO.exists():
        pytest.skip("needs the real Galaxy Zoo workflow, beside the checkout in ../shared/data")
    with gzip.open(GALAXY_ZOO) as file:
        version = json.load(file)
    tasks = resolve_strings(version["tasks"], version["strings"])
    names = {
        "T0": "smooth-or-featured", "T1": "how-rounded", "T2": "edge-on", "T3": "edge-on-bulge",
        "T4": "bar", "T5": "spiral", "T6": "winding", "T7": "arms", "T8": "bulge",
        "T10": "rare", "T11": "merging", "T0.answers.1": "featured", "T2.answers.0": "yes",
    }  # fmt: skip
    schema = schema_from_tasks(tasks, version["first_task"], names)
    assert asked_after(schema) == {
        "T0": (),
        "T1": ("smooth-or-featured_smooth",),
        "T2": ("smooth-or-featured_featured",),
        "T3": ("edge-on_yes",),
        "T4": ("edge-on_no",),
        "T5": ("edge-on_no",),
        "T6": ("spiral_yes",),
        "T7": ("spiral_yes",),
        "T8": ("edge-on_no",),
        "T10": ("smooth-or-featured_smooth", "smooth-or-featured_featured"),
        "T11": ("smooth-or-featured_smooth", "smooth-or-featured_featured"),
    }
    assert schema.question("rare").type == "multiple"
    assert schema.question("smooth-or-featured").answers[2].column.endswith("_star-or-artefact")
    assert schema.question("arms").columns[-2:] == ("arms_more-than-4", "arms_cant-tell")
    assert len(schema.columns) == 39
    # Without names the slugs are long, but clean and unique.
    assert all(slug(c.split("_")[1]) for c in schema_from_tasks(tasks, "T0").columns)


def test_a_workflow_read_from_panoptes_gives_its_schema():
    workflow = Workflow.from_json(
        {
            "id": "1",
            "first_task": "T0",
            "tasks": {"T0": ask("T0.question", "T0.answers.0.label")},
            "strings": {"T0.question": "Smooth?", "T0.answers.0.label": "Yes"},
            "links": {"project": "2"},
        }
    )
    assert schema_of(workflow).columns == ("smooth_yes",)


def test_strings_are_resolved_where_they_are_keys():
    tasks = {"T0": ask("T0.question", "v1.2")}
    found = resolve_strings(tasks, {"tasks.T0.question": None})
    assert found["T0"]["question"] == ""
    assert found["T0"]["answers"][0]["label"] == "v1.2", "text with a dot is no key"
    with pytest.raises(BadInput, match=r"'T0.question': expected its text"):
        resolve_strings(tasks, {})


@pytest.mark.parametrize(
    ("markdown", "text", "name"),
    [
        ("![rounded.png](https://a/1.png) Smooth", "Smooth", "smooth"),
        ("![rounded.png](https://a/1.png =100x100)", "rounded", "rounded"),
        ("# **Is it** a\n_disk_?", "Is it a disk ?", "is-it-a-disk"),
        ("[More than 4](https://a/b)<br>arms", "More than 4 arms", "more-than-4-arms"),
        ("Can't tell", "Can't tell", "cant-tell"),
        ("Schräg / oblique", "Schräg / oblique", "schrag-oblique"),
        ("渦巻きが", "渦巻きが", "渦巻きが"),
        ("> 4", "> 4", "4"),
        ("a_b", "a b", "a-b"),
        ("+", "+", ""),
        ("", "", ""),
    ],
)
def test_text_and_slugs(markdown, text, name):
    assert plain_text(markdown) == text
    assert slug(markdown) == name


def test_answers_without_words_are_numbered_and_questions_named_by_their_task():
    assert schema_from_tasks({"T0": ask("?", "+", "-")}, "T0").columns == (
        "t0_answer-0",
        "t0_answer-1",
    )
