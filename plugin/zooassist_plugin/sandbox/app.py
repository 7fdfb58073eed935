"""How is one sandbox put together? Tables, CORS, problems and the routes of both halves."""

from __future__ import annotations

from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from zooassist_plugin.sandbox import caesar
from zooassist_plugin.sandbox.addresses import is_secure_request
from zooassist_plugin.sandbox.config import SandboxConfig
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.cors import register_cors
from zooassist_plugin.sandbox.panoptes import routes as panoptes
from zooassist_plugin.sandbox.panoptes.accounts import ensure_accounts
from zooassist_plugin.sandbox.panoptes.media import LARGEST_UPLOAD
from zooassist_plugin.sandbox.problems import register_problem_handlers
from zooassist_plugin.sandbox.table_base import Base


class _SessionCookie(SecureCookieSessionInterface):
    """The login cookie, for browsers behind a TLS proxy and for scripts on plain HTTP alike."""

    def __init__(self, config: SandboxConfig) -> None:
        self._config = config

    def get_cookie_secure(self, app: Flask) -> bool:
        """Ask for TLS where there is some: a script could not return such a cookie over HTTP."""
        return is_secure_request(self._config)

    def get_cookie_samesite(self, app: Flask) -> str:
        """Let browsers send the cookie from the classifier's page, which is another origin."""
        return "None" if is_secure_request(self._config) else "Lax"


def create_app(config: SandboxConfig) -> Flask:
    """Open the state of `config` and return the app; ``app.extensions["sandbox"]`` is the Sandbox.

    Nothing runs in the background until ``sandbox.jobs.start()`` (the server does that).
    """
    sandbox = Sandbox.open(config)
    app = Flask("zooassist-sandbox", static_folder=None)
    app.extensions["sandbox"] = sandbox
    app.secret_key = sandbox.keys.secret
    # Task keys and answers are ordered; Flask would sort them.
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.strict_slashes = False
    # A double slash is no other page; Flask would redirect, and to plain http behind a proxy.
    app.url_map.merge_slashes = False
    app.session_interface = _SessionCookie(config)
    app.config.update(
        MAX_CONTENT_LENGTH=LARGEST_UPLOAD,
        SESSION_COOKIE_NAME="_Panoptes_session",
    )
    register_cors(app)
    register_problem_handlers(app)
    for blueprint in [*panoptes.blueprints(sandbox), *caesar.blueprints(sandbox)]:
        app.register_blueprint(blueprint)
    panoptes.register_jobs(sandbox)
    caesar.register_jobs(sandbox)
    sandbox.store.create_tables(Base)
    with sandbox.store.session() as session:
        ensure_accounts(session, config.clock())
    return app
