"""How fast are votes counted, beside panoptes_aggregation and bare reading? (`make bench-exports`)

Every measured step runs in a process of its own, one after the other. Ratios are of processor
seconds, which other work on the machine hardly changes; the gain of a second core is of wall-clock
seconds, and the probe says how much of a second core there was. Exports are real rows, scaled up
(`scaled_exports.py`), and made-up rows, of which every twelfth is broken (`synthetic_exports.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench_record import Figure, record
from scaled_exports import Row, ScaledExport
from synthetic_exports import write_broken_export

GALAXIES = "galaxyzoo-decals-panoptes_classifications.csv.gz"
KENYA = "kenya-sample.csv.gz"
QUESTION = "T1"
SECTIONS = ("tree", "question", "cores", "memory", "broken")
GIB = 1 << 30

EXTRACT = """
from panoptes_aggregation.scripts.extract_panoptes_csv import extract_csv
import io, json, sys, time
path, config, folder = sys.argv[1:4]
start = time.process_time()
extract_csv(path, io.StringIO(config), output_dir=folder, hide_progressbar=True)
print(json.dumps({"cpu": time.process_time() - start}))
"""
REDUCE = """
from panoptes_aggregation.scripts.reduce_panoptes_csv import reduce_csv
import io, json, sys, time
path, config, folder = sys.argv[1:4]
start = time.process_time()
reduce_csv(path, io.StringIO(config), output_dir=folder, hide_progressbar=True)
print(json.dumps({"cpu": time.process_time() - start}))
"""
FLOOR = """
import json, sys, time
import pyarrow.csv
start = time.process_time()
reader = pyarrow.csv.open_csv(
    sys.argv[1],
    read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=32 << 20),
    parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
    convert_options=pyarrow.csv.ConvertOptions(include_columns=["subject_ids", "annotations"]),
)
rows = sum(batch.num_rows for batch in reader)
print(json.dumps({"cpu": time.process_time() - start, "rows": rows}))
"""
OURS = """
import json, sys, time
from pathlib import Path
from zooassist_exporters.leaving_pandas_out import leave_pandas_out
from zooassist_exporters.long_table.reading import read_long_table
from zooassist_exporters.problems import ProblemList
from zooassist_exporters.rules import Rules
from zooassist_exporters.votes_export import VotesInput, export_votes
step, path, folder, workers = sys.argv[1:5]
leave_pandas_out()  # as the command does
start, wall = time.process_time(), time.perf_counter()
found = {}
if step == "extract":
    table, _ = read_long_table(path, Rules(repeats="all"), None, ProblemList(), workers=1)
    table.__exit__(None, None, None)
else:
    given = VotesInput(path, workers=int(workers))
    report = export_votes(given, Path(folder) / "set", Rules(repeats="all"), overwrite=True)
    found = {"votes": report.votes, "problems": dict(report.problems.counts)}
found |= {"cpu": time.process_time() - start, "wall": time.perf_counter() - wall}
print(json.dumps(found))
"""
# Runs of what takes seconds; what takes minutes runs once.
TURNS = 5
PROBE = "sum(range(60_000_000))"


@dataclass(frozen=True)
class Place:
    """Where the benchmark works: real exports, the other program's Python, a scratch folder."""

    data: Path
    oracle: Path
    scratch: Path


def run(python: str | Path, code: str, *arguments: object) -> dict[str, Any]:
    """Run code in a process of its own; return what it printed, and its peak memory in bytes."""
    return finish(start(python, code, *arguments))


def start(
    python: str | Path, code: str, *arguments: object, stdin: int | None = None
) -> subprocess.Popen[str]:
    """Start code in a process of its own, on one core as far as libraries listen."""
    command = [str(python), "-c", code, *map(str, arguments)]
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=stdin, text=True, env=os.environ | one
    )


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a process."""
    assert process.stdout is not None
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a measured step ended with {process.returncode}")
    result: dict[str, Any] = json.loads(text.splitlines()[-1])
    return result | {"peak": usage.ru_maxrss * 1024}


def beside_oracle(
    place: Place, export: ScaledExport, rows: int, tasks: list[str], name: str
) -> Iterator[tuple[str, Figure]]:
    """Measure both programs, and merely reading, on the same file."""
    path = place.scratch / f"{name}.csv"
    size = export.write(path, rows)
    # In turn, so that a slower moment of the machine meets all three; a second or two each.
    turns = [
        (
            run(sys.executable, FLOOR, path)["cpu"],
            run(sys.executable, OURS, "all", path, place.scratch, 1)["cpu"],
            run(sys.executable, OURS, "extract", path, place.scratch, 1)["cpu"],
        )
        for _ in range(TURNS)
    ]
    floor, ours, extract = (median(each) for each in zip(*turns, strict=True))
    yield f"{name}_rows", Figure(rows)
    yield f"{name}_bytes", Figure(size)
    yield f"{name}_read_two_columns", Figure(floor, "s")
    yield f"{name}_ours_extract", Figure(extract, "s")
    yield f"{name}_ours_all", Figure(ours, "s")
    per_read = median(whole / read for read, whole, _ in turns)
    yield f"{name}_ours_all_per_read", Figure(per_read, "x", 4)
    if not place.oracle.is_file():
        return
    config = {
        "workflow_id": export.workflow_id,
        "workflow_version": {"min": "0.0", "max": "99999.0"},
        "extractor_config": {"question_extractor": [{"task": task} for task in tasks]},
    }
    first = run(place.oracle, EXTRACT, path, json.dumps(config), place.scratch)
    extracts = place.scratch / "question_extractor_extractions.csv"
    reducer = json.dumps({"reducer_config": {"question_reducer": {}}})
    second = run(place.oracle, REDUCE, extracts, reducer, place.scratch)
    extracts.unlink()
    path.unlink()
    total = first["cpu"] + second["cpu"]
    yield f"{name}_theirs_extract", Figure(first["cpu"], "s")
    yield f"{name}_theirs_reduce", Figure(second["cpu"], "s")
    many = name == "tree"
    yield (
        f"{name}_times_faster_all",
        Figure(total / ours, "x", 150 if many else 60, "higher"),
    )
    goal = 30 if many else None
    yield (
        f"{name}_times_faster_extract",
        Figure(first["cpu"] / extract, "x", goal, "higher"),
    )


def two_cores(place: Place, export: ScaledExport, rows: int) -> Iterator[tuple[str, Figure]]:
    """Measure what a second core brings, between two probes of whether there is one."""
    path = place.scratch / "cores.csv"
    export.write(path, rows)
    before = probe()
    turns = [
        [run(sys.executable, OURS, "all", path, place.scratch, n)["wall"] for n in (1, 2)]
        for _ in range(TURNS)
    ]
    after = probe()
    path.unlink()
    yield "cores_rows", Figure(rows)
    yield "cores_probe", Figure(min(before, after), "of 2")
    yield "cores_one", Figure(median(one for one, _ in turns), "s")
    yield "cores_two", Figure(median(two for _, two in turns), "s")
    yield "cores_gain", Figure(median(one / two for one, two in turns), "x", 1.6, "higher")


def probe() -> float:
    """Return how much faster two equal jobs are side by side than one after the other."""

    def seconds(at_a_time: int) -> float:
        begun = time.perf_counter()
        for _ in range(2 // at_a_time):
            jobs = [subprocess.Popen([sys.executable, "-c", PROBE]) for _ in range(at_a_time)]
            for job in jobs:
                job.wait()
        return time.perf_counter() - begun

    return seconds(1) / seconds(2)


def memory(
    place: Place, export: ScaledExport, small: float, large: float
) -> Iterator[tuple[str, Figure]]:
    """Measure the peak memory on exports that come through a pipe, never on disk."""
    peaks = []
    for gib in (small, large):
        rows = int(gib * GIB / 2_336)
        process = start(sys.executable, OURS, "all", "-", place.scratch, 2, stdin=subprocess.PIPE)
        assert process.stdin is not None
        for line in export.lines(rows):
            process.stdin.buffer.write(line)
        process.stdin.close()
        done = finish(process)
        peaks.append(done["peak"])
        yield f"memory_peak_{gib:g}_gib", Figure(done["peak"] / 1e9, "GB", 1.5)
    yield "memory_growth", Figure(peaks[1] / peaks[0], "x", 1.1)


def broken(place: Place, rows: int) -> Iterator[tuple[str, Figure]]:
    """Count the causes in an export of which every twelfth row is broken."""
    path = place.scratch / "broken.csv"
    expected = write_broken_export(path, rows)
    done = run(sys.executable, OURS, "all", path, place.scratch, 2)
    path.unlink()
    votes = sum(map(sum, expected.votes.values()))
    wrong = {
        cause: done["problems"].get(cause, 0) - count
        for cause, count in expected.causes.items()
        if done["problems"].get(cause, 0) != count
    }
    yield "broken_rows", Figure(rows)
    yield "broken_causes_miscounted", Figure(len(wrong), "", 0)
    yield "broken_votes_missing", Figure(abs(votes - done["votes"]), "", 0)
    yield "broken_seconds", Figure(done["wall"], "s")


def answers_question(row: Row) -> bool:
    """Whether a row of the Kenya export answers its question with one answer."""
    return any(
        entry["task"] == QUESTION and isinstance(entry["value"], str)
        for entry in json.loads(row["annotations"])
    )


def main() -> int:
    """Measure, print and record; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with real exports")
    parser.add_argument("--oracle", type=Path, default=Path(".venv-oracle"))
    parser.add_argument("--tree-rows", type=int, default=50_000)
    parser.add_argument("--question-rows", type=int, default=200_000)
    parser.add_argument("--core-rows", type=int, default=1_000_000)
    parser.add_argument("--broken-rows", type=int, default=1_000_000)
    parser.add_argument("--memory-gib", type=float, nargs=2, default=(1, 10))
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=SECTIONS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    given = parser.parse_args()
    if not (given.data / GALAXIES).is_file():
        print(f"no real exports in {given.data}: nothing to measure")
        return 0
    galaxies = ScaledExport(given.data / GALAXIES, 40)
    kenya = ScaledExport(given.data / KENYA, 15, answers_question)
    command = " ".join(["benchmarks/exports.py", *sys.argv[1:]])
    good = True
    with tempfile.TemporaryDirectory(prefix="bench-exports-") as scratch:
        place = Place(given.data, given.oracle / "bin" / "python", Path(scratch))
        if not place.oracle.is_file():
            print(f"no panoptes_aggregation in {given.oracle}: run `make oracle` to compare")
        tasks = [f"T{number}" for number in range(12)]
        steps = {
            "tree": beside_oracle(place, galaxies, given.tree_rows, tasks, "tree"),
            "question": beside_oracle(place, kenya, given.question_rows, [QUESTION], "question"),
            "cores": two_cores(place, galaxies, given.core_rows),
            "memory": memory(place, galaxies, *given.memory_gib),
            "broken": broken(place, given.broken_rows),
        }
        for section in given.only:
            figures: dict[str, Figure] = {}
            for name, figure in steps[section]:
                figures[name] = figure
                print(f"{name}: {figure.value:.4g} {figure.unit} {figure.goal_text}", flush=True)
            # Each section is kept when it is done: the whole takes a quarter of an hour.
            good &= record(f"exports-{section}", figures, command, given.out)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
