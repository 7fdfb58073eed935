"""Requests and answers of the application, without a network between."""

from __future__ import annotations

import http.server
import threading

import pytest

from zooassist_serving.dataplane import DataPlane


@pytest.fixture(scope="module")
def plane(tiny_folder, sampled_folder, values_folder):
    made = DataPlane([tiny_folder, sampled_folder, values_folder], threads=1)
    made.warm_up()
    return made


@pytest.fixture(scope="session")
def check_problem():
    def _check(response, status: int, words: str) -> None:
        assert response.status_code == status, response.get_data(as_text=True)
        assert response.content_type == "application/problem+json"
        body = response.get_json(force=True)
        assert body["status"] == status
        assert body["type"] == "about:blank"
        assert words in body["detail"]
        assert "\n" not in body["detail"]
        assert "Traceback" not in body["detail"]

    return _check


@pytest.fixture
def media(png):
    """A host that serves one image, a redirect to it, and 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path.endswith("a.png"):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(png("red"))
            elif self.path == "/moved.png":
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.1:9/secret")
                self.end_headers()
            else:
                self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()
