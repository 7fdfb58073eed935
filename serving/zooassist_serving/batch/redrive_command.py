"""`zooassist batch redrive`: look at the dead letters, and give them another try."""

from __future__ import annotations

from pathlib import Path

import click

from zooassist_serving.batch.assembling import open_queues
from zooassist_serving.batch.config import load_config
from zooassist_serving.batch.queues import REASON, Received

UNTOLD = "no reason was noted: SQS gave it up after so many deliveries (did workers die?)"


@click.command(
    epilog="""\b
Examples:
  zooassist batch redrive --dry-run
  zooassist batch redrive --reason 'access denied'"""
)
@click.option("--config", type=click.Path(path_type=Path), help="Settings.")
@click.option("--reason", help="Only messages whose reason has these words in it.")
@click.option("--dry-run", is_flag=True, help="Say what would be moved; move nothing.")
def redrive(config: Path | None, reason: str | None, dry_run: bool) -> None:
    """Move messages from the dead-letter queue back, to be tried again.

    What they ask for and is done already is not done twice.
    """
    queue, dead_letters = open_queues(load_config(config))
    moved = left = 0
    kept: list[Received] = []
    for message in dead_letters.all_of():
        said = message.attributes.get(REASON) or UNTOLD
        if dry_run or (reason is not None and reason.lower() not in said.lower()):
            kept.append(message)
            left += 1
        else:
            queue.send([message.body])
            dead_letters.delete(message)
            moved += 1
        if dry_run and (reason is None or reason.lower() in said.lower()):
            click.echo(f"would move: {said}")
    for message in kept:
        dead_letters.hide(message, 0)
    click.echo(f"{moved} messages moved, {left} left")
