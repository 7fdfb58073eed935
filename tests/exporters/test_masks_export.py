"""From classification exports to training sets of masks: made-up cases and a real export."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zooassist_exporters import subject_spill
from zooassist_exporters.command import export
from zooassist_exporters.frame_sizes import MOST_PIXELS, agreed_size, parse_size
from zooassist_exporters.mask_classes import ClassRule
from zooassist_exporters.mask_options import MaskOptions, MasksInput
from zooassist_exporters.mask_patch import Size
from zooassist_exporters.masks_export import export_masks
from zooassist_exporters.reductions.masks.methods import Quorum
from zooassist_exporters.rules import Rules
from zooassist_exporters.subject_spill import SubjectSpill
from zooassist_exporters.training_set import read_training_set
from zooassist_plugin.errors import BadInput

CATS = Path(__file__).parents[2] / "../shared/data/volunteer_exports/freehand_classifications.csv"
SHOWN = {"naturalWidth": 20, "naturalHeight": 10, "clientWidth": 400, "clientHeight": 200}


def polygon(left, top, right, bottom, **changes):
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    points = [{"x": x, "y": y} for x, y in corners]
    return {"frame": 0, "toolIndex": 0, "toolType": "polygon", "points": points} | changes


def drawing(*marks, task="T0"):
    return {"task": task, "task_label": "Draw", "taskType": "drawing", "value": list(marks)}


def seen(*sizes):
    entries = [None if s is None else {"naturalWidth": s[0], "naturalHeight": s[1]} for s in sizes]
    return {"live_project": True, "classifier_version": "2.0", "subject_dimensions": entries}


@pytest.fixture
def drawn(row):
    """One row: what a volunteer drew, on a frame of 20 x 10 pixels unless told otherwise."""

    def make(number, *marks, metadata=None, user=None, **changes):
        users = ["ada", "bob", "cyd", "dot", "eve", "fay"]
        return row(
            number,
            [drawing(*marks), *changes.pop("more", [])],
            user=user or users[number % 6],
            metadata=metadata or seen((20, 10)),
            **changes,
        )

    return make


@pytest.fixture
def run(tmp_path):
    def start(file, rules=None, workflows=None, **options):
        out = tmp_path / "out"
        given = MasksInput(file, workflows)
        report = export_masks(given, out, rules or Rules(), MaskOptions(**options), overwrite=True)
        return read_training_set(out), report

    return start


def png(training_set, subject=7, frame=0, kind=""):
    path = training_set.path / "masks" / f"{subject}_{frame}.{kind and kind + '.'}png"
    return np.asarray(Image.open(path))


def lines_of(report):
    return "\n".join(report.problems.lines())


def test_masks_maps_and_tables(exports, drawn, run):
    left, right = polygon(0, 0, 4, 5), polygon(10, 0, 14, 5)
    file = exports.classifications(
        drawn(1, left, right),
        drawn(2, left),
        drawn(3),  # nothing here
        drawn(4, left, subject=8),
    )
    found, report = run(file)
    expected = np.zeros((10, 20), np.uint8)
    expected[0:5, 0:4] = 1
    assert np.array_equal(png(found), expected)
    agreement = png(found, kind="agreement")
    assert (agreement[0, 0], agreement[0, 10], agreement[9, 9]) == (170, 85, 0)
    assert agreement.dtype == np.uint8
    instances = png(found, kind="instances")
    assert instances.dtype == np.uint16
    assert np.array_equal(instances, expected)
    assert found.mask_path(8, 0) == found.path / "masks/8_0.png"
    assert found.subjects["subject_id"].to_pylist() == [7, 8]
    assert found.manifest["options"]["method"] == "majority"
    assert (report.masks, report.subjects, report.classifications) == (2, 2, 4)
    assert report.classes == {1: "tool 0"}
    assert not report.problems
    digest = hashlib.sha256((found.path / "consensus.parquet").read_bytes()).hexdigest()
    assert found.manifest["options"]["tables"] == {"consensus.parquet": {"sha256": digest}}
    row = pq.read_table(found.path / "consensus.parquet").to_pylist()[0]
    assert row.pop("agreement") == pytest.approx(2 / 3, abs=1e-3)
    assert row == {
        "subject_id": 7,
        "frame": 0,
        "width": 20,
        "height": 10,
        "number": 1,
        "label": "tool 0",
        "method": "majority",
        "needed": 2,
        "volunteers": 3,
        "drawn_by": 2,
        "area": 20,
        "objects": 1,
    }


def test_only_who_saw_a_frame_votes_on_it(exports, drawn, run):
    """Frame 1 was opened by two of three; one volunteer's browser reported nothing at all."""
    mark = polygon(0, 0, 4, 5, frame=1)
    file = exports.classifications(
        drawn(1, mark, metadata=seen((20, 10), (30, 40))),
        drawn(2, metadata=seen((20, 10), (30, 40))),
        drawn(3, metadata=seen((20, 10))),
        drawn(4, metadata=seen((20, 10), None)),
        drawn(5, polygon(0, 0, 2, 2), metadata={"live_project": True}),
    )
    found, report = run(file)
    assert png(found).shape == (10, 20)
    assert png(found, frame=1).shape == (40, 30)
    table = pq.read_table(found.path / "consensus.parquet").to_pylist()
    assert [(row["frame"], row["volunteers"], row["area"]) for row in table] == [
        (0, 5, 0),
        (1, 2, 20),
    ]
    assert not report.problems


def test_sizes_that_disagree(exports, drawn, run):
    mark, large = polygon(0, 0, 4, 5), polygon(0, 0, 8, 10)
    file = exports.classifications(
        drawn(1, mark), drawn(2, mark), drawn(3, large, metadata=seen((40, 20)))
    )
    found, report = run(file)
    assert png(found).shape == (10, 20)
    assert png(found, kind="agreement")[0, 0] == 255  # the third is left out
    assert png(found).sum() == 20
    assert "subject 7, frame 0: image seen in several sizes" in lines_of(report)
    assert "20x10 (2), 40x20 (1)" in lines_of(report)
    stated, again = run(file, size=Size(40, 20))
    assert png(stated).shape == (20, 40)
    assert not again.problems


@pytest.mark.parametrize(
    ("metadata", "cause"),
    [
        ({"live_project": True}, "size unknown"),
        (seen((300_000, 300_000)), "size too large"),
        ({"subject_dimensions": [{"naturalWidth": None, "naturalHeight": 3}]}, "size unknown"),
        (seen((0.2, 0.2)), "size unknown"),
        ({"subject_dimensions": "20x10"}, "size unknown"),
    ],
)
def test_frames_without_a_usable_size(exports, drawn, run, metadata, cause):
    file = exports.classifications(
        drawn(1, polygon(0, 0, 4, 5), metadata=metadata), drawn(2, polygon(0, 0, 4, 5), subject=8)
    )
    found, report = run(file)
    assert f"subject 7, frame 0: {cause}" in lines_of(report)
    assert found.subjects["subject_id"].to_pylist() == [8]
    only = exports.classifications(drawn(1, polygon(0, 0, 4, 5), metadata=metadata), name="b.csv")
    with pytest.raises(BadInput, match=f"none of 1 subjects got a mask; .*{cause}"):
        run(only)


def test_classes_are_named_by_tools_and_cut_by_the_hole_tool(exports, drawn, run):
    cell = polygon(0, 0, 10, 10, tool_label="Cell")
    nucleus = polygon(2, 2, 6, 6, toolIndex=1, tool_label="Nucleus")
    hole = polygon(0, 0, 10, 2, toolIndex=2, tool_label="Hole")
    nameless = polygon(0, 0, 10, 10)
    file = exports.classifications(drawn(1, cell, nucleus, hole), drawn(2, nameless, nucleus))
    found, report = run(
        file, classes=ClassRule(holes=frozenset({2})), method="vote-k", quorum=Quorum(count=2)
    )
    assert report.classes == {1: "Cell", 2: "Nucleus"}
    assert found.mask_classes == report.classes
    labels = png(found)
    # Both cover all of the cell but the hole; where the nucleus claims as many, the cell stays.
    assert (labels[0, 0], labels[3, 3], labels[9, 9]) == (0, 1, 1)
    assert (labels > 0).sum() == 80
    merged, again = run(file, classes=ClassRule("task", frozenset({2})))
    assert again.classes == {1: "T0"}
    assert set(np.unique(png(merged))) == {0, 1}


def test_classes_by_answer(exports, drawn, run):
    def answer(value, mark):
        return {"task": "T0.0.0", "taskType": "single", "value": value, "markIndex": mark}

    one, two, other = polygon(0, 0, 4, 5), polygon(6, 0, 9, 5), polygon(12, 0, 15, 5, toolIndex=1)
    file = exports.classifications(
        drawn(1, one, two, other, more=[answer(1, 0), answer(0, 1)]),
        drawn(2, one, two, more=[answer(1, 0), answer(None, 1)]),
    )
    found, report = run(file, classes=ClassRule("T0.0.0"))
    assert report.classes == {1: "answer 0", 2: "answer 1"}
    labels = png(found)
    assert (labels[0, 0], labels[0, 7], labels[0, 13]) == (2, 1, 0)
    assert report.left_out["without one answer to T0.0.0"] == 2


def test_a_kept_proposal_returns_to_its_tool(exports, drawn, run, version):
    """Pre-filled marks come back as tool 0; their subtasks, or their shape, say which it was."""
    tools = [
        {"type": "polygon", "label": "t.0"},
        {"type": "polygon", "label": "t.1", "details": [{"type": "single", "answers": []}]},
        {"type": "circle", "label": "t.2"},
    ]
    texts = {"t.0": "Cell", "t.1": "Nucleus", "t.2": "Bubble", "i": "Draw"}
    tasks = {"T0": {"type": "drawing", "instruction": "i", "tools": tools}}
    kept = polygon(0, 0, 4, 5, details=[{"task": "T0.1.0"}], tool_label="Cell")
    bubble = {"frame": 0, "toolIndex": 0, "toolType": "circle", "tool_label": "Cell"}
    bubble |= {"x_center": 12, "y_center": 5, "r": 3}
    file = exports.classifications(drawn(1, kept, bubble))
    found, report = run(file, workflows=exports.workflows(version(tasks, texts)))
    assert report.classes == {1: "Nucleus", 2: "Bubble"}
    assert (png(found)[0, 0], png(found)[5, 12]) == (1, 2)
    holes = ClassRule(holes=frozenset({2}))
    _, report = run(file, workflows=exports.workflows(version(tasks, texts)), classes=holes)
    assert report.classes == {1: "Nucleus"}


def test_marks_that_are_no_outline(exports, drawn, run):
    point = {"frame": 0, "toolIndex": 1, "toolType": "point", "x": 3, "y": 3}
    broken = polygon(0, 0, 4, 5) | {"points": [{"x": None, "y": 1}]}
    tiny = polygon(1, 1, 1.2, 1.2)
    outside = polygon(100, 100, 120, 120)
    nowhere = polygon(0, 0, 4, 5, frame=10**12)
    file = exports.classifications(
        drawn(1, polygon(0, 0, 4, 5), point, tiny, outside, nowhere), drawn(2, broken)
    )
    found, report = run(file, size=Size(20, 10))
    assert png(found).sum() == 20
    assert dict(report.left_out) == {
        "point, which outlines nothing": 1,
        "covers no pixel centre": 2,
        "frame after 99999": 1,
    }
    assert "row 3, T0, mark 0: mark without usable geometry" in lines_of(report)


def test_old_marks_and_strokes(exports, row, run):
    """Classifier 1: no tool types; a square in two strokes, joined by CRIA."""
    corners = [(2, 2), (8, 2), (8, 8), (2, 8)]
    strokes = [
        {"tool": 0, "frame": 0, "details": [], "points": [{"x": x, "y": y} for x, y in part]}
        for part in (corners[:3], [corners[0], corners[3], corners[2]])
    ]
    old = {"live_project": True, "subject_dimensions": [SHOWN]}
    rows = [
        row(n, [{"task": "T0", "task_label": "Draw", "value": strokes}], user=user, metadata=old)
        for n, user in enumerate(("ada", "bob"), start=1)
    ]
    file = exports.classifications(*rows)
    joined, _ = run(file, method="cria")
    assert png(joined).sum() == 36
    assert png(joined, kind="instances").max() == 1
    apart, _ = run(file)
    assert png(apart).sum() == 36  # two triangles
    assert png(apart, kind="instances").max() == 2


def test_choosing_task_and_k(exports, drawn, run):
    second = drawing(polygon(0, 0, 2, 2), task="T1")
    file = exports.classifications(
        drawn(1, polygon(0, 0, 4, 5), more=[second]), drawn(2, polygon(0, 0, 4, 5))
    )
    with pytest.raises(BadInput, match=r"several drawing tasks: T0 \(2 marks\), T1 \(1 marks\)"):
        run(file)
    found, _ = run(file, task="T1")
    assert found.manifest["options"]["task"] == "T1"
    assert png(found).sum() == 4  # who has no T1 did not vote on it
    with pytest.raises(BadInput, match="expected marks that outline something"):
        run(file, task="T9")
    with pytest.raises(BadInput, match="--class-from: expected tool, task or a subtask"):
        MaskOptions(classes=ClassRule("label"))
    with pytest.raises(BadInput, match="fill: expected even-odd or winding"):
        MaskOptions(fill="nonzero")
    with pytest.raises(BadInput, match=r"none of 1 subjects got a mask; .*fewer volunteers than k"):
        run(file, task="T0", method="vote-k", quorum=Quorum(count=3))


def test_rules_hold_for_masks(exports, drawn, run):
    file = exports.classifications(
        drawn(1, polygon(0, 0, 4, 5), user="ada"),
        drawn(2, polygon(10, 0, 14, 5), user="ada"),
        drawn(3, polygon(0, 0, 4, 5), user="bob", subject=8),
    )
    found, report = run(file, Rules(repeats="last"))
    assert png(found)[0, 12] == 1
    assert report.dropped["repeated by the same volunteer"] == 1
    found, report = run(file, Rules(repeats="all", min_classifications=2))
    assert found.subjects["subject_id"].to_pylist() == [7]
    assert sum(report.dropped.values()) == 1


def test_contours_of_every_level(exports, drawn, run):
    file = exports.classifications(
        drawn(1, polygon(0, 0, 10, 10)), drawn(2, polygon(0, 0, 5, 10)), drawn(3)
    )
    found, _ = run(file, method="contours")
    rows = pq.read_table(found.path / "contours.parquet").to_pylist()
    assert [(row["level"], row["volunteers"]) for row in rows] == [(1, 3), (2, 3)]
    assert json.loads(rows[0]["geometry"])["type"] == "Polygon"
    assert png(found).sum() == 50
    again, _ = run(file)
    assert not (again.path / "contours.parquet").exists()


def test_memory_is_bounded_by_runs_on_disk(exports, drawn, run, monkeypatch):
    """The same bytes, whether everything fits into memory or nothing does."""
    file = exports.classifications(
        *(drawn(n, polygon(n % 5, 0, 8, n % 7 + 2), subject=n % 4) for n in range(1, 25))
    )
    expected = {p.name: p.read_bytes() for p in (run(file)[0].path / "masks").iterdir()}
    monkeypatch.setattr(SubjectSpill.__init__, "__defaults__", (None, 1))
    monkeypatch.setattr(subject_spill, "MOST_OPEN", 3)
    found, _ = run(file)
    assert {p.name: p.read_bytes() for p in (found.path / "masks").iterdir()} == expected


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=5))), st.integers(1, 800))
def test_spill_gives_back_every_record_by_subject(records, run_bytes):
    with SubjectSpill(run_bytes=run_bytes) as spill:
        for subject_id, record in records:
            spill.add(subject_id, record)
        found = list(spill.groups())
        again = list(spill.groups())
    expected = {}
    for subject_id, record in records:
        expected.setdefault(subject_id, []).append(record)
    assert found == again == sorted(expected.items())


def test_sizes_as_text_and_by_majority():
    assert parse_size("640x480") == Size(640, 480)
    for text in ("640", "0x4", "axb", "-1x5", f"{MOST_PIXELS}x2"):
        with pytest.raises(BadInput, match="--size: expected"):
            parse_size(text)
    assert agreed_size([None, (4, 3), (8, 6), (8, 6)])[0] == Size(8, 6)
    assert agreed_size([None])[0] is None


class TestCommand:
    def invoke(self, *arguments):
        return CliRunner().invoke(export, ["masks", *map(str, arguments)])

    def test_says_what_was_made_and_what_was_left_out(self, exports, drawn, tmp_path):
        file = exports.classifications(
            drawn(1, polygon(0, 0, 4, 5), polygon(0, 0, 0.1, 0.1)), drawn(2, gold_standard="true")
        )
        out = tmp_path / "set"
        done = self.invoke(file, "--out", out, "--method", "vote-k", "--k", "50%")
        assert done.exit_code == 0, done.output
        assert f"{out}: 1 masks of 1 subjects from 1 classifications, 0 images" in done.output
        assert "left out: 1 classifications (gold standard)" in done.output
        assert "left out: 1 marks (covers no pixel centre)" in done.output
        again = self.invoke(file, "--out", out)
        assert isinstance(again.exception, BadInput)
        assert "--overwrite" in str(again.exception)

    def test_problems_are_lines_and_exit_code_1(self, exports, drawn, tmp_path):
        file = exports.classifications(
            drawn(1, polygon(0, 0, 4, 5)), drawn(2, metadata=seen((99, 99)))
        )
        done = self.invoke(file, "--out", tmp_path / "set")
        assert done.exit_code == 1
        assert "problem: subject 7, frame 0: image seen in several sizes" in done.output

    def test_images_travel_along(self, exports, drawn, tmp_path):
        pictures = tmp_path / "pictures"
        pictures.mkdir()
        Image.new("L", (20, 10), 9).save(pictures / "7.png")
        file = exports.classifications(drawn(1, polygon(0, 0, 4, 5)))
        done = self.invoke(file, "--out", tmp_path / "set", "--images", pictures, "--size", "20x10")
        assert done.exit_code == 0, done.output
        assert read_training_set(tmp_path / "set").has_image(0)

    @pytest.mark.parametrize(
        "wrong",
        [
            ["--method", "vote-k"],
            ["--method", "staple", "--k", "2"],
            ["--k", "many", "--method", "cria"],
            ["--size", "20"],
            ["--class-from", "colour"],
            ["--tool", "polygon"],
        ],
    )
    def test_wrong_options_are_refused_before_anything_is_written(
        self, exports, drawn, tmp_path, wrong
    ):
        file = exports.classifications(drawn(1, polygon(0, 0, 4, 5)))
        done = self.invoke(file, "--out", tmp_path / "set", *wrong)
        assert isinstance(done.exception, BadInput)
        assert [path.name for path in tmp_path.iterdir()] == ["classifications.csv"]


@pytest.fixture(scope="module")
def cats():
    if not CATS.is_file():
        pytest.skip("the freehand export is not in ../shared/data/volunteer_exports")
    return CATS


@pytest.mark.parametrize("method", ["majority", "cria", "staple"])
def test_every_cat_gets_a_mask(cats, run, method):
    found, report = run(cats, method=method, classes=ClassRule("task"))
    assert report.subjects == 30
    assert not report.problems
    csv.field_size_limit(2**31 - 1)
    with cats.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    sizes = {}
    for row in rows:
        shown = json.loads(row["metadata"])["subject_dimensions"][0]
        sizes[int(row["subject_ids"])] = (shown["naturalHeight"], shown["naturalWidth"])
    for subject, size in sizes.items():
        labels = png(found, subject)
        assert labels.shape == size
        assert 300 < labels.sum() < 0.9 * labels.size
        instances, agreement = (
            png(found, subject, kind="instances"),
            png(found, subject, kind="agreement"),
        )
        assert np.array_equal(instances > 0, labels > 0)
        assert agreement[labels > 0].min() > 0
