"""An AWS of this machine (moto): buckets and queues in memory."""

from __future__ import annotations

import io
import json
import logging
import threading
import uuid

import numpy as np
import pytest
from PIL import Image

boto3 = pytest.importorskip("boto3", reason="the batch needs zooassist[aws]")
server = pytest.importorskip("moto.server", reason="moto[server] is a tool of developers")


@pytest.fixture(scope="session", autouse=True)
def credentials():
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing-access-key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret-key")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session")
def moto(credentials):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto_server = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto_server.start()
    host, port = moto_server.get_host_and_port()
    yield f"http://{host}:{port}"
    moto_server.stop()


@pytest.fixture
def s3(moto):
    client = boto3.client("s3", endpoint_url=moto)
    yield client
    client.close()


@pytest.fixture
def bucket(s3):
    name = f"survey-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def queues(moto):
    """URLs of a queue and of its dead letters."""
    client = boto3.client("sqs", endpoint_url=moto)
    name = uuid.uuid4().hex[:12]
    dead = client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    policy = {"deadLetterTargetArn": arn["Attributes"]["QueueArn"], "maxReceiveCount": 50}
    queue = client.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy)})[
        "QueueUrl"
    ]
    yield queue, dead
    client.close()


def png(red: int, green: int = 0, blue: int = 0) -> bytes:
    target = io.BytesIO()
    Image.fromarray(np.full((16, 16, 3), (red, green, blue), dtype=np.uint8)).save(target, "PNG")
    return target.getvalue()


@pytest.fixture(scope="session")
def make_png():
    return png


def event(bucket, key, etag="", raw=False, **said):
    """An S3 event as AWS sends it."""
    from urllib.parse import quote_plus

    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": {"name": bucket},
            "object": {"key": key if raw else quote_plus(key, safe="/"), "eTag": etag} | said,
        },
    }
    return json.dumps({"Records": [record]})


@pytest.fixture(scope="session")
def make_event():
    return event


@pytest.fixture(autouse=True)
def no_thread_is_left_behind():
    before = {t for t in threading.enumerate() if t.name.startswith(("slot", "heartbeat"))}
    yield
    left = {t for t in threading.enumerate() if t.name.startswith(("slot", "heartbeat"))} - before
    assert not left
