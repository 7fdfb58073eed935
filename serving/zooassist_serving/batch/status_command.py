"""`zooassist batch status`: how far is it, how fast, and what fails?"""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import click

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.assembling import open_queues, open_store
from zooassist_serving.batch.config import BatchConfig, load_config
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.queues import REASON
from zooassist_serving.batch.redrive_command import UNTOLD
from zooassist_serving.batch.status import JobState, job_states

SHOWN: Final = 10


@click.command(
    epilog="""\b
Examples:
  zooassist batch status
  zooassist batch status s3://survey-predictions/ --json"""
)
@click.argument("outputs", nargs=-1)
@click.option("--config", type=click.Path(path_type=Path), help="Settings.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def status(
    context: click.Context, outputs: tuple[str, ...], config: Path | None, as_json: bool
) -> None:
    """Say how far the jobs in OUTPUTS are (default: of the settings' routes).

    The exit code is 1 when something failed: images, or messages that are dead letters.
    """
    settings = load_config(config)
    places = [Place.parse(each) for each in outputs] or [route.output for route in settings.routes]
    if not places:
        raise BadInput("batch status: expected OUTPUTS or a route in assist.toml, found neither")
    store, now = open_store(settings), time.time()
    states = [state for place in dict.fromkeys(places) for state in job_states(store, place)]
    queues = _queues(settings)
    if as_json:
        said = {"jobs": [state.to_json(now) for state in states], **queues}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        for line in _lines(states, queues, now):
            click.echo(line)
    dead = sum(queues.get("dead_letters", {}).values())
    context.exit(1 if dead or any(state.failed for state in states) else 0)


def _queues(settings: BatchConfig) -> dict[str, Any]:
    if settings.queue is None:
        return {}
    queue, dead_letters = open_queues(settings)
    reasons: Counter[str] = Counter()
    kept = list(dead_letters.all_of())
    for message in kept:
        reasons[message.attributes.get(REASON) or UNTOLD] += 1
        dead_letters.hide(message, 0)
    return {"queue": queue.counts(), "dead_letters": dict(reasons.most_common())}


def _lines(states: list[JobState], queues: dict[str, Any], now: float) -> list[str]:
    done = [state for state in states if state.is_done]
    lines = [
        f"{len(done)} of {len(states)} jobs done, "
        f"{sum(s.predicted for s in states)} images predicted, "
        f"{sum(s.failed for s in states)} of them failed, "
        f"{sum(s.recent_rate(now) for s in states):.1f} images/s in the last minute"
    ]
    for state in [each for each in states if not each.is_done][:SHOWN]:
        lines.append(
            f"  {state.source or state.folder.uri}: {len(state.parts)} of {state.shards or '?'} "
            f"shards, {state.predicted} of {state.rows or '?'} images, {state.rate():.1f} images/s"
        )
    causes: Counter[str] = Counter()
    for state in states:
        causes.update(state.causes)
    lines += [f"  failed {count}: {cause}" for cause, count in causes.most_common(SHOWN)]
    if queues:
        said = ", ".join(f"{count} {what}" for what, count in queues["queue"].items())
        dead = queues["dead_letters"]
        lines.append(f"queue: {said}; {sum(dead.values())} dead letters")
        lines += [f"  {count}: {reason}" for reason, count in list(dead.items())[:SHOWN]]
    return lines
