"""`zooassist batch tell`: put objects that are there already into the queue."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import click

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.assembling import open_queues, open_store
from zooassist_serving.batch.config import BatchConfig, load_config
from zooassist_serving.batch.events import Arrived
from zooassist_serving.batch.listings import objects_of
from zooassist_serving.batch.stores.store import Store

AT_ONCE: Final = 1000


@click.command(
    epilog="""\b
Examples:
  zooassist batch tell s3://survey/incoming/
  zooassist batch tell s3://survey/incoming/list.csv"""
)
@click.argument("sources", nargs=-1, required=True)
@click.option("--config", type=click.Path(path_type=Path), help="Settings.")
def tell(sources: tuple[str, ...], config: Path | None) -> None:
    """Send a message for every object that SOURCES (objects, prefixes, folders) hold.

    For what was there before the bucket told the queue, and for folders, which tell nobody. What
    is predicted already is not done again.
    """
    settings = load_config(config)
    queue, _ = open_queues(settings)
    bodies = _bodies(sources, settings, open_store(settings))
    sent = 0
    while run := list(islice(bodies, AT_ONCE)):
        queue.send(run)
        sent += len(run)
    if not sent:
        raise BadInput("batch tell: expected objects that a route takes, found none")
    click.echo(f"{sent} objects told")


def _bodies(sources: tuple[str, ...], settings: BatchConfig, store: Store) -> Iterator[str]:
    for source in sources:
        for seen in objects_of(source, store):
            if settings.route_for(seen.place) is not None:
                yield Arrived(seen).to_text()
