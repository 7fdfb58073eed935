"""How near does a catalogue run come to the graph alone? (`make bench-catalogue`)

Measured in one run, in turns, so that both sides see the same moment of the machine:

- raw: ONNX Runtime on prepared images in memory, batch after batch, with the batch size and the
  cores of the command, once with all cores inside one run and once with one run per core; the
  faster of the two is what the command is compared with;
- the command: `zooassist predict` as a process, from its start to its end, over files.

Peak memory is that of the command's process over 2,000 and over 20,000 images.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_record import Figure, record
from numpy.typing import NDArray

from zooassist_serving.model_folder import ModelFolder, load_model_folder
from zooassist_serving.predict_command import BATCH_SIZE
from zooassist_serving.preprocessing import decode_image, prepare
from zooassist_serving.runtime import OnnxRuntime

FEW, MANY = 2_000, 20_000
# Images of one raw measurement; enough for some seconds.
RAW_IMAGES = 2_048
WARM_UP = 2


@dataclass(frozen=True)
class Measured:
    """One run of the command: seconds on the clock, seconds of processor, peak memory."""

    wall: float
    processor: float
    peak_mib: float


def write_images(archive: Path, folder: Path, count: int) -> None:
    """Write `count` JPEG files, repeating the archive's images if it has fewer."""
    folder.mkdir(parents=True)
    with zipfile.ZipFile(archive) as file:
        names = [name for name in file.namelist() if name.lower().endswith((".jpg", ".jpeg"))]
        for i in range(count):
            (folder / f"{i:06}.jpg").write_bytes(file.read(names[i % len(names)]))


def run_command(model: str, folder: Path, out: Path, threads: int) -> Measured:
    """Run `zooassist predict` to its end.

    Raises
    ------
    RuntimeError
        When it does not predict every image.
    """
    arguments = ["predict", model, str(folder), "--out", str(out), "--threads", str(threads)]
    command = [sys.executable, "-m", "zooassist_plugin.cli", *arguments, "--overwrite"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    # `wait4` gives what this one process used; `getrusage` would give the largest of all children.
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode != 0:
        raise RuntimeError(said.decode(errors="replace"))
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


class Raw:
    """The graph alone, on prepared images."""

    def __init__(self, folder: ModelFolder, images: NDArray[np.uint8], threads: int) -> None:
        self._threads = threads
        self._batches = [images[i : i + BATCH_SIZE] for i in range(0, len(images), BATCH_SIZE)]
        self._count = len(images)
        self._within = OnnxRuntime(folder.onnx_path, threads=threads)
        self._beside = OnnxRuntime(folder.onnx_path, threads=1)
        for runtime in (self._within, self._beside):
            for batch in self._batches[:WARM_UP]:
                runtime.run(batch)

    def threads_within(self) -> float:
        """Images per second with all cores inside each run."""
        return self._count / seconds(lambda: [self._within.run(b) for b in self._batches])

    def runs_beside(self) -> float:
        """Images per second with one run per core at a time."""
        with ThreadPoolExecutor(self._threads) as pool:
            return self._count / seconds(lambda: list(pool.map(self._beside.run, self._batches)))


def seconds(work: Callable[[], object]) -> float:
    """Run something once and return how long it took."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def decode_rate(folder: ModelFolder, paths: list[Path], threads: int) -> float:
    """Images per second that are read, decoded and prepared, without any graph."""
    spec = folder.card.preprocessing

    def one(path: Path) -> None:
        prepare(decode_image(path.read_bytes()), spec)

    with ThreadPoolExecutor(threads) as pool:
        return len(paths) / seconds(lambda: list(pool.map(one, paths, chunksize=BATCH_SIZE)))


def measure(options: argparse.Namespace, scratch: Path) -> dict[str, Figure]:
    """Return all figures."""
    few, many = scratch / "few", scratch / "many"
    archive = options.data / "images.zip"
    write_images(archive, few, options.few)
    write_images(archive, many, options.many)
    folder = load_model_folder(options.model)
    paths = sorted(many.iterdir())
    images = np.stack(
        [
            prepare(decode_image(path.read_bytes()), folder.card.preprocessing)
            for path in paths[:RAW_IMAGES]
        ]
    )
    raw = Raw(folder, images, options.threads)
    small = run_command(options.model, few, scratch / "p.parquet", options.threads)
    within, beside, runs = [], [], []
    for _ in range(options.repeats):
        # Raw before and after each run of the command: a ratio of one moment.
        within.append(raw.threads_within())
        beside.append(raw.runs_beside())
        runs.append(run_command(options.model, many, scratch / "p.parquet", options.threads))
    within.append(raw.threads_within())
    beside.append(raw.runs_beside())
    ratios = []
    for i, run in enumerate(runs):
        around = max(np.mean(within[i : i + 2]), np.mean(beside[i : i + 2]))
        ratios.append(options.many / run.wall / around)
    rate = options.many / statistics.median(run.wall for run in runs)
    peak = max(run.peak_mib for run in runs)
    threads = f"{options.threads} threads"
    return {
        "ratio_to_raw": Figure(statistics.median(ratios), "of raw", goal=0.8, better="higher"),
        "images_per_second": Figure(rate, f"images/s, {threads}"),
        "raw_threads_within_a_run": Figure(statistics.median(within), f"images/s, {threads}"),
        "raw_runs_beside_each_other": Figure(statistics.median(beside), f"images/s, {threads}"),
        "decode_and_prepare": Figure(
            decode_rate(folder, paths[:RAW_IMAGES], options.threads), f"images/s, {threads}"
        ),
        "processor_per_image": Figure(
            1e3 * statistics.median(run.processor for run in runs) / options.many, "ms"
        ),
        "peak_memory_few": Figure(small.peak_mib, f"MiB at {options.few:,} images"),
        "peak_memory_many": Figure(
            peak, f"MiB at {options.many:,} images", goal=1.1 * small.peak_mib
        ),
        "images": Figure(float(options.many), f"images, batches of {BATCH_SIZE}"),
        "samples": Figure(float(_samples(folder)), "samples of the posterior"),
    }


def _samples(folder: ModelFolder) -> int:
    spec = folder.card.output("concentrations")
    samples = spec.shape[1] if spec is not None else 1
    return samples if isinstance(samples, int) else 0


def main() -> int:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/galaxies_pool"))
    parser.add_argument("--model", default="galaxy-zoo")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--few", type=int, default=FEW)
    parser.add_argument("--many", type=int, default=MANY)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="Where to write images. Default: /tmp.")
    parser.add_argument("--no-record", action="store_true", help="Print only.")
    options = parser.parse_args()
    if not (options.data / "images.zip").is_file():
        print(f"{options.data}: no images.zip there; give the galaxies' folder with --data")
        return 2
    scratch = Path(tempfile.mkdtemp(prefix="catalogue-", dir=options.scratch))
    try:
        figures = measure(options, scratch)
    finally:
        shutil.rmtree(scratch)
    for name, figure in figures.items():
        goal = f"   goal {figure.goal_text}: {figure.holds}" if figure.goal is not None else ""
        print(f"{name:28} {figure.value:10.4f} {figure.unit}{goal}")
    if options.no_record:
        return 0
    command = f"python benchmarks/catalogue.py --data {options.data}"
    return 0 if record("catalogue", figures, command) else 1


if __name__ == "__main__":
    sys.exit(main())
