"""The command `zooassist serve`."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from flask import Flask

from zooassist_plugin.errors import BadInput
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.address import address_to_listen_on, is_loopback
from zooassist_serving.http.app import MAX_BODY_BYTES, create_app
from zooassist_serving.http.media import origin_of
from zooassist_serving.http.models_to_serve import SkippedModel, find_models
from zooassist_serving.model_folder import load_model_folder
from zooassist_serving.preprocessing import MAX_PIXELS

BLOCKING_THREADS = 16
EXAMPLE_ORIGIN = "https://panoptes-uploads.zooniverse.org"


@dataclass(frozen=True)
class Worker:
    """What a worker process needs to know; it loads the models itself, after the fork."""

    models: tuple[str, ...]
    token: str | None
    threads: int | None
    device: str
    media_origins: tuple[str, ...]
    max_body: int
    max_pixels: int
    skipped: tuple[SkippedModel, ...] = ()


def worker_app(worker: Worker) -> Flask:
    """Load and warm the models, and make the application around them."""
    folders = [load_model_folder(path) for path in worker.models]
    plane = DataPlane(
        folders, threads=worker.threads, device=worker.device, max_pixels=worker.max_pixels
    )
    plane.warm_up()
    return create_app(
        plane,
        token=worker.token,
        media_origins=worker.media_origins,
        max_body=worker.max_body,
        skipped=worker.skipped,
    )


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
    "root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of model folders. Default: the bundled models.",
)
@click.option("--model", "names", multiple=True, help="A model folder or a bundled name.")
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
    type=click.Choice(["cpu", "cuda"]),
    help="Where the graphs run; cuda needs zooassist[gpu].",
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
def serve(
    root: Path | None,
    names: tuple[str, ...],
    host: str,
    port: int,
    token: str | None,
    no_auth: bool,
    workers: int,
    threads: int | None,
    device: str,
    media_origins: tuple[str, ...],
    max_body: int,
    max_pixels: int,
) -> None:
    """Serve models over HTTP until interrupted.

    A model folder that is not sound is left out, with a line that says why.
    """
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

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
    address = address_to_listen_on(host, port)
    found = find_models(root, names)
    for skipped in found.skipped:
        click.echo(f"error: not served: {skipped.reason}", err=True)
    if not no_auth and not token:
        token = secrets.token_urlsafe(24)
        click.echo(f"token: {token}", err=True)
    shown = f"[{host}]" if ":" in host else host
    for folder in found.folders:
        url = f"http://{shown}:{port}/v1/models/{folder.card.name}/predict"
        click.echo(f"{folder.card.name} {folder.card.version}: {url}", err=True)
    worker = Worker(
        models=tuple(str(folder.path.resolve()) for folder in found.folders),
        token=None if no_auth else token,
        threads=threads,
        device=device,
        media_origins=media_origins,
        max_body=max_body,
        max_pixels=max_pixels,
        skipped=found.skipped,
    )
    logging.getLogger("_granian").addFilter(_is_news)
    Granian(
        "zooassist_serving.http.command:worker_app",
        address=address,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        # Enough to decode while others wait for the graph; what comes beyond queues in the kernel.
        blocking_threads=BLOCKING_THREADS,
        backpressure=2 * BLOCKING_THREADS,
        respawn_failed_workers=True,
        respawn_interval=0.2,
        workers_kill_timeout=30,
        log_level=LogLevels.warning,
    ).serve(target_loader=partial(worker_app, worker), wrap_loader=False)


def _is_news(record: logging.LogRecord) -> bool:
    """Keep back granian's remark on our number of threads: it is meant, see `BLOCKING_THREADS`."""
    return "allows spawning up to" not in record.getMessage()
