"""The demo's parts: real cut-outs, replayed votes, the crowd's questions, verdicts, pictures."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_loop.demo.contact_sheet import (
    CAPTION,
    GAP,
    HEADER,
    MARGIN,
    PROPOSED,
    TILE,
    Outline,
    Tile,
    ellipse_points,
    write_contact_sheet,
)
from zooassist_loop.demo.crowd import subtask_questions
from zooassist_loop.demo.deep_field import cut_galaxies, simulated_fractions
from zooassist_loop.demo.ending import judge
from zooassist_loop.demo.galaxies import DemoGalaxy
from zooassist_loop.demo.learning import error_on_test
from zooassist_loop.demo.narrator import Narrator
from zooassist_loop.demo.options import DemoOptions
from zooassist_loop.demo.output_folder import output_folder
from zooassist_loop.demo.run import run_demo
from zooassist_loop.demo.tasks import QUESTIONS, workflow_tasks
from zooassist_loop.demo.votes_folder import read_votes_folder
from zooassist_loop.retirement import RetirementRule
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_match import match_labels
from zooassist_plugin.label_schema import schema_from_tasks
from zooassist_plugin.shapes import Ellipse
from zooassist_plugin.trees import TREES

GZ2 = TREES["gz2"]


def pixels(image) -> np.ndarray:
    with Image.open(image) as opened:
        return np.asarray(opened.convert("RGB"))


def test_cut_outs_are_real_distinct_images_with_proper_fractions(tmp_path):
    data = cut_galaxies(tmp_path, 12)
    assert not data.votes_are_real
    assert "simulated" in data.source
    pictures = [pixels(galaxy.image) for galaxy in data.galaxies]
    assert {picture.shape for picture in pictures} == {(256, 256, 3)}
    assert len({picture.tobytes() for picture in pictures}) == 12
    for galaxy in data.galaxies:
        assert set(QUESTIONS) == set(galaxy.fractions)
        for name, values in galaxy.fractions.items():
            assert len(values) == len(GZ2.question(name).answers)


def test_more_galaxies_than_the_picture_holds_is_one_clear_error(tmp_path):
    with pytest.raises(BadInput, match="were asked for; use --subjects"):
        cut_galaxies(tmp_path, 5000)


def test_invented_crowds_tell_red_from_blue_and_flat_from_round(tmp_path):
    from zooassist_loop.demo.deep_field import Source

    def crowd(redness: float, b: float, core: float = 200) -> dict[str, tuple[float, ...]]:
        return simulated_fractions(Source(50, 50, 10, b, redness, core))

    assert crowd(0.3, 9)["smooth-or-featured"][0] > 0.9
    assert crowd(-0.3, 9)["smooth-or-featured"][1] > 0.9
    assert crowd(0.3, 2)["disk-edge-on"][0] > 0.9
    assert crowd(-0.03, 9.5, core=250)["smooth-or-featured"][2] > 0.9, "a star"


def test_the_workflow_is_matched_by_its_words():
    tasks = workflow_tasks(GZ2)
    match = match_labels(GZ2, schema_from_tasks(tasks, "T0"))
    assert [pair.question for pair in match.pairs] == list(QUESTIONS)
    assert match.misfits == ()


def test_questions_follow_the_tree_as_far_as_the_workflow_asks(tmp_path):
    galaxy = DemoGalaxy(
        "g", tmp_path / "g.png", {"smooth-or-featured": (0.2, 0.7, 0.1), "disk-edge-on": (0.5, 0.5)}
    )
    smooth, edge_on = subtask_questions(galaxy, GZ2)
    assert smooth.asked_after == ()
    assert edge_on.asked_after == (("T0.0.0", 1),), "after `features or disk`"


def votes_folder(tmp_path, rows: list[str]):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a", "b", "c"):
        Image.new("RGB", (20, 20), (30, 60, 90)).save(folder / f"{name}.png")
    header = "id,file,smooth-or-featured_smooth,smooth-or-featured_featured-or-disk,"
    header += "smooth-or-featured_artifact,disk-edge-on_yes,disk-edge-on_no"
    (folder / "votes.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def test_a_folder_replays_its_votes_and_names_what_it_cannot_use(tmp_path):
    folder = votes_folder(
        tmp_path, ["1,a.png,6,3,1,0,0", "2,gone.png,1,1,1,1,1", "3,c.png,0,4,0,1,3"]
    )
    data = read_votes_folder(folder, GZ2, tmp_path / "out", 10, seed=1)
    assert data.votes_are_real
    by_name = {galaxy.name: galaxy.fractions for galaxy in data.galaxies}
    assert by_name == {
        "1.png": {"smooth-or-featured": (0.6, 0.3, 0.1)},
        "3.png": {"smooth-or-featured": (0, 1, 0), "disk-edge-on": (0.25, 0.75)},
    }
    assert len(data.problems) == 1
    assert "subject 2" in data.problems[0]


def test_the_same_seed_chooses_the_same_galaxies(tmp_path):
    folder = votes_folder(tmp_path, [f"{n},{'abc'[n % 3]}.png,1,0,0,0,0" for n in range(1, 20)])

    def names(seed: int, out: str) -> list[str]:
        data = read_votes_folder(folder, GZ2, tmp_path / out, 6, seed)
        return [galaxy.name for galaxy in data.galaxies]

    assert names(1, "x") == names(1, "y")
    assert names(1, "x") != names(2, "z")


def test_a_folder_without_votes_says_what_was_expected(tmp_path):
    with pytest.raises(BadInput, match=r"expected a folder with votes\.csv and images"):
        read_votes_folder(tmp_path, GZ2, tmp_path / "out", 10, seed=1)


def test_verdicts_need_votes_and_weigh_the_model_that_did_not_see_them(tmp_path):
    counts = np.zeros((3, len(GZ2.columns)), dtype=np.int64)
    counts[0, :3] = [6, 0, 0]
    counts[1, :3] = [3, 3, 0]
    rows = [SubjectRow(number) for number in (1, 2, 3)]
    write_training_set(tmp_path / "set", rows, counts, GZ2)
    verdicts = judge(
        read_training_set(tmp_path / "set"),
        "smooth-or-featured",
        {1: (0.9, 0.05, 0.05), 2: (0.9, 0.05, 0.05)},
        RetirementRule(),
    )
    assert {s: v.decision.retire for s, v in verdicts.items()} == {1: True, 2: False, 3: False}
    assert verdicts[2].share == 0.5
    assert verdicts[3].share is None


def test_error_is_measured_on_the_test_split_alone():
    from zooassist_exporters.splits import split_of

    subjects = range(1, 200)
    crowd = dict.fromkeys(subjects, 0.5)
    predicted = {s: 0.6 if split_of(s) == "test" else 0.5 for s in subjects}
    error = error_on_test(predicted, crowd)
    assert error.rmse == pytest.approx(0.1)
    assert error.subjects == sum(split_of(s) == "test" for s in subjects)
    assert error_on_test({}, {}).rmse is None


def test_an_ellipse_is_drawn_clockwise_with_y_down():
    points = ellipse_points(Ellipse(x_center=50, y_center=40, rx=20, ry=5, angle=30))
    x, y = points[0]
    assert x == pytest.approx(50 + 20 * math.cos(math.radians(30)))
    assert y == pytest.approx(40 + 20 * math.sin(math.radians(30))), "below the centre"


def test_contact_sheet_shows_the_outline_where_it_was_proposed(tmp_path):
    image = tmp_path / "g.png"
    Image.new("RGB", (104, 104)).save(image)
    ellipse = Ellipse(x_center=52, y_center=52, rx=30, ry=15, angle=0)
    outline = Outline(ellipse_points(ellipse), PROPOSED)
    tiles = [Tile(image, (outline,), "Smooth 80 %", "open", retired=False)] * 2
    write_contact_sheet(tiles, "Title", tmp_path / "sheet.png", (PROPOSED,), columns=2)
    sheet = pixels(tmp_path / "sheet.png")
    assert sheet.shape == (
        2 * MARGIN + HEADER + TILE + CAPTION + GAP,
        2 * MARGIN + 2 * TILE + GAP,
        3,
    )
    scale = TILE / 104
    x, y = MARGIN + round((52 + 30) * scale), MARGIN + HEADER + round(52 * scale)
    assert np.abs(sheet[y, x].astype(int) - PROPOSED.colour).max() < 90
    assert tuple(sheet[y, x - 30]) == (0, 0, 0)


def test_demo_refuses_to_replace_a_folder_that_is_no_demo(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(BadInput, match="expected a new folder or an earlier demo"):
        run_demo(DemoOptions(out=tmp_path), Console(quiet=True))
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    "settings", [{"subjects": 3}, {"volunteers": 0}, {"volunteers": 99}, {"epochs": 0}]
)
def test_impossible_demos_are_refused(tmp_path, settings):
    with pytest.raises(BadInput):
        DemoOptions(out=tmp_path, **settings)


def _interrupted(out):
    with output_folder(out) as folder:
        (folder / "half.txt").write_text("half")
        raise KeyboardInterrupt


def test_a_demo_that_breaks_off_leaves_the_earlier_one_and_says_what_it_left(tmp_path, caplog):
    out, work = tmp_path / "demo", tmp_path / ".demo.partial"
    with output_folder(out) as folder:
        (folder / "summary.json").write_text("first")
    with pytest.raises(KeyboardInterrupt):
        _interrupted(out)
    assert f"{work} is unfinished; the next run removes it" in caplog.text
    assert (out / "summary.json").read_text() == "first"
    with output_folder(out) as folder:
        assert list(folder.iterdir()) == []
        (folder / "summary.json").write_text("second")
    assert f"removing {work}, which an earlier run left unfinished" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]
    with pytest.raises(ValueError), output_folder(tmp_path / "new"):  # noqa: PT011
        raise ValueError
    assert [path.name for path in tmp_path.iterdir()] == ["demo"], "nothing was in it"


def test_a_demo_that_cannot_be_written_is_refused_before_it_runs(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BadInput, match="file: expected a folder to write into, found a file"),
        output_folder(tmp_path / "file" / "demo"),
    ):
        pass


def test_a_long_line_of_the_narration_stays_one_line_in_a_log():
    log, terminal = io.StringIO(), io.StringIO()
    for file, is_terminal in ((log, False), (terminal, True)):
        narrator = Narrator(Console(file=file, force_terminal=is_terminal, width=40))
        with narrator.step("Volunteers") as telling:
            telling.outcome = "many classifications: " + "corrected, " * 12
    assert [line[:10] for line in log.getvalue().splitlines()] == ["Volunteers", "  many cla"]
    assert len(terminal.getvalue().splitlines()) > 3, "a person reads wrapped lines"
