from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "benchmarks" / "bench_record.py"


@pytest.fixture(scope="module")
def bench_record():
    """Benchmarks are scripts, not a package: the module is loaded from its file."""
    spec = importlib.util.spec_from_file_location("bench_record", SOURCE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_record"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["bench_record"]


def test_json_holds_commit_machine_and_figures(bench_record, tmp_path):
    figures = {
        "error": bench_record.Figure(0.11, "fraction", goal=0.13),
        "accuracy": bench_record.Figure(0.9, goal=0.99, better="higher"),
        "constant_guess": bench_record.Figure(0.3),
    }
    assert bench_record.record("galaxy", figures, "make bench-galaxy", tmp_path) is False
    content = json.loads((tmp_path / "results" / "galaxy.json").read_text())
    assert content["commit"]
    assert "Python" in content["machine"]
    assert content["figures"]["error"] == {
        "value": 0.11,
        "unit": "fraction",
        "goal": "<= 0.13",
        "holds": True,
    }
    assert content["figures"]["accuracy"]["holds"] is False
    assert content["figures"]["constant_guess"]["goal"] is None
    assert content["figures"]["constant_guess"]["holds"] is None


def test_rows_of_one_benchmark_are_replaced_and_others_stay(bench_record, tmp_path):
    figure = bench_record.Figure
    bench_record.record("one", {"a": figure(1), "b": figure(2)}, "make one", tmp_path)
    bench_record.record("two", {"a": figure(3)}, "make two", tmp_path)
    assert bench_record.record("one", {"a": figure(9, goal=10)}, "make one", tmp_path) is True
    table = (tmp_path / "RESULTS.md").read_text().splitlines()
    rows = [line.split(" | ")[:3] for line in table if line.startswith(("| one", "| two"))]
    assert rows == [["| one", "a", "9"], ["| two", "a", "3"]]
    assert sum(line.startswith("| benchmark |") for line in table) == 1


def test_figure_with_no_direction_is_refused(bench_record):
    with pytest.raises(ValueError, match="lower or higher"):
        bench_record.Figure(1.0, better="best")


def test_results_of_other_benchmarks_are_no_change_of_the_code(bench_record, tmp_path, monkeypatch):
    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    folder = tmp_path / "benchmarks"
    (folder / "results").mkdir(parents=True)
    for path in (folder / "results" / "a.json", folder / "RESULTS.md", tmp_path / "code.py"):
        path.write_text("1")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    monkeypatch.setattr(bench_record, "HERE", folder)
    clean = bench_record.commit_name()
    assert len(clean) == 10
    (folder / "results" / "a.json").write_text("2")
    (folder / "RESULTS.md").write_text("2")
    assert bench_record.commit_name() == clean
    (tmp_path / "code.py").write_text("2")
    assert bench_record.commit_name() == f"{clean}-dirty"
