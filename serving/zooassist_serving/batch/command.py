"""The command `zooassist batch`: images that land in a store are predicted."""

from __future__ import annotations

import click

from zooassist_serving.batch.redrive_command import redrive
from zooassist_serving.batch.report_command import report
from zooassist_serving.batch.run_command import run
from zooassist_serving.batch.status_command import status
from zooassist_serving.batch.tell_command import tell
from zooassist_serving.batch.worker_command import worker


@click.group()
def batch() -> None:
    """Predict what lands in a bucket or folder; nothing is lost, nothing is done twice."""


for each in (run, worker, tell, status, redrive, report):
    batch.add_command(each)
