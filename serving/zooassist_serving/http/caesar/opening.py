"""Who do Caesar's doors talk to, and with which login? Opened once per process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from flask import Blueprint

from zooassist_plugin.caesar import Caesar
from zooassist_plugin.errors import BadInput
from zooassist_plugin.panoptes import connect
from zooassist_plugin.proposal_keeping import open_keeper
from zooassist_plugin.settings import Settings
from zooassist_serving.http.caesar.door import CaesarDoor, caesar_routes
from zooassist_serving.http.caesar.platform import Platform
from zooassist_serving.http.caesar.read_back import ReadBack
from zooassist_serving.http.caesar.reducing import ProposingReducer
from zooassist_serving.http.context import Context


@dataclass(frozen=True)
class CaesarOptions:
    """What an operator says of Caesar's doors.

    Attributes
    ----------
    secret : str
        Part of the addresses; left out of `repr`.
    presenter : str or None
        The one that suits the model by default.
    overrides : mapping
        Task key -> the model's question.
    """

    secret: str = field(repr=False)
    workflows: tuple[int, ...]
    presenter: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)


def check_login(settings: Settings) -> None:
    """Refuse to open the doors without a login: extracts are shown to a project's people only.

    Raises
    ------
    BadInput
    """
    if not settings.has_login:
        raise BadInput(
            "--caesar-workflow: what Caesar says is read back with a login, and there is none; set "
            "PANOPTES_USERNAME and PANOPTES_PASSWORD of an owner or collaborator of the project"
        )


def open_caesar_door(
    options: CaesarOptions, settings: Settings, ledger: str, stack: ExitStack
) -> Callable[[Context], Blueprint]:
    """Log in, open the ledger, and return the group of routes.

    Parameters
    ----------
    stack : ExitStack
        Closes what was opened, at the end of the process.

    Raises
    ------
    Refused
        When Panoptes does not take the login.
    """
    check_login(settings)
    panoptes = stack.enter_context(connect(settings))
    caesar = stack.enter_context(Caesar(settings, panoptes))
    keeper = stack.enter_context(open_keeper(ledger))
    read_back = ReadBack(caesar, keeper)
    stack.callback(read_back.close)

    def routes(context: Context) -> Blueprint:
        reducer = ProposingReducer(
            platform=Platform(panoptes, caesar),
            fetch=context.fetcher.fetch_later,
            keeper=keeper,
            read_back=read_back,
            presenter=options.presenter,
            overrides=options.overrides,
        )
        door = CaesarDoor(options.secret, frozenset(options.workflows), reducer)
        return caesar_routes(door, context.plane)

    return routes
