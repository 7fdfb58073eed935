"""How is a measurement kept? `results/<name>.json` and the benchmark's rows of `RESULTS.md`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
# What counts as a change of the code: everything but what benchmarks write here.
CODE = (":/", ":(exclude)results", ":(exclude)RESULTS.md")
TABLE = (
    "# Measured\n\n"
    "Written by the benchmarks themselves (`make bench-<name>`), one row per figure; the same\n"
    "numbers are in `results/<name>.json`. Benchmarks that need `../shared/data` say so when it\n"
    "is missing.\n\n"
    "| benchmark | figure | value | unit | goal | holds | commit | machine | command |\n"
    "|---|---|---|---|---|---|---|---|---|\n"
)


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes
    ----------
    goal : float, optional
        None for a number that is only there to be compared with.
    better : str
        Whether the value should be at most (``lower``) or at least (``higher``) the goal.
    """

    value: float
    unit: str = ""
    goal: float | None = None
    better: str = "lower"

    def __post_init__(self) -> None:
        if self.better not in ("lower", "higher"):
            raise ValueError(f"better: expected lower or higher, got {self.better!r}")

    @property
    def holds(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        # Of numpy numbers too, whose comparison JSON does not know.
        return bool(self.value <= self.goal if self.better == "lower" else self.value >= self.goal)

    @property
    def goal_text(self) -> str:
        """The goal as people write it."""
        sign = "<=" if self.better == "lower" else ">="
        return "" if self.goal is None else f"{sign} {self.goal:.4g}"


def record(name: str, figures: Mapping[str, Figure], command: str, root: Path = HERE) -> bool:
    """Write a benchmark's JSON and its rows of the table; return whether every goal is met."""
    commit, machine = commit_name(), machine_name()
    content = {
        "commit": commit,
        "machine": machine,
        "command": command,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "figures": {
            key: {
                "value": float(figure.value),
                "unit": figure.unit,
                "goal": figure.goal_text or None,
                "holds": figure.holds,
            }
            for key, figure in figures.items()
        },
    }
    results = root / "results"
    results.mkdir(parents=True, exist_ok=True)
    replace_text(results / f"{name}.json", json.dumps(content, indent=2) + "\n")
    rows = [
        f"| {name} | {key} | {figure.value:.4g} | {figure.unit} | {figure.goal_text} "
        f"| {_word(figure.holds)} | {commit} | {machine} | `{command}` |"
        for key, figure in figures.items()
    ]
    _write_rows(root / "RESULTS.md", name, rows)
    return all(figure.holds is not False for figure in figures.values())


def _write_rows(path: Path, name: str, rows: list[str]) -> None:
    old = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    others = [
        line
        for line in old
        if line.startswith("| ") and not line.startswith((f"| {name} |", "| benchmark |"))
    ]
    text = TABLE + "\n".join(sorted(others + rows, key=lambda row: row.split(" | ")[0])) + "\n"
    replace_text(path, text)


def replace_text(path: Path, text: str) -> None:
    """Write a file under a temporary name and put it in place."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _word(holds: bool | None) -> str:
    return "" if holds is None else ("yes" if holds else "**no**")


def commit_name() -> str:
    """Return the commit that was measured, with a mark when files differ from it.

    What earlier benchmarks of the same checkout recorded is no difference.
    """
    changes = ["git", "status", "--porcelain", "--untracked-files=no", "--", *CODE]
    try:
        name = _output("git", "rev-parse", "--short=10", "HEAD")
        dirty = "-dirty" if _output(*changes) else ""
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + dirty


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def machine_name() -> str:
    """Return processor, cores, memory and Python of this machine."""
    processor = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip() if names else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{processor}, {cores} cores, {memory:.0f} GiB, Python {platform.python_version()}"
