"""How near does a batch worker come to the graph alone, and what does it bear? (`make bench-batch`)

All in one run, workers as processes of the command `zooassist batch worker`, their queue on moto:

- raw: the files in memory, decoded, prepared and run through ONNX Runtime by as many threads as
  the worker has, batch after batch; before and after each run of the worker, for one moment of the
  machine. The worker reads the files from a folder: a server on the same cores would be measured
  with it.
- two workers of one thread each beside one of them.
- sixteen workers beside one, whose model sleeps: what the queue and the commits cost.
- 2,000 files of 20,000 broken, and messages that are not ours.
- peak memory of a worker over few and over many images; from its start to its first result.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from bench_record import Figure, record
from catalogue import write_images
from sleeping_plane import SleepingPlane

from zooassist_serving.batch.assembling import open_queues, open_tools
from zooassist_serving.batch.config import BatchConfig, load_config
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.queues import Queue
from zooassist_serving.batch.results import read_results
from zooassist_serving.batch.shard_run import Predictor
from zooassist_serving.batch.status import Note, job_states
from zooassist_serving.batch.stores.local import LocalStore
from zooassist_serving.batch.worker import Worker
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.preprocessing import decode_image, prepare
from zooassist_serving.runtime import OnnxRuntime

FEW = 2_000
RAW_IMAGES = 4_096
UNIT = 64
FOREIGN = 5


@dataclass(frozen=True)
class Ran:
    """What workers did: exit code, wall, images per second from first row to last, peak memory."""

    code: int
    wall: float
    rate: float
    peak_mib: float


class Bench:
    """A moto of its own process, and folders under `scratch`."""

    def __init__(self, options: argparse.Namespace, scratch: Path, moto: str) -> None:
        self.options, self.scratch, self.moto = options, scratch, moto

    def queues(self) -> tuple[str, str]:
        """Make a queue and its dead letters; returns their URLs."""
        sqs, name = boto3.client("sqs", endpoint_url=self.moto), uuid.uuid4().hex[:12]
        dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
        policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 50}
        made = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy)})
        return made["QueueUrl"], dead

    def config(self, images: Path, threads: int, shard_rows: int, slots: int = 2) -> Path:
        """Write the settings of workers on a folder of images; nothing is in the queue yet."""
        queue, dead = self.queues()
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        (folder / "assist.toml").write_text(
            f"""[batch]
queue = "{queue}"
dead_letters = "{dead}"
queue_endpoint_url = "{self.moto}"
threads = {threads}
slots = {slots}
[[batch.route]]
from = "{images}/"
to = "{folder}/out/"
model = "{self.options.model}"
shard_rows = {shard_rows}
"""
        )
        return folder / "assist.toml"

    def tell(self, config: Path, *sources: Path) -> None:
        """Put objects into the queue."""
        command = [
            sys.executable,
            "-m",
            "zooassist_plugin.cli",
            "batch",
            "tell",
            *map(str, sources),
        ]
        subprocess.run([*command, "--config", str(config)], check=True, stdout=subprocess.DEVNULL)

    def work(self, config: Path, workers: int = 1) -> Ran:
        """Let workers empty the queue."""
        command = [sys.executable, "-m", "zooassist_plugin.cli", "batch", "worker"]
        command += ["--config", str(config), "--until-empty"]
        with (config.parent / "log").open("wb") as log:
            start = time.perf_counter()
            running = [subprocess.Popen(command, stdout=log, stderr=log) for _ in range(workers)]
            codes, peaks = [], []
            for process in running:
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                codes.append(process.returncode)
                peaks.append(usage.ru_maxrss / 1024)
            wall = time.perf_counter() - start
        if max(codes) > 1:
            raise RuntimeError((config.parent / "log").read_text()[-2000:])
        notes = notes_of(config)
        span = max(n.ended for n in notes) - min(n.began for n in notes)
        return Ran(max(codes), wall, sum(n.rows for n in notes) / span, max(peaks))


def output_of(config: Path) -> Place:
    """Where the results of these settings lie."""
    return load_config(config).routes[0].output


def notes_of(config: Path) -> list[Note]:
    """Return how all parts were made."""
    return [n for state in job_states(LocalStore(), output_of(config)) for n in state.notes]


def write_manifest(images: Path, count: int, name: str) -> Path:
    """List the first images of a folder."""
    names = sorted(each.name for each in images.glob("*.jpg"))[:count]
    path = images / name
    path.write_text("\n".join(["image", *names]) + "\n")
    return path


def raw_rate(model: str, contents: Sequence[bytes], threads: int) -> float:
    """Images per second of decoding and the graph, from memory."""
    folder = load_model_folder(model)
    spec, runtime = folder.card.preprocessing, OnnxRuntime(folder.onnx_path, threads=1)

    def one(start: int) -> None:
        batch = [prepare(decode_image(data), spec) for data in contents[start : start + UNIT]]
        runtime.run(np.stack(batch))

    one(0)
    with ThreadPoolExecutor(threads) as pool:
        begin = time.perf_counter()
        list(pool.map(one, range(0, len(contents), UNIT)))
        return len(contents) / (time.perf_counter() - begin)


def beside_raw(bench: Bench, images: Path) -> dict[str, Figure]:
    """Return the worker's rate beside the raw rate, and its memory."""
    options = bench.options
    contents = [each.read_bytes() for each in sorted(images.glob("*.jpg"))[:RAW_IMAGES]]
    raw, ran = [raw_rate(options.model, contents, options.threads)], []
    for number in range(options.repeats):
        config = bench.config(images, options.threads, options.shard_rows)
        bench.tell(config, write_manifest(images, options.many, f"many-{number}.csv"))
        ran.append(bench.work(config))
        raw.append(raw_rate(options.model, contents, options.threads))
    ratios = [r.rate / statistics.mean(raw[i : i + 2]) for i, r in enumerate(ran)]
    config = bench.config(images, options.threads, options.shard_rows)
    bench.tell(config, write_manifest(images, min(FEW, options.many), "few.csv"))
    few = bench.work(config)
    return {
        "ratio_to_raw": Figure(statistics.median(ratios), "of raw", goal=0.85, better="higher"),
        "images_per_second": Figure(
            statistics.median(r.rate for r in ran), f"images/s, {options.threads} threads"
        ),
        "raw_decode_and_graph": Figure(
            statistics.median(raw), f"images/s, {options.threads} threads"
        ),
        "peak_memory_few": Figure(few.peak_mib, f"MiB at {min(FEW, options.many):,} images"),
        "peak_memory_many": Figure(
            max(r.peak_mib for r in ran), f"MiB at {options.many:,}", goal=1.1 * few.peak_mib
        ),
    }


def two_beside_one(bench: Bench, images: Path) -> dict[str, Figure]:
    """Return how much two workers of one thread do more than one."""
    rates = []
    for workers in (1, 2):
        config = bench.config(images, 1, max(50, bench.options.many // 20))
        bench.tell(config, write_manifest(images, bench.options.many, f"w{workers}.csv"))
        rates.append(bench.work(config, workers).rate)
    # Two workers on one core are no faster than one.
    goal = 1.7 if bench.options.threads >= 2 else None
    return {"two_workers": Figure(rates[1] / rates[0], "times one", goal=goal, better="higher")}


def sleeping(bench: Bench, images: Path) -> dict[str, Figure]:
    """Return how much sixteen workers with a sleeping model do more than one."""
    options = bench.options
    rows, rounds, seconds = options.sleeping_rows, 3, options.sleeping_seconds
    rates = []
    for workers in (1, 16):
        count = rows * rounds * workers
        config = bench.config(images, 1, rows, slots=1)
        names = sorted(each.name for each in images.glob("*.jpg"))
        lines = [f"{names[i % len(names)]},{i}" for i in range(count)]
        manifest = images / f"sleeping-{workers}.csv"
        manifest.write_text("\n".join(["image,subject_id", *lines]) + "\n")
        bench.tell(config, manifest)
        _sleep_through(load_config(config), workers, seconds)
        notes = notes_of(config)
        span = max(n.ended for n in notes) - min(n.began for n in notes)
        rates.append(sum(n.rows for n in notes) / span)
    return {
        "sixteen_sleeping_workers": Figure(
            rates[1] / rates[0], "times one", goal=14, better="higher"
        )
    }


def _sleep_through(config: BatchConfig, workers: int, seconds: float) -> None:
    """Let workers, each with its own tools, empty the queue; they share the queue alone."""
    folder = load_model_folder(config.routes[0].model)

    class SleepingModels:
        def __init__(self) -> None:
            self._pool = ThreadPoolExecutor(1)
            self._plane = SleepingPlane(folder, seconds)

        def predictor(self, model: str, *, embedding: bool = False) -> Predictor:
            return Predictor(self._plane, folder.card.name, self._pool, 1, UNIT)

    made = []
    for number in range(workers):
        queue, dead = open_queues(config)
        tools = open_tools(config, queue.send, f"sleeper-{number}")
        models: Any = SleepingModels()
        made.append(Worker(queue, dead, replace(tools, models=models), until_empty=True))
    threads = [threading.Thread(target=each.run) for each in made]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def poisoned(bench: Bench, images: Path) -> dict[str, Figure]:
    """Return what becomes of broken files among good ones, and of messages that are not ours."""
    many = bench.options.many
    folder = bench.scratch / "poisoned"
    folder.mkdir()
    bad = many // 10
    for number, path in enumerate(sorted(images.glob("*.jpg"))[:many]):
        target = folder / path.name
        if number % 10 == 3:
            target.write_bytes((b"", b"no image", path.read_bytes()[:200])[number // 10 % 3])
        else:
            target.hardlink_to(path)
    config = bench.config(folder, bench.options.threads, bench.options.shard_rows)
    (folder / "broken.parquet").write_bytes(b"no table")
    manifest = write_manifest(folder, many, "all.csv")
    bench.tell(config, manifest, folder / "broken.parquet")
    settings = load_config(config)
    Queue(str(settings.queue), bench.moto).send([f"hello {n}" for n in range(FOREIGN)])
    ran = bench.work(config)
    table = read_results(LocalStore(), output_of(config))
    failed = table.num_rows - table.column("error").null_count
    letters = list(Queue(str(settings.dead_letters), bench.moto).all_of())
    told = sum(bool(each.attributes.get("reason")) for each in letters)
    names = len(set(table.column("image").to_pylist()))
    return {
        "good_rows": Figure(table.num_rows - failed, "rows", goal=many - bad, better="higher"),
        "rows_with_their_cause": Figure(failed, "rows", goal=bad, better="lower"),
        "distinct_images": Figure(names, "images", goal=many, better="higher"),
        "dead_letters_with_reason": Figure(told, "messages", goal=FOREIGN + 1, better="higher"),
        "dead_letters": Figure(len(letters), "messages", goal=FOREIGN + 1, better="lower"),
        "exit_code_of_failures": Figure(ran.code, "", goal=1, better="higher"),
    }


def first_result(bench: Bench, images: Path) -> dict[str, Figure]:
    """Return seconds from the start of a worker's process to its first result."""
    times = []
    for number in range(3):
        config = bench.config(images, bench.options.threads, 500)
        bench.tell(config, write_manifest(images, 64, f"first-{number}.csv"))
        began = time.time()
        bench.work(config)
        [success] = Path(output_of(config).key).rglob("_SUCCESS")
        times.append(success.stat().st_mtime - began)
    return {"start_to_first_result": Figure(statistics.median(times), "s", goal=5)}


@dataclass(frozen=True)
class Moto:
    """A server process and its address."""

    process: subprocess.Popen[bytes]
    url: str


def start_moto() -> Moto:
    """Start moto beside this process, so that its time is not ours."""
    code = (
        "import sys, time; from moto.server import ThreadedMotoServer as S;"
        "s = S('127.0.0.1', 0, verbose=False); s.start();"
        "print(*s.get_host_and_port(), flush=True); time.sleep(10**6)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    host, port = process.stdout.readline().decode().split()
    return Moto(process, f"http://{host}:{port}")


PARTS = {
    "raw": beside_raw,
    "two": two_beside_one,
    "sleeping": sleeping,
    "poison": poisoned,
    "first": first_result,
}


def main() -> int:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/galaxies_pool"))
    parser.add_argument("--model", default="galaxy-zoo")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--many", type=int, default=20_000)
    parser.add_argument("--shard-rows", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sleeping-rows", type=int, default=500)
    parser.add_argument("--sleeping-seconds", type=float, default=0.02, help="Per image.")
    parser.add_argument("--only", choices=list(PARTS), action="append")
    parser.add_argument("--scratch", type=Path, help="Where to write images. Default: /tmp.")
    parser.add_argument("--no-record", action="store_true", help="Print only.")
    options = parser.parse_args()
    if not (options.data / "images.zip").is_file():
        print(f"{options.data}: no images.zip there; give the galaxies' folder with --data")
        return 2
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    scratch = Path(tempfile.mkdtemp(prefix="batch-", dir=options.scratch))
    moto = start_moto()
    figures: dict[str, Figure] = {}
    try:
        images = scratch / "images"
        write_images(options.data / "images.zip", images, options.many)
        bench = Bench(options, scratch, moto.url)
        for name in options.only or PARTS:
            figures |= PARTS[name](bench, images)
    finally:
        moto.process.kill()
        moto.process.wait()
        shutil.rmtree(scratch)
    for name, figure in figures.items():
        goal = f"   goal {figure.goal_text}: {figure.holds}" if figure.goal is not None else ""
        print(f"{name:28} {figure.value:10.4f} {figure.unit}{goal}")
    if options.no_record:
        return 0
    command = f"python benchmarks/batch.py --data {options.data}"
    return 0 if record("batch", figures, command) else 1


if __name__ == "__main__":
    sys.exit(main())
