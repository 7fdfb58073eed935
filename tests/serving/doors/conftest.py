"""A server of doors on 127.0.0.1, for clients that speak HTTP themselves."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from werkzeug.serving import make_server

from zooassist_serving.dataplane import DataPlane
from zooassist_serving.http.app import create_app

TOKEN = "a-token-that-only-the-test-knows"


@contextmanager
def serving(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def serve():
    return serving


@pytest.fixture(scope="module")
def plane(tiny_folder, values_folder, tmp_path_factory):
    from mask_model import mask_folder

    masks = mask_folder(tmp_path_factory.mktemp("masks") / "colours")
    made = DataPlane([tiny_folder, values_folder, masks], threads=1)
    made.warm_up()
    return made


@pytest.fixture(scope="module")
def make_app(plane):
    """Blueprints -> an application with them, behind the token."""

    def _make(*blueprints, token=TOKEN, of=plane):
        app = create_app(of, token=token)
        for blueprint in blueprints:
            app.register_blueprint(blueprint)
        return app

    return _make


@pytest.fixture(scope="session")
def bearer():
    return {"Authorization": f"Bearer {TOKEN}"}
