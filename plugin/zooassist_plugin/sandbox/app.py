"""How is one sandbox put together? Tables, CORS, problems and the routes of both halves."""

from __future__ import annotations

from flask import Flask

from zooassist_plugin.sandbox import caesar
from zooassist_plugin.sandbox.config import SandboxConfig
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.cors import register_cors
from zooassist_plugin.sandbox.panoptes import routes as panoptes
from zooassist_plugin.sandbox.panoptes.accounts import ensure_accounts
from zooassist_plugin.sandbox.panoptes.media import LARGEST_UPLOAD
from zooassist_plugin.sandbox.problems import register_problem_handlers
from zooassist_plugin.sandbox.table_base import Base


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
    https = config.public_url.startswith("https:")
    app.config.update(
        MAX_CONTENT_LENGTH=LARGEST_UPLOAD,
        SESSION_COOKIE_NAME="_Panoptes_session",
        # The classifier's page is another origin: browsers send the cookie there only so.
        SESSION_COOKIE_SAMESITE="None" if https else "Lax",
        SESSION_COOKIE_SECURE=https,
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
