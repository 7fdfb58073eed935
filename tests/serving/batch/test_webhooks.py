import json

import pytest
from scripted_server import scripted_server

from zooassist_plugin.errors import BadInput, Refused
from zooassist_serving.batch.committing import Success
from zooassist_serving.batch.config import Webhook
from zooassist_serving.batch.next_steps.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, verify
from zooassist_serving.batch.next_steps.webhooks import post_webhook
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.stores.opening import Stores

SUCCESS = Success(
    {
        "job": "0123456789abcdef",
        "source": {"uri": "s3://survey/m.csv", "etag": "e", "version": ""},
        "model": {"name": "tiny", "version": "1"},
        "rows": 3,
        "failed": 1,
        "parts": [],
    },
    Place("out", "m.csv-0123"),
)
ENVIRON = {"ZOOASSIST_WEBHOOK_SECRET": "secret"}


def post(url, environ=ENVIRON):
    post_webhook(Webhook(url=url), SUCCESS, Stores(), 1_700_000_000, environ)


def test_the_receiver_can_verify_what_it_gets(monkeypatch):
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    got = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        post(f"http://127.0.0.1:{server.server_address[1]}/done")
        thread.join()
    [(headers, body)] = got
    verify(b"secret", headers[TIMESTAMP_HEADER], body, headers[SIGNATURE_HEADER], 1_700_000_000)
    assert headers["Idempotency-Key"] == "0123456789abcdef"
    said = json.loads(body)
    assert (said["event"], said["rows"], said["failed"]) == ("batch.done", 3, 1)
    assert said["output"] == "s3://out/m.csv-0123"


@pytest.mark.parametrize("status", [302, 400, 500])
def test_a_receiver_that_does_not_take_it(status):
    with scripted_server([(status, b"")]) as (url, seen):
        with pytest.raises(Refused, match=f"got {status}"):
            post(url)
        assert seen == ["POST"]


def test_nobody_there():
    with pytest.raises(Refused, match="did not answer"):
        post("http://127.0.0.1:9/done")


def test_without_a_secret_nothing_is_sent():
    with pytest.raises(BadInput, match="ZOOASSIST_WEBHOOK_SECRET"):
        post("http://127.0.0.1:9/done", {})
