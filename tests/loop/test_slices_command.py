from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from zooassist_plugin.cli import main


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr("sys.argv", ["zooassist", "loop", "slices", *map(str, arguments)])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def write(path, volume):
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, volume, photometric="minisblack")


@pytest.fixture
def volumes(tmp_path):
    """Ten volumes of a blurred ball; the first six are labelled."""
    rng = np.random.default_rng(0)
    z, y, x = np.indices((16, 24, 24)) - np.array([8, 12, 12])[:, None, None, None]
    for number in range(10):
        radius = rng.uniform(5, 9)
        distance = radius - np.sqrt(z**2 + y**2 + x**2)
        noise = ndimage.gaussian_filter(rng.normal(size=distance.shape), (1, 2, 2)) * 12
        noise *= rng.random(16)[:, None, None]
        said = 1 / (1 + np.exp(-(distance + noise)))
        name = f"v{number}.tif"
        write(tmp_path / "p" / name, said.astype(np.float32))
        write(tmp_path / "m" / name, (1 / (1 + np.exp(-distance))).astype(np.float32))
        write(tmp_path / "r" / name, rng.random((16, 3, 3)).astype(np.float32))
        if number < 6:
            write(tmp_path / "t" / name, (distance > 0).astype(np.uint8))
    return tmp_path


def options(at):
    return "--predicted", at / "p", "--truth", at / "t", "--out", at / "out"


def test_slices_are_chosen_printed_and_pictured(volumes, monkeypatch, capsys):
    more = ("--realness", volumes / "r", "--member", volumes / "m", "--target", "0.9")
    assert run(monkeypatch, *options(volumes), *more, "--quality", "corrected") == 0
    said = capsys.readouterr().out
    assert "96 slices of 6 volumes with truth" in said
    assert "* learned" in said
    for name in ("realness_mean", "realness_worst", "disagreement", "random", "oracle"):
        assert name in said
    with (volumes / "out" / "slices.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 16
    assert {row["decision"] for row in rows} <= {"send", "audit", "keep"}
    assert {row["volume"] for row in rows} == {"v6", "v7", "v8", "v9"}
    content = json.loads((volumes / "out" / "slices.json").read_text())
    counted = sum(row["decision"] == "audit" for row in rows)
    assert content["pool"]["audit"] == counted > 0
    assert content["scorers"]["learned"]["share"] <= content["scorers"]["random"]["share"]
    efforts = [each["effort"] for each in content["scorers"].values()]
    assert all(0 <= each["contour"] <= each["slices"] <= 1 for each in efforts)
    assert all(0 <= each["time"] < 1 for each in efforts)
    page = (volumes / "out" / "slices.html").read_text()
    assert page.count("<polyline") == len(content["scorers"]) + 1
    assert not re.search(r"(src|href)=.http", page)
    assert "nan" not in page


def test_slow_drawing_makes_proposals_worth_more(volumes, monkeypatch):
    times = []
    for per_pixel in (0.01, 1.0):
        pace = ("--pace", 5, per_pixel)
        assert run(monkeypatch, *options(volumes), "--scorer", "entropy", *pace) == 0
        content = json.loads((volumes / "out" / "slices.json").read_text())
        times.append(content["scorers"]["entropy"]["effort"]["time"])
    assert times[1] < times[0]


def test_the_same_seed_chooses_the_same(volumes, monkeypatch):
    chosen = []
    for seed in (1, 1, 2):
        run(monkeypatch, *options(volumes), "--seed", seed, "--audit", "0.5", "--target", "0.6")
        chosen.append((volumes / "out" / "slices.csv").read_text())
    assert chosen[0] == chosen[1] != chosen[2]


def test_a_broken_volume_is_left_out_and_named(volumes, monkeypatch, capsys):
    (volumes / "p" / "v7.tif").write_bytes(b"nothing")
    assert run(monkeypatch, *options(volumes), "--scorer", "entropy") == 1
    [line] = [each for each in capsys.readouterr().err.splitlines() if each.startswith("error")]
    assert "v7" in line
    assert "damaged" in line


def test_without_a_common_name_nothing_is_done(volumes, monkeypatch, capsys):
    for path in (volumes / "t").iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    assert run(monkeypatch, *options(volumes)) == 2
    assert "name them alike" in capsys.readouterr().err


def test_with_truth_for_all_there_is_no_pool(volumes, monkeypatch):
    for number in range(6, 10):
        (volumes / "p" / f"v{number}.tif").unlink()
    assert run(monkeypatch, *options(volumes), "--scorer", "area") == 0
    assert not (volumes / "out" / "slices.csv").exists()
    assert "pool" not in json.loads((volumes / "out" / "slices.json").read_text())


def test_a_scorer_without_its_folder_or_too_little_truth_is_said(volumes, monkeypatch, capsys):
    assert run(monkeypatch, *options(volumes), "--scorer", "realness_mean") == 2
    assert "--scorer realness_mean: these slices have not what it needs" in capsys.readouterr().err
    for number in range(1, 6):
        (volumes / "t" / f"v{number}.tif").unlink()
    assert run(monkeypatch, *options(volumes)) == 2
    assert "or label more slices" in capsys.readouterr().err
    assert run(monkeypatch, *options(volumes), "--scorer", "entropy") == 0
    assert "of one volume only" in capsys.readouterr().out


def audited(monkeypatch, capsys, at, *more):
    arguments = [at / "out", "--predicted", at / "p", "--corrected", at / "c", *more]
    monkeypatch.setattr("sys.argv", ["zooassist", "loop", "audit", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def test_the_audit_says_whether_the_promise_is_kept(volumes, monkeypatch, capsys):
    rule = ("--scorer", "entropy", "--target", "0.6", "--audit", "0.5")
    assert run(monkeypatch, *options(volumes), *rule) == 0
    for number in range(6, 10):
        said = tifffile.imread(volumes / "p" / f"v{number}.tif")
        write(volumes / "c" / f"v{number}.tif", (said >= 0.5).astype(np.uint8))
    capsys.readouterr()
    code, out, _ = audited(monkeypatch, capsys, volumes)
    assert code == 0
    assert "mean Dice 1.0000, at least 1.0000" in out
    assert "0.6 was promised, and is kept" in out
    for number in range(6, 10):
        write(volumes / "c" / f"v{number}.tif", np.ones((16, 24, 24), np.uint8))
    code, out, _ = audited(monkeypatch, capsys, volumes)
    assert code == 1
    assert "0.6 was promised: send more slices" in out
    (volumes / "c" / "v7.tif").unlink()
    code, _, err = audited(monkeypatch, capsys, volumes)
    assert code == 2
    assert "expected volume v7" in err


def test_an_audit_of_another_promise_is_refused(volumes, monkeypatch, capsys):
    (volumes / "c").mkdir()
    assert run(monkeypatch, *options(volumes), "--scorer", "area", "--quality", "corrected") == 0
    code, _, err = audited(monkeypatch, capsys, volumes)
    assert code == 2
    assert "this choice promised corrected" in err
    (volumes / "out" / "slices.json").write_text("{}")
    code, _, err = audited(monkeypatch, capsys, volumes)
    assert code == 2
    assert "choose again" in err
