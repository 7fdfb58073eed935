"""How are checks shown? A table on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from zooassist_plugin.enable import Check

# The words of plain lines -> their marks in the table; "-" was not checked.
MARKS = {"ok": "[green]✓[/green]", "-": "[dim]-[/dim]", "FAIL": "[red]✗[/red]"}


def _word(check: Check) -> str:
    if not check.checked:
        return "-"
    return "ok" if check.passed else "FAIL"


def check_lines(checks: Sequence[Check]) -> list[str]:
    """Return one line per check; a failed one carries its remedy."""
    width = max((len(check.name) for check in checks), default=0)
    return [
        f"{_word(check):<4}  {check.name:<{width}}  {check.detail}"
        + ("" if check.passed else f"; {check.remedy}")
        for check in checks
    ]


def show_checks(checks: Sequence[Check], console: Console | None = None) -> None:
    """Print the checks."""
    console = console or Console()
    if not console.is_terminal:
        for line in check_lines(checks):
            click.echo(line)
        return
    table = Table("", "check", "found", "what to do")
    for check in checks:
        table.add_row(MARKS[_word(check)], check.name, check.detail, check.remedy)
    console.print(table)
