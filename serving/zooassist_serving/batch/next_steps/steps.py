"""What does a route want when a job is done? Its steps, one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from zooassist_plugin.errors import Refused
from zooassist_serving.batch.committing import Now, Success
from zooassist_serving.batch.config import Route
from zooassist_serving.batch.jobs import SUCCESS, Job
from zooassist_serving.batch.next_steps.catalogues import write_catalogue
from zooassist_serving.batch.next_steps.webhooks import post_webhook
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.stores.store import Store

# Seconds: a step that takes longer is a job of its own.
LONGEST_STEP: Final = 3600.0
LAST_WORDS: Final = 300


def take_next_steps(success: Success, job: Job, route: Route, store: Store, now: Now) -> None:
    """Take the steps of a route; each may have been taken before, and bears that.

    Raises
    ------
    BadInput, Refused
        When one cannot be taken; those after it are not.
    """
    step = route.next
    if step.catalogue is not None:
        names = {"name": job.source.place.name, "job": job.folder.name}
        write_catalogue(success, Place.parse(step.catalogue.format(**names)), store)
    if step.propose is not None:
        # Its command lives in the room above this one.
        workflow, subjects = str(step.propose.workflow), str(step.propose.subject_set)
        command = [sys.executable, "-m", "zooassist_plugin.cli", "propose", workflow]
        run_step([*command, "--subject-set", subjects, "--model", route.model], success)
    if step.command:
        run_step(step.command, success)
    if step.webhook is not None:
        post_webhook(step.webhook, success, store, int(now().timestamp()))


def run_step(command: Sequence[str], success: Success) -> None:
    """Run a program that is told the job by its environment.

    Raises
    ------
    Refused
        When it cannot be started, fails, or does not end.
    """
    told = {
        "ZOOASSIST_JOB": str(success.content["job"]),
        "ZOOASSIST_SUCCESS": success.folder.child(SUCCESS).uri,
    }
    try:
        done = subprocess.run(
            list(command),
            env=os.environ | told,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST_STEP,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"{command[0]}: expected the step to be taken, got: {error}") from error
    if done.returncode:
        words = " ".join(done.stderr.decode("utf-8", "replace").split())[-LAST_WORDS:]
        raise Refused(f"{command[0]}: expected exit code 0, got {done.returncode} ({words})")
