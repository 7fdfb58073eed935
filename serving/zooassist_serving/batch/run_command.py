"""`zooassist batch run`: predict a folder, a prefix, a manifest or an archive, once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
from pydantic import ValidationError

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import first_problem
from zooassist_plugin.progress import stages
from zooassist_serving.batch.assembling import check_outputs, open_tools
from zooassist_serving.batch.config import BatchConfig, Route, load_config
from zooassist_serving.batch.jobs import SHARD_ROWS
from zooassist_serving.batch.one_off import (
    RunOutcome,
    Share,
    failed_rows,
    finish_run,
    plan_run,
    run_shards,
)
from zooassist_serving.batch.processing import Tools

SHOWN_FAILURES: Final = 50


@click.command(
    epilog="""\b
Examples:
  zooassist batch run images/ --model galaxy-zoo --out predictions/
  zooassist batch run s3://survey/tonight/ --model galaxy-zoo --out s3://survey-predictions/
  zooassist batch run s3://survey/list.csv --model s3://models/next --out s3://survey-predictions/
  zooassist batch run cutouts.zip --model galaxy-zoo --out predictions/ --shard-rows 1000
  zooassist batch run s3://survey/list.csv --model galaxy-zoo --out s3://out/ --ray auto"""
)
@click.argument("source")
@click.option("--model", required=True, help="Model folder, bundled name, or s3:// folder.")
@click.option("--out", required=True, help="Folder or s3:// prefix; each job has its own below it.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings of stores and limits. Default: ./assist.toml, if it is there.",
)
@click.option(
    "--shard-rows",
    default=SHARD_ROWS,
    show_default=True,
    help="Images per shard: what a broken-off run does again.",
)
@click.option(
    "--failure-budget",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of a shard's images that may fail; a shard with more is not written.",
)
@click.option("--embedding", is_flag=True, help="Keep the model's features of every image.")
@click.option("--endpoint-url", help="Of an S3 other than AWS's.")
@click.option("--threads", type=click.IntRange(1), help="That predict. Default: all cores.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Where the graph runs.")
@click.option(
    "--array-index",
    type=click.IntRange(0),
    envvar="AWS_BATCH_JOB_ARRAY_INDEX",
    help="Do every n-th shard only, beginning with this one. Default: of the AWS Batch array job.",
)
@click.option(
    "--array-size",
    type=click.IntRange(1),
    envvar="AWS_BATCH_JOB_ARRAY_SIZE",
    help="How many runs share the shards.",
)
@click.option("--ray", metavar="ADDRESS", help="Predict on a Ray cluster (auto: the one here).")
@click.option("--ray-workers", type=click.IntRange(1), help="Ray workers. Default: one per core.")
def run(
    source: str,
    model: str,
    out: str,
    config: Path | None,
    shard_rows: int,
    failure_budget: float,
    embedding: bool,
    endpoint_url: str | None,
    threads: int | None,
    device: str | None,
    array_index: int | None,
    array_size: int | None,
    ray: str | None,
    ray_workers: int | None,
) -> None:
    """Predict SOURCE, a folder or s3:// prefix, or one image, manifest, archive, stack or volume.

    Shards are committed one by one: a run that was stopped goes on where it was, and several runs
    of the same SOURCE, on any machines, share the work without doing anything twice. The result
    counts when the job's _SUCCESS is there. Images that fail are rows with an error; then the exit
    code is 1.
    """
    settings = _settings(
        load_config(config),
        {
            "from": source,
            "model": model,
            "to": out,
            "shard_rows": shard_rows,
            "failure_budget": failure_budget,
            "embedding": embedding,
        },
        {"endpoint_url": endpoint_url, "threads": threads, "device": device},
    )
    if (array_index is None) != (array_size is None):
        raise BadInput("--array-index, --array-size: expected both or neither, got one")
    share = Share(array_index or 0, array_size or 1)
    check_outputs(settings)
    if ray is not None:
        from zooassist_serving.batch.ray_run import run_on_ray

        if share != Share():
            raise BadInput("--ray: shares the shards itself; leave out --array-index")
        outcome, tools = run_on_ray(settings, ray, ray_workers)
    else:
        outcome, tools = _run_here(settings, share)
    _say(outcome, tools, share)


def _settings(config: BatchConfig, route: dict[str, Any], changes: dict[str, Any]) -> BatchConfig:
    """Return the settings with one route, and with what a person may read."""
    given = {key: value for key, value in changes.items() if value is not None}
    try:
        made = Route.model_validate(route)
    except ValidationError as error:
        raise BadInput(f"batch run: {first_problem(error)}") from error
    return config.model_copy(update=given | {"routes": (made,), "reads_anything": True})


def _run_here(settings: BatchConfig, share: Share) -> tuple[RunOutcome, Tools]:
    tools = open_tools(settings, _send_nothing)
    [route] = settings.routes
    with tools.models, tools.fetching:
        run = plan_run(route, tools)
        with stages() as show:
            rows, failures = run_shards(run, tools, share.of(run.plan), show)
        success = finish_run(run, tools)
    return RunOutcome(success, rows, failures), tools


def _say(outcome: RunOutcome, tools: Tools, share: Share) -> None:
    for failure in outcome.failures:
        click.echo(f"error: {failure}", err=True)
    if outcome.success is None:
        if not outcome.failures and share.size > 1:
            click.echo(f"{outcome.rows} images predicted; other runs have parts to do yet")
            return
        click.echo(f"{outcome.rows} images predicted; the job is not finished", err=True)
        sys.exit(1)
    success = outcome.success
    if success.failed:
        for line in islice(failed_rows(success, tools), SHOWN_FAILURES):
            click.echo(f"error: {line}", err=True)
        if success.failed > SHOWN_FAILURES:
            more = success.failed - SHOWN_FAILURES
            click.echo(f"note: and {more} more; see `zooassist batch status`", err=True)
    if success.content["duplicates"]:
        click.echo(f"note: {success.content['duplicates']} repeated rows were left out", err=True)
    if outcome.rows < success.rows:
        click.echo(f"{success.rows - outcome.rows} of them by another run")
    good = success.rows - success.failed
    click.echo(f"{success.folder.uri}: {good} of {success.rows} images predicted")
    if success.failed:
        sys.exit(1)


def _send_nothing(bodies: Sequence[str]) -> None:
    """There is no queue: shards are worked on where they are planned."""
