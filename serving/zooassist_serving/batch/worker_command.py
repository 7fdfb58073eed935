"""`zooassist batch worker`: work on the messages of a queue, until told to stop."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType

import click

from zooassist_serving.batch.assembling import check_outputs, open_queues, open_tools
from zooassist_serving.batch.config import load_config
from zooassist_serving.batch.worker import Tally, Worker


@click.command(
    epilog="""\b
Examples:
  zooassist batch worker
  zooassist batch worker --config survey.toml --until-empty"""
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings. Default: $ZOOASSIST_BATCH_TOML, else ./assist.toml.",
)
@click.option("--until-empty", is_flag=True, help="End when nothing is left to do anywhere.")
def worker(config: Path | None, until_empty: bool) -> None:
    """Predict what the queue tells of.

    Any number of workers, here or elsewhere, share a queue; none knows of another. SIGTERM gives
    what is in hand back to the queue and ends the worker. Messages that can't be done go to the
    dead-letter queue with the reason. With --until-empty the exit code is 1 when images or messages
    failed.
    """
    settings = load_config(config)
    queue, dead_letters = open_queues(settings)
    tools = open_tools(settings, queue.send)
    check_outputs(settings)
    with tools.models, tools.fetching:
        working = Worker(queue, dead_letters, tools, until_empty=until_empty)

        def stop(number: int, frame: FrameType | None) -> None:
            working.stopping.set()

        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, stop)
        click.echo(f"worker {tools.worker}: waiting for {queue.url}", err=True)
        tally = working.run()
    for line in _lines(tally):
        click.echo(line)
    if until_empty and (tally.failed or tally.buried):
        sys.exit(1)


def _lines(tally: Tally) -> list[str]:
    lines = [f"{tally.rows - tally.failed} of {tally.rows} images predicted"]
    for count, what in (
        (tally.buried, "messages to the dead-letter queue"),
        (tally.retried, "tries that have to be repeated"),
        (tally.superseded, "objects that were replaced meanwhile"),
    ):
        if count:
            lines.append(f"{count} {what}")
    return lines
