"""Which doors for other systems does `zooassist serve` open? Their options, as one record."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import click
from flask import Blueprint

from zooassist_plugin.errors import BadInput
from zooassist_plugin.presenters import PRESENTERS
from zooassist_plugin.settings import Settings
from zooassist_serving.http.caesar.door import check_secret
from zooassist_serving.http.caesar.opening import CaesarOptions, check_login, open_caesar_door
from zooassist_serving.http.context import Context
from zooassist_serving.http.kserve.door import kserve_routes
from zooassist_serving.http.label_studio.addresses import TaskImages, check_label_studio_url
from zooassist_serving.http.label_studio.door import label_studio_routes

Door = Callable[[Context], Blueprint]


@dataclass(frozen=True)
class DoorOptions:
    """What an operator says of these doors; secrets are left out of `repr`."""

    caesar: CaesarOptions | None = None
    label_studio_url: str | None = None
    label_studio_token: str | None = field(default=None, repr=False)

    def check(self, settings: Settings) -> None:
        """Refuse what would fail in every worker.

        Raises
        ------
        BadInput
        """
        if self.caesar is not None:
            check_login(settings)

    def open(
        self, settings: Settings, ledger: str, limits: tuple[int, int], stack: ExitStack
    ) -> Sequence[Door]:
        """Return the groups of routes of a worker.

        Parameters
        ----------
        limits : (int, int)
            Bytes, and pixels, of an image.
        stack : ExitStack
            Closes what was opened, at the end of the process.
        """
        max_body, max_pixels = limits

        def kserve(context: Context) -> Blueprint:
            return kserve_routes(context.plane, max_pixels)

        def label_studio(context: Context) -> Blueprint:
            images = TaskImages(
                context.fetcher, max_body, self.label_studio_url, self.label_studio_token
            )
            return label_studio_routes(context.plane, images)

        doors: list[Door] = [kserve, label_studio]
        if self.caesar is not None:
            doors.append(open_caesar_door(self.caesar, settings, ledger, stack))
        return doors

    def addresses(self, base: str, models: Sequence[str]) -> list[str]:
        """Return the addresses that an operator gives Caesar; they hold the secret."""
        if self.caesar is None:
            return []
        root = f"{base}/caesar/{self.caesar.secret}"
        return [f"{root}/extractors/edits", *(f"{root}/reducers/{name}" for name in models)]


def _read_map(
    context: click.Context, option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Read ``--map T0.0.0=smooth-or-featured``."""
    pairs = {}
    for value in values:
        task, equals, question = value.partition("=")
        if not equals or not task or not question:
            raise click.BadParameter(f"expected TASK=QUESTION, got {value!r}")
        pairs[task] = question
    return pairs


def door_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, and give the command one argument `doors` for them."""

    @functools.wraps(command)
    def with_doors(
        *,
        caesar_workflows: tuple[int, ...],
        caesar_secret: str | None,
        caesar_presenter: str | None,
        overrides: dict[str, str],
        label_studio_url: str | None,
        label_studio_token: str | None,
        **rest: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        caesar = None
        if caesar_workflows:
            secret = caesar_secret or secrets.token_urlsafe(24)
            check_secret(secret)
            caesar = CaesarOptions(secret, caesar_workflows, caesar_presenter, overrides)
        elif caesar_presenter or overrides:
            raise BadInput("--caesar-presenter and --map: expected --caesar-workflow with them")
        if label_studio_url is not None:
            check_label_studio_url(label_studio_url)
        doors = DoorOptions(caesar, label_studio_url, label_studio_token)
        return command(doors=doors, **rest)

    options = (
        click.option(
            "--caesar-workflow",
            "caesar_workflows",
            multiple=True,
            type=click.IntRange(1),
            help="Answer Caesar about this workflow; may be repeated. See docs/doors.md.",
        ),
        click.option(
            "--caesar-secret",
            envvar="ZOOASSIST_CAESAR_SECRET",
            help="Part of Caesar's addresses. Default: a new one, printed at start.",
        ),
        click.option(
            "--caesar-presenter",
            type=click.Choice(list(PRESENTERS)),
            help="Default: masks for a model that outlines, else subtasks.",
        ),
        click.option(
            "--map",
            "overrides",
            multiple=True,
            metavar="TASK=QUESTION",
            callback=_read_map,
            help="Caesar: the model's question for a subtask in other words.",
        ),
        click.option(
            "--label-studio-url",
            metavar="URL",
            help="Fetch files that were uploaded to this Label Studio.",
        ),
        click.option(
            "--label-studio-token",
            envvar="LABEL_STUDIO_API_KEY",
            help="Its access token, sent to that address only.",
        ),
    )
    made: Callable[..., Any] = with_doors
    for option in reversed(options):
        made = option(made)
    return made
