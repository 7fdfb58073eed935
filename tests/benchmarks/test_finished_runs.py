from __future__ import annotations

import pytest

from zooassist_plugin.errors import BadInput


@pytest.fixture(scope="module")
def runs_of(benchmark_module):
    return benchmark_module("finished_runs").FinishedRuns


def test_a_finished_run_is_skipped_by_the_next_start(tmp_path, runs_of):
    path = tmp_path / "work" / "runs.jsonl"
    done = []

    def run() -> dict[str, float]:
        done.append(1)
        return {"loss": len(done) / 2}

    assert runs_of(path).result_of({"seed": 1, "size": 5}, run) == {"loss": 0.5}
    assert runs_of(path).result_of({"size": 5, "seed": 1}, run) == {"loss": 0.5}
    assert len(done) == 1
    assert runs_of(path).result_of({"size": 5, "seed": 2}, run) == {"loss": 1.0}
    assert runs_of(path).result_of({"size": 5, "seed": 1}, run) == {"loss": 0.5}
    assert len(path.read_text().splitlines()) == 2


def test_a_run_that_breaks_leaves_the_others(tmp_path, runs_of):
    runs = runs_of(tmp_path / "runs.jsonl")
    runs.result_of({"seed": 1}, lambda: {"loss": 1.0})

    def broken() -> dict[str, float]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runs.result_of({"seed": 2}, broken)
    assert runs.result_of({"seed": 1}, broken) == {"loss": 1.0}
    assert runs.result_of({"seed": 2}, lambda: {"loss": 2.0}) == {"loss": 2.0}


def test_a_damaged_line_is_named(tmp_path, runs_of):
    path = tmp_path / "runs.jsonl"
    path.write_text('{"options": {}, "result": {}}\nnonsense\n')
    with pytest.raises(BadInput, match="line 2"):
        runs_of(path).result_of({"seed": 1}, dict)
