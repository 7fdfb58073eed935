"""Which options do the commands that write to Zooniverse share, and what do they open?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from zooassist_loop.ledger import Ledger
from zooassist_loop.propose.hosts import csv_host
from zooassist_loop.propose.pipeline import Sides
from zooassist_plugin.caesar import Caesar
from zooassist_plugin.extracts_csv import CsvHost
from zooassist_plugin.panoptes import connect
from zooassist_plugin.presenters import PRESENTERS
from zooassist_plugin.settings import Settings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _read_map(
    context: click.Context, option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Read ``--map T0.0.0=smooth-or-featured``."""
    pairs = {}
    for value in values:
        task, equals, question = value.partition("=")
        if not equals or not task or not question:
            raise click.BadParameter(f"expected TASK=QUESTION, got {value!r}")
        pairs[task] = question
    return pairs


presenter_option = click.option(
    "--presenter",
    type=click.Choice(list(PRESENTERS)),
    help="Show marks only, marks whose subtasks are pre-answered, or masks as outlines. Default: "
    "masks for a model that outlines, else subtasks.",
)
map_option = click.option(
    "--map",
    "overrides",
    multiple=True,
    metavar="TASK=QUESTION",
    callback=_read_map,
    help="The model's question for a subtask in other words; may be repeated.",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Write nothing, show the calls.")


def host_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add where Caesar fetches the proposals from."""
    for option in (
        click.option(
            "--csv-port",
            type=click.IntRange(0, 65535),
            default=0,
            show_default=True,
            help="Port of the local host; 0 takes a free one.",
        ),
        click.option(
            "--csv-base-url", metavar="URL", help="Where a proxy or tunnel shows the local host."
        ),
        click.option(
            "--csv-host",
            "csv_argument",
            metavar="HOST",
            help="local, or s3://bucket/prefix; default local where Caesar runs here.",
        ),
    ):
        command = option(command)
    return command


def optional_host(
    argument: str | None, base_url: str | None, port: int, settings: Settings
) -> CsvHost | None:
    """Return the host asked for; without a word, the local one where Caesar can reach it."""
    if argument is None and base_url is None and not settings.is_local:
        return None
    return csv_host(argument or "local", settings, base_url, port)


@contextmanager
def open_sides(settings: Settings, host: CsvHost) -> Iterator[Sides]:
    """Log in and open the ledger."""
    with (
        Ledger(settings.ledger) as ledger,
        connect(settings) as panoptes,
        Caesar(settings, panoptes) as caesar,
    ):
        yield Sides(panoptes, caesar, ledger, host)
