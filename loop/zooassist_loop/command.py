"""The command `zooassist loop`: what happens between people and machine."""

from __future__ import annotations

import click

from zooassist_loop.effort_command import effort
from zooassist_loop.slices_command import slices


@click.group()
def loop() -> None:
    """Choose what to ask, and account for the effort."""


loop.add_command(slices)
loop.add_command(effort)
