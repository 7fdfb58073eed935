"""The command `zooassist loop`: what happens between people and machine."""

from __future__ import annotations

import click

from zooassist_loop.audit_command import audit
from zooassist_loop.effort_command import effort
from zooassist_loop.simulate_command import simulate
from zooassist_loop.slices_command import slices


@click.group()
def loop() -> None:
    """Choose what to ask, account for the effort, and try it out on known volumes."""


loop.add_command(slices)
loop.add_command(audit)
loop.add_command(effort)
loop.add_command(simulate)
