"""From a classification export to a training set of marks, through the command."""

import json
from collections import Counter

import pytest
from click.testing import CliRunner
from prefill_project import galaxy_png

from zooassist_exporters.command import export
from zooassist_exporters.marks_table import VOLUNTEER_MARKS, read_volunteer_marks
from zooassist_exporters.reductions.shapes.areas import area_of
from zooassist_exporters.training_set import read_training_set
from zooassist_plugin.errors import BadInput
from zooassist_plugin.shapes import make_shape

SIZE = {"naturalWidth": 100, "naturalHeight": 80, "clientWidth": 50, "clientHeight": 40}


def circle(x, *, tool=0, frame=0, y=40, r=9, details=()):
    geometry = {"x_center": x, "y_center": y, "r": r}
    place = {"frame": frame, "toolIndex": tool, "toolType": "circle", "tool_label": None}
    return place | geometry | {"details": [{"task": each} for each in details]}


def drawing(*marks, task="T0"):
    return {"task": task, "task_label": "Circle the cells.", "value": list(marks)}


def seen(*sizes, **more):
    return {"classifier_version": "2.0", "subject_dimensions": list(sizes), **more}


def made(file, out, *options):
    """Run the command; returns the finished run and, where there is one, the training set."""
    arguments = ["marks", str(file), "--out", str(out), *options]
    done = CliRunner().invoke(export, arguments)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done, read_training_set(out)


def rows(table):
    return table.to_pylist()


@pytest.fixture
def tools(exports, version):
    details = [{"type": "single", "answers": [{"label": "Round"}, {"label": "Odd"}]}]
    task = {
        "type": "drawing",
        "tools": [
            {"type": "circle", "label": "**Cell**", "details": details},
            {"type": "circle", "label": "Speck", "details": []},
        ],
    }
    return exports.workflows(version({"T0": task}, {}))


def test_volunteers_who_drew_nothing_count_as_having_seen(tmp_path, exports, row, tools):
    file = exports.classifications(
        row(1, [drawing(circle(50), circle(90))], metadata=seen(SIZE)),
        row(2, [drawing(circle(52))], user="bob", metadata=seen(SIZE)),
        row(3, [drawing(circle(54))], user="cyd", metadata=seen(SIZE)),
        row(4, [drawing()], user="not-logged-in-1", metadata=seen(SIZE)),
        row(5, [drawing()], subject=8, metadata=seen(SIZE)),
    )
    done, found = made(file, tmp_path / "set", "--workflows", str(tools))
    assert done.exit_code == 0
    assert "2 subjects, 1 marks of 4 drawn in 5 classifications" in done.output
    assert found.subjects["subject_id"].to_pylist() == [7, 8]  # 8 is a picture without any
    [mark] = rows(found.marks)
    assert json.loads(mark["geometry"]) == {"x_center": 52.0, "y_center": 40.0, "r": 9.0}
    assert (mark["count"], mark["agreement"]) == (3, 0.75)
    assert (mark["tool_type"], mark["tool_label"], mark["label"]) == ("circle", "Cell", "Cell")
    assert mark["classification_id"] is None
    drawn = rows(read_volunteer_marks(tmp_path / "set"))
    assert [(each["classification_id"], each["cluster"]) for each in drawn] == [
        (1, 0),
        (1, None),
        (2, 0),
        (3, 0),
    ]
    assert [each["volunteer"] for each in drawn] == [0, 0, 1, 2]
    assert {(each["width"], each["height"]) for each in drawn} == {(100, 80)}
    assert [each["outside"] for each in drawn] == [False] * 4
    assert {each["action"] for each in drawn} == {None}


def test_who_never_saw_a_frame_does_not_count_there(tmp_path, exports, row):
    both = seen(SIZE, SIZE)
    file = exports.classifications(
        row(1, [drawing(circle(50, frame=1))], metadata=both),
        row(2, [drawing(circle(51, frame=1))], user="bob", metadata=both),
        row(3, [drawing()], user="cyd", metadata=both),
        row(4, [drawing()], user="dan", metadata=seen(SIZE, None)),
        row(5, [{"task": "T5", "task_label": "?", "value": "No"}], user="eve", metadata=both),
    )
    _, found = made(file, tmp_path / "set", "--min-samples", "2")
    [mark] = rows(found.marks)
    assert (mark["frame"], mark["count"]) == (1, 2)
    assert mark["agreement"] == pytest.approx(2 / 3)


def test_frames_tasks_and_tools_are_kept_apart(tmp_path, exports, row, tools):
    def marks(x):
        here = [circle(x), circle(x, tool=1), circle(x, frame=1)]
        return [drawing(*here), drawing(circle(x), task="T2")]

    file = exports.classifications(
        row(1, marks(50)), row(2, marks(51), user="bob"), row(3, marks(52), user="cyd")
    )
    _, found = made(file, tmp_path / "set", "--workflows", str(tools))
    places = [(m["task"], m["tool_index"], m["frame"], m["label"]) for m in rows(found.marks)]
    assert places == [
        ("T0", 0, 0, "Cell"),
        ("T0", 1, 0, "Speck"),
        ("T2", 0, 0, "T2.0"),  # the workflow knows no such task
        ("T0", 0, 1, "Cell"),
    ]


def test_the_class_may_be_the_answer_to_a_subtask(tmp_path, exports, row, tools):
    def one(number, x, answer, user):
        answered = {"task": "T0.0.0", "taskType": "single", "value": answer, "markIndex": 0}
        return row(number, [drawing(circle(x, details=["T0.0.0"])), answered], user=user)

    file = exports.classifications(one(1, 50, 1, "ada"), one(2, 51, 0, "bob"), one(3, 52, 1, "cyd"))
    options = ("--workflows", str(tools), "--class-from", "T0.0.0")
    _, found = made(file, tmp_path / "set", *options)
    assert found.marks["label"].to_pylist() == ["Odd"]
    drawn = read_volunteer_marks(tmp_path / "set")
    assert drawn["label"].to_pylist() == ["Odd", "Round", "Odd"]
    assert json.loads(drawn["answers"][1].as_py()) == {"T0.0.0": ["Round"]}


def test_repeats_and_rules(tmp_path, exports, row):
    file = exports.classifications(
        row(1, [drawing(circle(50))]),
        row(2, [drawing(circle(90))]),  # ada again
        row(3, [drawing(circle(51))], user="bob", gold_standard="true"),
        row(4, [drawing(circle(52))], user="cyd", workflow_version="3.1"),
    )

    def centres(name, *options):
        made(file, tmp_path / name, "--cluster", "none", *options)
        drawn = read_volunteer_marks(tmp_path / name)["geometry"].to_pylist()
        return [json.loads(each)["x_center"] for each in drawn]

    assert centres("default") == [50, 52]
    assert centres("last", "--repeats", "last") == [90, 52]
    assert centres("all", "--repeats", "all", "--gold-standard") == [50, 90, 51, 52]
    assert centres("version", "--versions", "2.*") == [50]


def test_every_mark_of_its_own_without_clusters(tmp_path, exports, row):
    odd = {"toolIndex": 1, "toolType": "temporalPoint", "x_center": 1, "y_center": 2}
    file = exports.classifications(row(1, [drawing(circle(50), circle(51), odd)]))
    done, found = made(file, tmp_path / "set", "--cluster", "none")
    assert [each["classification_id"] for each in rows(found.marks)] == [1, 1]
    assert {each["agreement"] for each in rows(found.marks)} == {None}
    drawn = rows(read_volunteer_marks(tmp_path / "set"))
    assert [each["tool_type"] for each in drawn] == ["circle", "circle", "temporalPoint"]
    assert json.loads(drawn[2]["geometry"]) == {"x_center": 1, "y_center": 2}
    assert "1 tool without canonical shape" in done.output


def test_what_cannot_be_used_is_listed_and_the_rest_goes_on(tmp_path, exports, row):
    bad = circle(None)
    over = circle(98, y=20, r=5)
    file = exports.classifications(
        row(1, [drawing(bad, over)], metadata=seen(SIZE)),
        row(2, "no JSON", user="bob"),
    )
    done, _ = made(file, tmp_path / "set", "--cluster", "none")
    assert done.exit_code == 1
    assert "row 2, T0, mark 0: mark without usable geometry: circle.x_center" in done.output
    assert "row 3: annotations are not JSON" in done.output
    assert "1 outside the image" in done.output
    assert read_volunteer_marks(tmp_path / "set")["outside"].to_pylist() == [True]


def test_a_file_without_drawings_or_of_two_workflows_is_refused(tmp_path, exports, row, answer):
    questions = exports.classifications(row(1, [answer("Yes")]))
    with pytest.raises(BadInput, match="nothing was drawn in 1 classifications"):
        made(questions, tmp_path / "set")
    mixed = exports.classifications(
        row(1, [drawing(circle(5))]), row(2, [drawing(circle(5))], workflow_id=6)
    )
    with pytest.raises(BadInput, match=r"several workflows: 5 \(1 rows\), 6 \(1 rows\)"):
        made(mixed, tmp_path / "set")
    assert not (tmp_path / "set").exists()
    with pytest.raises(BadInput, match=r"T0\.6=polygon"):
        made(mixed, tmp_path / "set", "--tool", "polygon")
    with pytest.raises(BadInput, match="volunteer_marks"):
        read_volunteer_marks(tmp_path)


def test_the_same_export_makes_the_same_bytes(tmp_path, exports, row):
    file = exports.classifications(
        *(
            row(10 * subject + place, [drawing(circle(40 + place))], subject=subject, user=user)
            for subject in (9, 3, 40)
            for place, user in enumerate(("ada", "bob", "cyd"))
        )
    )
    one, other = (made(file, tmp_path / name)[1] for name in ("one", "other"))
    assert one.sha256 == other.sha256
    tables = [(tmp_path / name / VOLUNTEER_MARKS).read_bytes() for name in ("one", "other")]
    assert tables[0] == tables[1]
    drawn = read_volunteer_marks(tmp_path / "one")["subject_id"].to_pylist()
    assert drawn == sorted(drawn)


def test_circles_of_the_andromeda_test_are_those_its_authors_flattened(
    tmp_path, real_export, real_rows
):
    """80 circles of one workflow version, 15 of them on the second frame."""
    file = real_export("ap-aas229-test-classifications.csv.gz")
    rules = ("--repeats", "all", "--gold-standard", "--versions", "57.37", "--cluster", "none")
    made(file, tmp_path / "set", *rules)
    ours = Counter()
    for each in rows(read_volunteer_marks(tmp_path / "set")):
        if each["tool_type"] == "circle":
            geometry = json.loads(each["geometry"])
            place = (each["classification_id"], each["subject_id"], each["frame"])
            values = (geometry["x_center"], geometry["y_center"], geometry["r"])
            ours[*place, each["tool_index"], each["tool_label"], *values] += 1
    theirs = Counter()
    for each in real_rows("ap-aas229-test-markings.csv.gz"):
        place = (int(each["classification_id"]), int(each["subject_ids"]), int(each["frame"]))
        values = (float(each["x"]), float(each["y"]), float(each["r"]))
        theirs[*place, int(each["tool"]), each["tool_label"], *values] += 1
    assert sum(theirs.values()) == 80
    assert ours == theirs


def test_cats_eyes_ears_and_noses(tmp_path, real_export):
    """13 classifications of 11 cats; one volunteer each, but for two repeats."""
    file = real_export("many-tools-classifications-2022.csv.gz")
    done, found = made(file, tmp_path / "set", "--repeats", "all")
    assert done.exit_code == 0
    drawn = rows(read_volunteer_marks(tmp_path / "set"))
    labels = Counter((each["task"], each["tool_type"], each["tool_label"]) for each in drawn)
    assert labels == {
        ("T2", "point", "Eye"): 26,
        ("T3", "circle", "Nose"): 13,
        ("T4", "rectangle", "Ear"): 27,
    }
    assert found.marks.num_rows == 0  # nobody else saw the same cat: no cluster of three


def test_cat_outlines_through_the_command(tmp_path, real_export):
    """Beside the 157 marks of the reference's version there are 27 of earlier ones."""
    file = real_export("cat-project-classifications.csv.gz")
    done, found = made(file, tmp_path / "set", "--versions", "13.19", "--repeats", "all")
    assert (found.marks.num_rows, len(found)) == (31, 30)
    assert "23 outside the image" in made(file, tmp_path / "all", "--repeats", "all")[0].output
    assert read_volunteer_marks(tmp_path / "all").num_rows == 184
    assert done.exit_code == 0
    assert found.marks["count"].to_pylist()[0] == 2
    shapes = [
        make_shape(each["tool_type"], json.loads(each["geometry"])) for each in rows(found.marks)
    ]
    assert all(area_of(shape) is not None for shape in shapes)
    assert found.manifest["options"]["consensus"]["repair"] == "valid"


def test_images_come_along(tmp_path, exports, row):
    images = tmp_path / "pictures"
    images.mkdir()
    (images / "7.png").write_bytes(galaxy_png(1))
    file = exports.classifications(row(1, [drawing(circle(5))]), row(2, [drawing()], subject=8))
    done, found = made(file, tmp_path / "set", "--images", str(images))
    assert found.has_image(0)
    assert "1 images" in done.output
    assert "subject 8" in done.output  # has none, which is a problem
    assert done.exit_code == 1


def test_subjects_with_too_few_classifications_are_left_out(tmp_path, exports, row):
    file = exports.classifications(
        row(1, [drawing(circle(5))]),
        row(2, [drawing()], user="bob"),
        row(3, [drawing()], subject=8),
        row(4, [drawing()], subject=8),
    )
    done, found = made(file, tmp_path / "set", "--min-classifications", "2")
    assert found.subjects["subject_id"].to_pylist() == [7]
    assert found.manifest["options"]["left_out"] == {
        "repeated by the same volunteer": 1,
        "subject with too few classifications": 1,
    }
    made(file, tmp_path / "first", "--max-classifications", "1")
    assert read_volunteer_marks(tmp_path / "first").num_rows == 1
    assert done.exit_code == 0
