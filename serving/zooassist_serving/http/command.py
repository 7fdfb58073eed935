"""The command `zooassist serve`."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from flask import Flask

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import CARD_FILE
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.app import MAX_BODY_BYTES, create_app
from zooassist_serving.model_folder import BUNDLED, ModelFolder, load_model_folder
from zooassist_serving.preprocessing import MAX_PIXELS

BLOCKING_THREADS = 16


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
    )


def find_models(root: Path | None, names: tuple[str, ...]) -> list[ModelFolder]:
    """Verify the models to serve: those named, those under a folder, else those bundled.

    Raises
    ------
    BadInput
        When one is not sound, two share a name, or there is none.
    """
    arguments: list[str | Path] = list(names)
    if root is not None:
        if (root / CARD_FILE).exists():
            arguments.append(root)
        arguments += sorted(path.parent for path in root.glob(f"*/{CARD_FILE}"))
    if not names and root is None:
        arguments = [name for name, path in BUNDLED.items() if (path / CARD_FILE).exists()]
    if not arguments:
        raise BadInput(
            f"{root or 'bundled models'}: expected model folders, found none; "
            "give --models DIR or --model NAME"
        )
    folders = [load_model_folder(argument) for argument in arguments]
    DataPlane(folders)
    return folders


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@click.command(epilog="Example: zooassist serve --model galaxy-zoo --port 8000")
@click.option(
    "--models",
    "root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of model folders.",
)
@click.option("--model", "names", multiple=True, help="A model folder or a bundled name.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--token", envvar="ZOOASSIST_TOKEN", help="Default: a new one, printed at start.")
@click.option("--no-auth", is_flag=True, help="Ask for no token; on loopback only.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1))
@click.option("--threads", type=click.IntRange(1), help="Per worker. Default: all cores.")
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option(
    "--allow-media",
    "media_origins",
    multiple=True,
    metavar="ORIGIN",
    help="Fetch subject media from here, e.g. https://panoptes-uploads.zooniverse.org.",
)
@click.option("--max-body", default=MAX_BODY_BYTES, show_default=True, help="Bytes per request.")
@click.option("--max-pixels", default=MAX_PIXELS, show_default=True, help="Pixels per image.")
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
    """Serve models over HTTP until interrupted."""
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
    folders = find_models(root, names)
    if not no_auth and not token:
        token = secrets.token_urlsafe(24)
        click.echo(f"token: {token}", err=True)
    for folder in folders:
        address = f"http://{host}:{port}/v1/models/{folder.card.name}/predict"
        click.echo(f"{folder.card.name} {folder.card.version}: {address}", err=True)
    worker = Worker(
        models=tuple(str(folder.path.resolve()) for folder in folders),
        token=None if no_auth else token,
        threads=threads,
        device=device,
        media_origins=media_origins,
        max_body=max_body,
        max_pixels=max_pixels,
    )
    Granian(
        "zooassist_serving.http.command:worker_app",
        address=host,
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
