"""How is a sandbox started and filled from the command line? ``zooassist sandbox`` and its seed."""

from __future__ import annotations

import json
import logging
import signal
import threading
from pathlib import Path

import click

from zooassist_plugin.errors import BadInput
from zooassist_plugin.sandbox.panoptes.accounts import OWNER, PASSWORD
from zooassist_plugin.sandbox.seed import Seed, seed_sandbox
from zooassist_plugin.sandbox.server import SandboxOptions, opened_sandbox, running_sandbox

DEFAULT_PORT = 3735


def _options(database: str) -> SandboxOptions:
    return SandboxOptions(database_url=database) if database else SandboxOptions()


def _checked_url(_context: click.Context, _parameter: click.Parameter, url: str) -> str:
    if url and not url.startswith(("http://", "https://")):
        raise BadInput(f"--public-url: expected https://host or http://host:port, got {url!r}")
    return url


@click.group(invoke_without_command=True)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="0 takes a free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("sandbox-state"),
    show_default=True,
    help="Folder for database, media, exports and keys; it survives restarts.",
)
@click.option("--database", default="", help="SQLAlchemy URL instead of SQLite in --state.")
@click.option(
    "--public-url", default="", callback=_checked_url, help="Address in URLs, behind a proxy."
)
@click.pass_context
def sandbox(
    context: click.Context, port: int, host: str, state: Path, database: str, public_url: str
) -> None:
    """Run a Panoptes, a Caesar and an image host on this machine until Ctrl-C.

    Example: zooassist sandbox --port 3735 --state ./sandbox-state
    """
    context.obj = (state, database, public_url)
    if context.invoked_subcommand is not None:
        return
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with running_sandbox(
        state, port, host=host, public_url=public_url, **_options(database)
    ) as server:
        click.echo(f"sandbox at {server.url} (state in {state})")
        if public_url:
            click.echo(f"  handed-out addresses begin with {server.sandbox.config.public_url}")
        click.echo(f"  export PANOPTES_ENDPOINT={server.url}")
        click.echo(f"  export PANOPTES_USERNAME={OWNER} PANOPTES_PASSWORD={PASSWORD}")
        stop.wait()


@sandbox.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--name", default="", help="Display name of the project; the folder's by default.")
@click.pass_obj
def seed(settings: tuple[Path, str, str], folder: Path, name: str) -> None:
    """Make a project of a FOLDER of images and print its ids as JSON.

    The folder may hold workflow.json and project.json (attributes as Panoptes takes them). The
    sandbox with the same --state may be running or not.

    Example: zooassist sandbox --state ./sandbox-state seed ./images
    """
    state, database, public_url = settings
    with opened_sandbox(state, public_url=public_url, **_options(database)) as opened:
        made: Seed = seed_sandbox(opened, folder, name)
    for skipped in made.skipped:
        click.echo(f"warning: {skipped}", err=True)
    click.echo(json.dumps(made.to_json(), indent=2))
    if made.skipped:
        context = click.get_current_context()
        context.exit(1)
