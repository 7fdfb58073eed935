"""The command `zooassist serve`."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from flask import Flask

from zooassist_plugin.errors import BadInput, ZooassistError
from zooassist_plugin.settings import load_settings
from zooassist_serving.batcher import Limits
from zooassist_serving.dataplane import BATCH_SIZE, DataPlane
from zooassist_serving.devices import Device
from zooassist_serving.drift import DriftWatch
from zooassist_serving.http.address import address_to_listen_on, is_loopback
from zooassist_serving.http.app import MAX_BODY_BYTES, create_app
from zooassist_serving.http.door_options import DoorOptions, door_options
from zooassist_serving.http.gate import Drain
from zooassist_serving.http.media import MediaFetcher, origin_of
from zooassist_serving.http.metrics import Metrics, share_between_processes
from zooassist_serving.http.models_to_serve import SkippedModel, find_models
from zooassist_serving.http.repository_models import (
    Problems,
    Repository,
    find_released,
    open_releases,
)
from zooassist_serving.http.request_log import RequestLog, log_as_json
from zooassist_serving.jobs.store import JobStore
from zooassist_serving.jobs.worker import Jobs
from zooassist_serving.model_folder import ModelFolder, load_model_folder
from zooassist_serving.preprocessing import MAX_PIXELS
from zooassist_serving.repository.opening import is_repository

logger = logging.getLogger(__name__)

EXAMPLE_ORIGIN = "https://panoptes-uploads.zooniverse.org"
QUEUE = 128
# Beside those that wait for a model: threads for large requests, for `/ready` and for refusals.
SPARE_THREADS = 64


@dataclass(frozen=True)
class Worker:
    """What a worker process needs to know; it loads the models itself, after the fork."""

    models: tuple[str, ...]
    token: str | None
    threads: int | None
    device: str | Device
    media_origins: tuple[str, ...]
    max_body: int
    max_pixels: int
    skipped: tuple[SkippedModel, ...] = ()
    limits: Limits = Limits(batch=BATCH_SIZE, queue=QUEUE)  # noqa: RUF009 - frozen itself
    ledger: str | None = None
    log: str | None = None
    repository: Repository | None = None
    doors: DoorOptions = DoorOptions()  # noqa: RUF009 - frozen itself


def worker_app(worker: Worker) -> Flask:
    """Load and warm the models, and make the application around them."""
    if worker.log is not None:
        log_as_json(worker.log)
    folders, spoilt = _sound(worker.models) if worker.repository is None else ([], [])
    watch = DriftWatch()
    for folder in folders:
        watch.watch(folder.path, folder.card)
    metrics = Metrics(watch)

    def make(kind: type[DataPlane], counted: bool) -> DataPlane:
        return kind(
            folders,
            threads=worker.threads,
            device=worker.device,
            max_pixels=worker.max_pixels,
            limits=worker.limits,
            observer=metrics if counted else None,
        )

    wake: Callable[[], None] = _do_nothing
    skipped: Sequence[SkippedModel] = (*worker.skipped, *spoilt)
    if worker.repository is not None:
        follower = open_releases(
            worker.repository, make, lambda folder: watch.watch(folder.path, folder.card)
        )
        plane, skipped = follower.releases.plane, Problems(follower.releases)
        wake = follower.wake
    else:
        plane = make(DataPlane, True)
        plane.warm_up()
    # What was loaded stays for good: the collector need not look through it again and again.
    gc.collect()
    gc.freeze()
    drain = Drain()
    jobs = None
    store = None if worker.ledger is None else _job_store(worker.ledger)
    if store is not None:
        fetcher = MediaFetcher(worker.media_origins, worker.max_body)
        jobs = Jobs(store, plane, fetcher.fetch_later)
        jobs.start()
        drain.tell(jobs.end_soon)
    settings, opened = load_settings(), ExitStack()
    limits = (worker.max_body, worker.max_pixels)
    doors = worker.doors.open(settings, worker.ledger or settings.ledger, limits, opened)
    app = create_app(
        plane,
        token=worker.token,
        media_origins=worker.media_origins,
        max_body=worker.max_body,
        skipped=skipped,
        metrics=metrics,
        drain=drain,
        jobs=jobs,
        doors=doors,
        log=_request_log(worker.log),
    )
    app.extensions["zooassist"] = drain
    app.extensions["zooassist-opened"] = opened
    app.extensions["zooassist-wake"] = wake
    return app


def _job_store(url: str) -> JobStore | None:
    """Open the table of jobs; where that fails, all but the jobs is served."""
    try:
        return JobStore(url)
    except ZooassistError as error:
        logger.error("no jobs are kept: %s", error)
        return None


def _request_log(level: str | None) -> RequestLog | None:
    if level is None:
        return None
    return RequestLog(sys.stderr.buffer, failures_only=level not in ("debug", "info"))


def _sound(models: Sequence[str]) -> tuple[list[ModelFolder], list[SkippedModel]]:
    """Load what can be: one folder that was spoilt since the start must not end all others."""
    folders: list[ModelFolder] = []
    spoilt: list[SkippedModel] = []
    for path in models:
        try:
            folders.append(load_model_folder(path))
        except BadInput as error:
            logger.error("not served: %s", error)
            spoilt.append(SkippedModel(Path(path).name, str(error)))
    if not folders:
        raise BadInput(f"none of the models is sound any more: {spoilt[0].reason}")
    return folders, spoilt


def _do_nothing() -> None:
    """There is nothing to look for: model folders don't change."""


def _load(worker: Worker) -> Flask:
    """Make the application in a worker process, whose main thread this is."""
    app = worker_app(worker)
    signal.signal(signal.SIGUSR1, app.extensions["zooassist"].begin)
    signal.signal(signal.SIGHUP, lambda *_: app.extensions["zooassist-wake"]())
    atexit.register(app.extensions["zooassist-opened"].close)
    return app


@click.command(
    epilog="""\b
Examples:
  zooassist serve --port 8000
  zooassist serve --models models/ --allow-media https://panoptes-uploads.zooniverse.org
  curl -H "Authorization: Bearer $TOKEN" --data-binary @galaxy.jpg \\
    http://127.0.0.1:8000/v1/models/galaxy-zoo/predict"""
)
@click.option(
    "--models",
    "address",
    metavar="MODELS",
    help="A folder of model folders, or a repository: a folder or s3://bucket/prefix. Default: the "
    "bundled models.",
)
@click.option(
    "--model",
    "names",
    multiple=True,
    help="A model folder or a bundled name; with a repository one of its models.",
)
@click.option(
    "--model-memory",
    type=click.IntRange(1),
    metavar="BYTES",
    help="Of a repository: graphs in memory at most; who was asked least recently leaves.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="TCP port."
)
@click.option("--token", envvar="ZOOASSIST_TOKEN", help="Default: a new one, printed at start.")
@click.option("--no-auth", is_flag=True, help="Ask for no token; on loopback only.")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Processes, each with all models.",
)
@click.option("--threads", type=click.IntRange(1), help="Per worker. Default: all cores.")
@click.option(
    "--device",
    default="cpu",
    show_default=True,
    type=click.Choice(["cpu", "cuda", "tensorrt"]),
    help="Where the graphs run; cuda and tensorrt need zooassist[gpu].",
)
@click.option("--half", is_flag=True, help="tensorrt: float16, where the answers stay the same.")
@click.option(
    "--engines",
    type=click.Path(file_okay=False, path_type=Path),
    help="tensorrt: folder for its engines, which take minutes to build.",
)
@click.option(
    "--batch",
    default=BATCH_SIZE,
    show_default=True,
    type=click.IntRange(1, 256),
    help="Images of one run of a graph at most.",
)
@click.option(
    "--queue",
    default=QUEUE,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="Images that may wait for a model; who comes beyond is answered 429.",
)
@click.option(
    "--max-wait",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Seconds; who would probably wait longer is answered 429 at once.",
)
@click.option(
    "--ledger",
    metavar="URL",
    help="Keep jobs in this database. Default: ZOOASSIST_LEDGER or that of assist.toml.",
)
@click.option(
    "--log-level",
    default="info",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="What is written to standard error, as JSON; info has a line for every request.",
)
@click.option(
    "--drain",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0, 600),
    help="Seconds from SIGTERM to the end of listening, in which /ready answers 503.",
)
@click.option(
    "--allow-media",
    "media_origins",
    multiple=True,
    metavar="ORIGIN",
    help=f"Fetch subject media from here, e.g. {EXAMPLE_ORIGIN}.",
)
@click.option(
    "--max-body",
    default=MAX_BODY_BYTES,
    show_default=True,
    type=click.IntRange(1),
    help="Bytes per request, and per image that is fetched.",
)
@click.option(
    "--max-pixels",
    default=MAX_PIXELS,
    show_default=True,
    type=click.IntRange(1),
    help="Images with more pixels are refused.",
)
@door_options
def serve(
    address: str | None,
    names: tuple[str, ...],
    model_memory: int | None,
    host: str,
    port: int,
    token: str | None,
    no_auth: bool,
    workers: int,
    threads: int | None,
    device: str,
    half: bool,
    engines: Path | None,
    batch: int,
    queue: int,
    max_wait: float,
    ledger: str | None,
    log_level: str,
    drain: float,
    media_origins: tuple[str, ...],
    max_body: int,
    max_pixels: int,
    doors: DoorOptions,
) -> None:
    """Serve models over HTTP until interrupted.

    A model folder that is not sound is left out, with a line that says why. On SIGTERM no request
    is lost: see --drain.
    """
    # granian is only needed here, and its import starts nothing else.
    from zooassist_serving.http.server import Listening, listen

    chosen = Device(device, half=half, cache=engines)
    if no_auth and not is_loopback(host):
        raise BadInput(
            f"--no-auth: expected a loopback address, got --host {host}; "
            "leave --no-auth out, or listen on 127.0.0.1"
        )
    if no_auth and token:
        raise BadInput("--no-auth and a token (--token or ZOOASSIST_TOKEN) exclude each other")
    for origin in media_origins:
        try:
            origin_of(origin)
        except BadInput as error:
            raise BadInput(f"--allow-media: {error}; such as {EXAMPLE_ORIGIN}") from error
    settings = load_settings()
    doors.check(settings)
    listen_on = address_to_listen_on(host, port)
    repository = None
    if address is not None and is_repository(address):
        repository = Repository(address, names, model_memory)
        found = find_released(repository)
    elif model_memory is not None:
        raise BadInput("--model-memory: expected a repository in --models; see docs/models.md")
    else:
        found = find_models(_folder(address), names)
    for skipped in found.skipped:
        click.echo(f"error: not served: {skipped.reason}", err=True)
    if not no_auth and not token:
        token = secrets.token_urlsafe(24)
        click.echo(f"token: {token}", err=True)
    shown = f"[{host}]" if ":" in host else host
    for folder in found.folders:
        url = f"http://{shown}:{port}/v1/models/{folder.card.name}/predict"
        click.echo(f"{folder.card.name} {folder.card.version}: {url}", err=True)
    for url in doors.addresses(f"http://{shown}:{port}", [f.card.name for f in found.folders]):
        click.echo(f"caesar: {url}", err=True)
    folders = () if repository is not None else found.folders
    worker = Worker(
        models=tuple(str(folder.path.resolve()) for folder in folders),
        token=None if no_auth else token,
        threads=threads,
        device=chosen,
        media_origins=media_origins,
        max_body=max_body,
        max_pixels=max_pixels,
        skipped=found.skipped,
        limits=Limits(batch=batch, queue=queue, wait=max_wait),
        ledger=ledger or settings.ledger,
        log=log_level,
        repository=repository,
        doors=doors,
    )
    listening = Listening(listen_on, port, workers, batch + queue + SPARE_THREADS, drain)
    with tempfile.TemporaryDirectory(prefix="zooassist-metrics-") as shared:
        if workers > 1:
            share_between_processes(Path(shared) / str(os.getpid()))
        listen(listening, partial(_load, worker))


def _folder(address: str | None) -> Path | None:
    if address is None or Path(address).is_dir():
        return None if address is None else Path(address)
    raise BadInput(
        f"--models {address}: expected a folder of model folders, a repository or s3://…, found "
        f"{'a file' if Path(address).exists() else 'nothing there'}"
    )
