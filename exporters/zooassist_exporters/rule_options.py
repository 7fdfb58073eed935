"""How does the command line ask which classifications count?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec

import click

from zooassist_exporters.rules import REPEATS, Rules
from zooassist_exporters.version_ranges import VersionRanges
from zooassist_plugin.errors import BadInput

P = ParamSpec("P")

OPTIONS: Final = (
    click.option("--workflow-id", type=int, help="Count this workflow only."),
    click.option(
        "--repeats",
        type=click.Choice(REPEATS),
        default="first",
        show_default=True,
        help="Which classifications of one volunteer on one subject count.",
    ),
    click.option("--gold-standard", is_flag=True, help="Count experts' gold standard too."),
    click.option("--live-only", is_flag=True, help="Leave out what was made before the launch."),
    click.option(
        "--not-seen-before",
        is_flag=True,
        help="Leave out what the platform marked as seen before by the volunteer.",
    ),
    click.option("--retired-only", is_flag=True, help="Count retired subjects only."),
    click.option("--from", "since", metavar="DATE", help="Count what was made from DATE on (UTC)."),
    click.option("--to", "until", metavar="DATE", help="Count what was made up to and on DATE."),
    click.option("--versions", metavar="LIST", help="Workflow versions: 28.*, 27.1-28.30, 12.10."),
    click.option(
        "--exclude-user",
        "excluded",
        multiple=True,
        metavar="USER",
        help="Leave out this volunteer (name or id); @FILE for a list, one per line.",
    ),
    click.option(
        "--min-classifications",
        type=click.IntRange(min=1),
        help="Leave out subjects with fewer classifications.",
    ),
    click.option(
        "--max-classifications",
        type=click.IntRange(min=1),
        help="Count the first N classifications of each subject.",
    ),
    click.option("--part", metavar="K/N", help="Count the K-th of N parts of the subjects."),
    click.option(
        "--survey-answers",
        is_flag=True,
        help="Also make a question of each survey question about each choice.",
    ),
    click.option(
        "--map",
        "names",
        multiple=True,
        metavar="TASK=NAME",
        help="Name a question: T0.0.0=smooth-or-featured.",
    ),
    click.option(
        "--reworded",
        multiple=True,
        metavar="TASK",
        help="The question of this task was only reworded between versions.",
    ),
)


def rule_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Rules`; it gets them as the argument `rules`."""

    @wraps(command)
    def with_rules(
        *args: object,
        workflow_id: int | None,
        repeats: Any,  # noqa: ANN401 - click.Choice made sure of it
        gold_standard: bool,
        live_only: bool,
        not_seen_before: bool,
        retired_only: bool,
        since: str | None,
        until: str | None,
        versions: str | None,
        excluded: tuple[str, ...],
        min_classifications: int | None,
        max_classifications: int | None,
        part: str | None,
        survey_answers: bool,
        names: tuple[str, ...],
        reworded: tuple[str, ...],
        **others: object,
    ) -> None:
        rules = Rules(
            workflow_id=workflow_id,
            repeats=repeats,
            gold_standard=gold_standard,
            live_only=live_only,
            seen_before=not not_seen_before,
            retired_only=retired_only,
            since=None if since is None else _moment("--from", since)[0],
            before=None if until is None else _moment("--to", until)[1],
            versions=None if versions is None else VersionRanges.parse(versions),
            excluded_users=_users(excluded),
            min_classifications=min_classifications,
            max_classifications=max_classifications,
            part=None if part is None else _part(part),
            survey_answers=survey_answers,
            names=_names(names),
            reworded=frozenset(reworded),
        )
        command(*args, rules=rules, **others)

    for option in reversed(OPTIONS):
        with_rules = option(with_rules)
    return with_rules


def _moment(option: str, text: str) -> tuple[datetime, datetime]:
    """Read a day or a moment (UTC unless it says otherwise): when it begins, and when it is over.

    Examples
    --------
    >>> [str(each) for each in _moment("--to", "2026-06-01")]
    ['2026-06-01 00:00:00+00:00', '2026-06-02 00:00:00+00:00']
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(
            f"{option}: expected a date such as 2026-06-01 or 2026-06-01T10:00, got {text!r}"
        ) from None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
    whole_day = len(text) <= len("2026-06-01")
    return found, found + (timedelta(days=1) if whole_day else timedelta(microseconds=1))


def _users(entries: tuple[str, ...]) -> frozenset[str]:
    found: set[str] = set()
    for entry in entries:
        if not entry.startswith("@"):
            found.add(entry)
            continue
        try:
            lines = Path(entry[1:]).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise BadInput(f"--exclude-user {entry}: cannot read it: {error.strerror}") from error
        found.update(line.strip() for line in lines if line.strip())
    return frozenset(found)


def _part(text: str) -> tuple[int, int]:
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal()):
        raise BadInput(f"--part: expected K/N such as 1/4, got {text!r}")
    return int(number), int(count)


def _names(pairs: tuple[str, ...]) -> dict[str, str]:
    names = {}
    for pair in pairs:
        task, mark, name = pair.partition("=")
        if not (task and mark and name):
            raise BadInput(f"--map: expected TASK=NAME such as T0=smooth-or-featured, got {pair!r}")
        names[task] = name
    return names
