"""A real S3 server (Ceph): signatures, conditional writes, versions, and its push notifications."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import botocore.auth
import pytest
import requests
from botocore.config import Config
from ceph_gateway import ceph_gateway, missing_programs

from zooassist_plugin.errors import Refused
from zooassist_serving.batch.assembling import open_tools
from zooassist_serving.batch.config import BatchConfig
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.processing import handle
from zooassist_serving.batch.results import read_results
from zooassist_serving.batch.stores.s3 import S3Options, S3Store, check_conditional_writes
from zooassist_serving.batch.stores.store import ObjectProblem

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(missing_programs()),
        reason=f"needs Debian's ceph-mon ceph-osd radosgw ceph-common: no {missing_programs()}",
    ),
]


@pytest.fixture(scope="module")
def ceph(tmp_path_factory, credentials):
    # Sockets have short names only.
    folder = tmp_path_factory.mktemp("c")
    with ceph_gateway(folder) as gateway, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", gateway.access_key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", gateway.secret_key)
        client = boto3.client(
            "s3",
            endpoint_url=gateway.url,
            aws_access_key_id=gateway.access_key,
            aws_secret_access_key=gateway.secret_key,
            config=Config(
                s3={"addressing_style": "path"}, request_checksum_calculation="when_required"
            ),
        )
        client.create_bucket(Bucket="survey")
        yield gateway, client


@pytest.fixture
def store(ceph):
    return S3Store(S3Options(endpoint_url=ceph[0].url))


def test_it_writes_once(store):
    check_conditional_writes(store, Place("survey", "out/"))
    place, won = Place("survey", "out/part"), []

    def write(number):
        if store.put_new(place, bytes([number]), {"rows": "1"}):
            won.append(number)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(won) == 1
    assert store.read(Seen(place), 10) == bytes(won)


def test_the_state_that_was_seen_is_what_is_read(ceph, store):
    _, s3 = ceph
    place = Place("survey", "a b+é%20.png")
    etag = s3.put_object(Bucket="survey", Key=place.key, Body=b"old")["ETag"].strip('"')
    assert store.read(Seen(place, etag), 10) == b"old"
    s3.put_object(Bucket="survey", Key=place.key, Body=b"new")
    with pytest.raises(ObjectProblem) as caught:
        store.read(Seen(place, etag), 10)
    assert caught.value.trouble == "changed"
    s3.delete_object(Bucket="survey", Key=place.key)
    with pytest.raises(ObjectProblem) as caught:
        store.read(Seen(place), 10)
    assert caught.value.trouble == "gone"


def test_presigned_reads_hold_for_their_time_and_their_object(store):
    place = Place("survey", "signed")
    store.put_new(place, b"x", {})
    url = store.presign(place, 2)
    assert requests.get(url, timeout=10).content == b"x"
    assert requests.get(url.replace("signed?", "other?"), timeout=10).status_code == 403
    time.sleep(3)
    assert requests.get(url, timeout=10).status_code == 403


def test_wrong_keys_stop_the_work(ceph, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "w" * 40)
    wrong = S3Store(S3Options(endpoint_url=ceph[0].url))
    with pytest.raises(Refused, match="does not know these credentials"):
        wrong.read(Seen(Place("survey", "out/part")), 10)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody-known-here-00")
    unknown = S3Store(S3Options(endpoint_url=ceph[0].url))
    with pytest.raises(Refused, match="does not know these credentials"):
        unknown.read(Seen(Place("survey", "out/part")), 10)


def test_a_clock_that_is_wrong_stops_the_work(store, monkeypatch):
    real = botocore.auth.get_current_datetime

    def an_hour_ago(*arguments, **options):
        return real(*arguments, **options) - timedelta(hours=1)

    monkeypatch.setattr(botocore.auth, "get_current_datetime", an_hour_ago)
    with pytest.raises(Refused, match="clock"):
        list(store.list(Place("survey", "out/")))


def test_its_own_notifications_are_understood(ceph, store, tiny_folder, make_png):
    gateway, s3 = ceph
    told: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        sns = boto3.client(
            "sns",
            endpoint_url=gateway.url,
            region_name="default",
            aws_access_key_id=gateway.access_key,
            aws_secret_access_key=gateway.secret_key,
        )
        push = f"http://127.0.0.1:{server.server_address[1]}"
        topic = sns.create_topic(Name="told", Attributes={"push-endpoint": push})["TopicArn"]
        s3.put_bucket_notification_configuration(
            Bucket="survey",
            NotificationConfiguration={
                "TopicConfigurations": [
                    {"Id": "told", "TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}
                ]
            },
        )
        key = "in/a b+é%20.png"
        s3.put_object(Bucket="survey", Key=key, Body=make_png(9))
        deadline = time.monotonic() + 20
        while not told and time.monotonic() < deadline:
            time.sleep(0.05)
        server.shutdown()
        thread.join()
    assert told, "Ceph pushed nothing"
    config = BatchConfig.model_validate(
        {
            "endpoint_url": gateway.url,
            "threads": 1,
            "route": [
                {"from": "s3://survey/in/", "to": "s3://survey/o/", "model": str(tiny_folder.path)}
            ],
        }
    )
    tools = open_tools(config, list)
    with tools.models, tools.fetching:
        outcome = handle(told[0], tools, lambda: None)
        assert (outcome.rows, outcome.failed) == (1, 0)
        [row] = read_results(tools.store, Place("survey", "o/")).to_pylist()
    assert row["image"] == f"s3://survey/{key}"
    assert row["error"] is None
