"""Does the server run at the speed of the model, and does it stay up? (`make bench-serving`)

Everything is measured in one run: the graph alone and the server take turns on the same core, the
client has another core where there is one. Models are plain convolutions that take about 5 ms and
0.5 ms; images are real galaxies where `--data` has some. LitServe and a Label Studio ML backend
serve the same ONNX file and the same JPEG bytes from an environment of their own (`make peers`).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench_record import Figure, record
from PIL import Image
from serving_bench.models import model_of
from serving_bench.servers import (
    HERE,
    HOST,
    Cores,
    Server,
    as_base64,
    as_bytes,
    as_task,
    bare_socket,
    free_port,
    label_studio,
    litserve,
    ours,
    pinned,
    running,
    usable,
    wait_ready,
)

IMAGES = 64
CLIENTS = 16
# Milliseconds of a model -> least share of the raw rate.
MODELS = {"five-ms": (5.0, 0.9), "half-ms": (0.5, 0.6)}
OVERHEAD_GOAL = 0.5
LITSERVE_GOAL, LABEL_STUDIO_GOAL = 1.2, 3.0
OVERLOAD = 3.0
PARTS = ("speed", "peers", "overload", "swap", "end")

Write = Callable[[str, bytes], bytes]


@dataclass(frozen=True)
class Bench:
    """What all parts share."""

    cores: Cores
    work: Path
    models: dict[str, Path]
    images: list[Path]
    seconds: float
    rounds: int
    overload_seconds: float
    peers: Path

    def load(self, server: Server, name: str, write: Write, **spec: str | float) -> dict[str, Any]:
        """Ask a server, from the client's core."""
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            done, errors = self.begin(server, name, write, Path(folder), **spec).communicate()
        if not done:
            raise RuntimeError(f"the client failed: {errors.decode()[-2000:]}")
        result: dict[str, Any] = json.loads(done)
        return result

    def begin(
        self, server: Server, name: str, write: Write, folder: Path, **spec: str | float
    ) -> subprocess.Popen[bytes]:
        """Start to ask; the caller waits for the end."""
        paths = []
        for number, image in enumerate(self.images):
            path = folder / f"{number}.http"
            path.write_bytes(write(server.path.format(name=name), image.read_bytes()))
            paths.append(str(path))
        file = folder / "spec.json"
        file.write_text(json.dumps({"host": HOST, "port": server.port, "requests": paths, **spec}))
        command = pinned(self.cores.client, [sys.executable, str(HERE / "load.py"), str(file)])
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def raw(self, model: Path) -> dict[str, float]:
        """Run the graph alone on the server's core."""
        command = [sys.executable, str(HERE / "raw.py"), str(model), str(self.seconds)]
        command += map(str, self.images)
        done = subprocess.run(pinned(self.cores.server, command), capture_output=True, check=True)
        found: dict[str, float] = json.loads(done.stdout)
        return found


def speed(bench: Bench) -> dict[str, Figure]:
    """Latency of one client and rate of many, beside the graph alone; in turns."""
    figures: dict[str, Figure] = {}
    for name, model in bench.models.items():
        overheads, beyond, shares, raws, p50s = [], [], [], [], []
        with (
            ours([model], bench.cores, "--log-level", "info") as server,
            bare_socket(model, bench.cores) as socket,
        ):
            bench.load(server, name, as_bytes, kind="closed", connections=4, seconds=1.0)
            for _ in range(bench.rounds):
                raw = bench.raw(model)
                one = bench.load(
                    server, name, as_bytes, kind="closed", connections=1, seconds=bench.seconds
                )
                many = bench.load(
                    server,
                    name,
                    as_bytes,
                    kind="closed",
                    connections=CLIENTS,
                    seconds=bench.seconds,
                    skip=bench.seconds / 5,
                )
                check_statuses(many, {"200"})
                least = bench.load(
                    socket, name, as_bytes, kind="closed", connections=1, seconds=bench.seconds
                )
                overheads.append(1000 * (one["p50"] - raw["p50"]))
                beyond.append(1000 * (one["p50"] - least["p50"]))
                shares.append(many["rate"] / raw["rate"])
                raws.append(raw)
                p50s.append(one["p50"])
            figures[f"{name}_loads_per_process"] = Figure(
                most_loads(server), "sessions per model and process", 1.0
            )
        goal = MODELS[name][1]
        middle = statistics.median
        figures |= {
            f"{name}_graph_p50": Figure(1000 * middle(r["graph_p50"] for r in raws), "ms"),
            f"{name}_decode_and_graph_p50": Figure(1000 * middle(r["p50"] for r in raws), "ms"),
            f"{name}_http_p50": Figure(1000 * middle(p50s), "ms, one client"),
            f"{name}_overhead_p50": Figure(middle(overheads), "ms", OVERHEAD_GOAL),
            f"{name}_beyond_a_bare_socket_p50": Figure(middle(beyond), "ms, the graph in both"),
            f"{name}_raw_rate": Figure(middle(r["rate"] for r in raws), "images/s"),
            f"{name}_share_of_raw": Figure(
                middle(shares), f"of the raw rate, {CLIENTS} clients", goal, "higher"
            ),
        }
    return figures


def most_loads(server: Server) -> float:
    """Return the largest number of sessions that any process made of one model."""
    text = server.get("/metrics")[1].decode()
    return max(
        float(value)
        for value in re.findall(r"^zooassist_model_loads_total\{[^}]*\} (\S+)", text, re.MULTILINE)
    )


def check_statuses(found: dict[str, Any], allowed: set[str]) -> None:
    """Stop where a request failed: a rate of errors is no rate."""
    others = {key: value for key, value in found["statuses"].items() if key not in allowed}
    if others or found["refused_connections"]:
        raise RuntimeError(f"requests failed: {others}, not connected: {found}")


def peers(bench: Bench) -> dict[str, Figure]:
    """Rates of LitServe and a Label Studio ML backend, beside ours; in turns."""
    python = bench.peers / "bin" / "python"
    if not python.exists():
        raise RuntimeError(f"{bench.peers}: no such environment; run: make peers")
    figures: dict[str, Figure] = {}
    spec: dict[str, str | float] = {"kind": "closed", "connections": CLIENTS}
    spec |= {"seconds": bench.seconds, "skip": bench.seconds / 5}
    for name, model in bench.models.items():
        rates: dict[str, list[float]] = {}
        for _ in range(bench.rounds):
            for label, context, write in (
                ("zooassist", ours([model], bench.cores), as_bytes),
                ("litserve", litserve(python, model, bench.cores, 1), as_base64),
                ("litserve_batch_16", litserve(python, model, bench.cores, 16), as_base64),
                ("label_studio", label_studio(python, model, bench.cores), as_task),
            ):
                with context as server:
                    bench.load(server, name, write, kind="closed", connections=4, seconds=1.0)
                    found = bench.load(server, name, write, **spec)
                    check_statuses(found, {"200"})
                    rates.setdefault(label, []).append(found["rate"])
        middle = {label: statistics.median(values) for label, values in rates.items()}
        for label, rate in middle.items():
            figures[f"{name}_{label}_rate"] = Figure(rate, f"images/s, {CLIENTS} clients")
        best = max(middle["litserve"], middle["litserve_batch_16"])
        figures[f"{name}_times_litserve"] = Figure(
            middle["zooassist"] / best, "x, its better setting", LITSERVE_GOAL, "higher"
        )
        figures[f"{name}_times_label_studio"] = Figure(
            middle["zooassist"] / middle["label_studio"], "x", LABEL_STUDIO_GOAL, "higher"
        )
    return figures


def overload(bench: Bench) -> dict[str, Figure]:
    """Three times what the server can do: who is accepted does not wait long, the rest hear 429.

    The bound on the wait is the operator's (`--max-wait`): here one and a half times what a lone
    client sees.
    """
    name, model = "five-ms", bench.models["five-ms"]
    with ours([model], bench.cores, "--log-level", "warning") as server:
        alone = bench.load(
            server, name, as_bytes, kind="closed", connections=1, seconds=bench.seconds
        )
        full = bench.load(
            server, name, as_bytes, kind="closed", connections=CLIENTS, seconds=bench.seconds
        )
    wait = str(round(1.5 * alone["p99"], 4))
    rate = OVERLOAD * full["rate"]
    with ours([model], bench.cores, "--log-level", "warning", "--max-wait", wait) as server:
        bench.load(server, name, as_bytes, kind="open", rate=rate, seconds=2.0)
        before = server.resident_mib()
        found = bench.load(
            server, name, as_bytes, kind="open", rate=rate, seconds=bench.overload_seconds, skip=1.0
        )
        after = server.resident_mib()
        time.sleep(0.5)
        again = bench.load(
            server, name, as_bytes, kind="closed", connections=1, seconds=min(2.0, bench.seconds)
        )
    statuses = found["statuses"]
    failed = sum(count for status, count in statuses.items() if status not in ("200", "429"))
    total = sum(statuses.values())
    return {
        "overload_offered": Figure(rate, "requests/s"),
        "overload_accepted": Figure(found["rate"], "requests/s"),
        "overload_refused": Figure(statuses.get("429", 0) / total, "of requests, with 429"),
        "overload_failed": Figure(failed + found["refused_connections"], "requests", 0.0),
        "overload_p99": Figure(found["p99"] / alone["p99"], "x the p99 of one client", 4.0),
        "overload_memory": Figure(after / before, "x the memory before", 1.1),
        "overload_recovered_p50": Figure(
            again["p50"] / alone["p50"], "x, half a second afterwards", 1.5
        ),
    }


def swap(bench: Bench) -> dict[str, Figure]:
    """Another version becomes active four times a second while clients ask."""
    other = model_of(0.5, "half-ms", bench.work / "other", seed=1)
    port = free_port()
    command = [sys.executable, str(HERE / "swapping.py"), str(port), "0.25"]
    command += [str(bench.models["half-ms"]), str(other.path)]
    with running(
        "swapping",
        pinned(bench.cores.server, command),
        port,
        "/v1/models/{name}/predict",
        "/ready",
    ) as server:
        found = bench.load(
            server,
            "half-ms",
            as_bytes,
            kind="closed",
            connections=CLIENTS,
            seconds=max(4.0, 2 * bench.seconds),
        )
        swaps = int(server.get("/swaps")[1])
    failed = sum(count for status, count in found["statuses"].items() if status != "200")
    return {
        "swap_count": Figure(swaps, "versions activated", 4.0, "higher"),
        "swap_answered": Figure(found["statuses"].get("200", 0), "requests"),
        "swap_failed": Figure(failed + found["refused_connections"], "requests", 0.0),
    }


def end(bench: Bench) -> dict[str, Figure]:
    """End the server, and kill a worker, while clients ask."""
    figures: dict[str, Figure] = {}
    name, model = "five-ms", bench.models["five-ms"]
    with (
        ours([model], bench.cores, "--log-level", "warning") as server,
        tempfile.TemporaryDirectory(dir=bench.work) as folder,
    ):
        asking = bench.begin(
            server, name, as_bytes, Path(folder), kind="closed", connections=CLIENTS, seconds=6.0
        )
        time.sleep(3.0)
        begun = time.perf_counter()
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(60)
        figures["sigterm_took"] = Figure(time.perf_counter() - begun, "s, one of them draining")
        found = json.loads(asking.communicate()[0])
        failed = sum(count for status, count in found["statuses"].items() if status != "200")
        figures["sigterm_answered"] = Figure(found["statuses"].get("200", 0), "requests")
        figures["sigterm_lost"] = Figure(failed, "requests", 0.0)
        figures["sigterm_exit_code"] = Figure(code, "", 0.0)
    for workers in (1, 2):
        with (
            ours([model], bench.cores, "--log-level", "warning", workers=workers) as server,
            tempfile.TemporaryDirectory(dir=bench.work) as folder,
        ):
            asking = bench.begin(
                server, name, as_bytes, Path(folder), kind="closed", connections=4, seconds=4.0
            )
            time.sleep(2.0)
            os.kill(server.children()[0], signal.SIGKILL)
            took = wait_ready(server, "/ready")
            asking.communicate()
            figures[f"kill_9_of_{workers}_served_again"] = Figure(took, "s", 2.0)
    return figures


def write_images(data: Path, out: Path) -> list[Path]:
    """Write real galaxies where there are some, else smooth noise, as JPEG files."""
    out.mkdir(parents=True)
    archive = data / "images.zip"
    contents: list[bytes] = []
    if archive.exists():
        with zipfile.ZipFile(archive) as packed:
            names = [each for each in packed.namelist() if each.endswith(".jpg")][:IMAGES]
            contents = [packed.read(each) for each in names]
    else:
        print(f"{archive}: not there; asking with made-up images")
        random = np.random.default_rng(0)
        for _ in range(IMAGES):
            small = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(small).resize((128, 128)).save(buffer, "JPEG", quality=90)
            contents.append(buffer.getvalue())
    paths = []
    for number, content in enumerate(contents):
        path = out / f"{number}.jpg"
        path.write_bytes(content)
        paths.append(path)
    return paths


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/galaxies"))
    parser.add_argument("--peers", type=Path, default=Path(".venv-peers"))
    parser.add_argument("--seconds", type=float, default=5.0, help="Of each measurement.")
    parser.add_argument("--rounds", type=int, default=5, help="Turns of each comparison.")
    parser.add_argument("--overload-seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=PARTS, action="append", help="These parts alone.")
    parser.add_argument("--no-record", action="store_true", help="Print only.")
    asked = parser.parse_args(arguments)
    parts = {"speed": speed, "peers": peers, "overload": overload, "swap": swap, "end": end}
    figures: dict[str, Figure] = {}
    cores = usable()
    if not cores.apart:
        print("one core only: the client takes time from the server")
    with tempfile.TemporaryDirectory(prefix="zooassist-bench-") as folder:
        work = Path(folder)
        # Measured on the server's core, as it will be run.
        everywhere = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores.server)
        models = {
            name: model_of(target, name, work / "models").path
            for name, (target, _) in MODELS.items()
        }
        os.sched_setaffinity(0, everywhere)
        bench = Bench(
            cores,
            work,
            models,
            write_images(asked.data, work / "images"),
            asked.seconds,
            asked.rounds,
            asked.overload_seconds,
            asked.peers,
        )
        for name, part in parts.items():
            if asked.only and name not in asked.only:
                continue
            for key, figure in part(bench).items():
                figures[key] = figure
                goal = (
                    f"   goal {figure.goal_text}: {figure.holds}" if figure.goal is not None else ""
                )
                print(f"{key:32} {figure.value:12.5g} {figure.unit}{goal}", flush=True)
    if asked.no_record or asked.only:
        return 0 if all(figure.holds is not False for figure in figures.values()) else 1
    command = f"python benchmarks/serving.py --data {asked.data}"
    return 0 if record("serving", figures, command) else 1


if __name__ == "__main__":
    sys.exit(main())
