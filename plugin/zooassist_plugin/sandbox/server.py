"""How does a sandbox run? Threads for requests, one worker for jobs, stopped cleanly."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

from flask import Flask
from waitress import wasyncore
from waitress.server import create_server

from zooassist_plugin.errors import BadInput
from zooassist_plugin.sandbox.app import create_app
from zooassist_plugin.sandbox.config import SandboxConfig
from zooassist_plugin.sandbox.context import Sandbox

THREADS = 16
CONNECTIONS = 1000


class SandboxOptions(TypedDict, total=False):
    """The fields of `SandboxConfig` that a caller of `running_sandbox` may set."""

    database_url: str
    clock: Callable[[], datetime]
    token_lifetime: int
    upload_lifetime: int
    export_interval: int
    export_delay: float
    subject_limit: int
    callback_timeout: float
    retry_scale: float


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that answers at `url` (Panoptes and Caesar alike) until its context ends."""

    url: str
    sandbox: Sandbox


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise BadInput(
            f"{host}:{port}: cannot listen there ({error.strerror}); "
            "choose another --port or --host"
        ) from error
    return listener


class _HttpServer:
    """Waitress in a background thread, which it cannot end by itself."""

    def __init__(self, app: Flask, listener: socket.socket) -> None:
        self._sockets: dict[int, Any] = {}
        # A burst of requests waits in a queue, which is no news: it would be a line for each.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._server = create_server(
            app,
            map=self._sockets,
            sockets=[listener],
            threads=THREADS,
            connection_limit=CONNECTIONS,
            # A TLS proxy's X-Forwarded-For says who the volunteer is.
            clear_untrusted_proxy_headers=False,
        )
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sandbox-http", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def _loop(self) -> None:
        while not self._ending.is_set():
            wasyncore.loop(timeout=1.0, use_poll=True, map=self._sockets, count=1)

    def stop(self) -> None:
        """Finish the requests in hand, then close every socket from this thread."""
        self._server.task_dispatcher.shutdown()
        self._ending.set()
        self._server.pull_trigger()
        self._thread.join()
        wasyncore.close_all(self._sockets, ignore_all=True)


@contextmanager
def opened_sandbox(
    state: Path, *, public_url: str = "", **options: Unpack[SandboxOptions]
) -> Iterator[Sandbox]:
    """Open a state folder without listening or running jobs: for seeding."""
    app = create_app(SandboxConfig(state, public_url or "http://127.0.0.1", **options))
    sandbox: Sandbox = app.extensions["sandbox"]
    try:
        yield sandbox
    finally:
        sandbox.store.close()


@contextmanager
def running_sandbox(
    state: Path,
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    public_url: str = "",
    **options: Unpack[SandboxOptions],
) -> Iterator[RunningSandbox]:
    """Run a sandbox in background threads for the length of a ``with`` block.

    Parameters
    ----------
    state : Path
        Its state folder; made when missing, continued when not.
    port : int
        0 takes a free one.
    public_url : str
        Address in handed-out URLs; defaults to the one listened on.
    options : keyword arguments
        Further fields of `SandboxConfig`.

    Raises
    ------
    BadInput
        When the port is taken.
    """
    state.mkdir(parents=True, exist_ok=True)
    listener = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{listener.getsockname()[1]}"
    try:
        app = create_app(SandboxConfig(state, public_url or url, url, **options))
    except BaseException:
        listener.close()
        raise
    sandbox: Sandbox = app.extensions["sandbox"]
    server = _HttpServer(app, listener)
    server.start()
    sandbox.jobs.start()
    try:
        yield RunningSandbox(url, sandbox)
    finally:
        # Jobs first: the one in hand may still be fetching from this very server.
        sandbox.jobs.stop()
        server.stop()
        sandbox.store.close()
