"""The function on queues and a store that speak AWS (moto)."""

from __future__ import annotations

import json

import pytest

from zooassist_serving.batch import aws_lambda
from zooassist_serving.batch.aws_lambda import work_on_records
from zooassist_serving.batch.config import TEXT_VARIABLE
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.queues import Queue
from zooassist_serving.batch.results import read_results


class Clock:
    """What Lambda tells of the time that is left."""

    def __init__(self, *milliseconds):
        self.left = list(milliseconds)

    def get_remaining_time_in_millis(self):
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


@pytest.fixture
def function(moto, bucket, queues, tiny_folder, monkeypatch):
    queue, dead = queues
    monkeypatch.setenv(
        TEXT_VARIABLE,
        f"""[batch]
queue = "{queue}"
dead_letters = "{dead}"
endpoint_url = "{moto}"
queue_endpoint_url = "{moto}"
attempts = 3
threads = 1
[[batch.route]]
from = "s3://{bucket}/in/"
to = "s3://{bucket}/out/"
model = "{tiny_folder.path}"
""",
    )
    aws_lambda._opened.cache_clear()
    yield aws_lambda.handler
    _, _, tools = aws_lambda._opened()
    tools.models.__exit__(None, None, None)
    tools.fetching.__exit__(None, None, None)
    aws_lambda._opened.cache_clear()


def record(body, number=0, attempt=1):
    return {
        "messageId": f"m{number}",
        "receiptHandle": f"h{number}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(attempt)},
    }


def test_good_messages_are_deleted_and_bad_ones_come_again(
    function, moto, s3, bucket, queues, make_png, make_event
):
    s3.put_object(Bucket=bucket, Key="in/a b.png", Body=make_png(9))
    bodies = [
        make_event(bucket, "in/a b.png"),
        json.dumps({"Event": "s3:TestEvent"}),
        "hello",
        make_event("nowhere-at-all-here", "in/x.png", "e"),
    ]
    answer = function({"Records": [record(b, n) for n, b in enumerate(bodies)]}, Clock(60_000))
    assert answer == {"batchItemFailures": []}, "no route takes the last one"
    _, _, tools = aws_lambda._opened()
    [row] = read_results(tools.store, Place(bucket, "out/")).to_pylist()
    assert row["image"] == f"s3://{bucket}/in/a b.png"
    [letter] = Queue(queues[1], moto).all_of()
    assert letter.body == "hello"
    assert "look who else" in letter.attributes["reason"]


def test_what_the_time_does_not_allow_comes_again(function, s3, bucket, make_png, make_event):
    s3.put_object(Bucket=bucket, Key="in/a.png", Body=make_png(9))
    records = [record(make_event(bucket, "in/a.png"), n) for n in range(3)]
    answer = function({"Records": records}, Clock(4_000))
    assert [each["itemIdentifier"] for each in answer["batchItemFailures"]] == ["m0", "m1", "m2"]


def test_no_records_is_no_failure(function):
    assert function({}, Clock(60_000)) == {"batchItemFailures": []}


def test_trouble_fails_its_message_alone_and_the_last_try_is_buried(
    function, moto, s3, bucket, queues, make_png, make_event
):
    from dataclasses import replace

    from zooassist_serving.batch.stores.opening import Stores
    from zooassist_serving.batch.stores.s3 import S3Options

    queue, dead, tools = aws_lambda._opened()
    nobody = Stores(lambda: S3Options(endpoint_url="http://127.0.0.1:9"))
    broken = replace(tools, store=nobody)
    bodies = [record(make_event(bucket, "in/a.png"), 0, 1), record("{}", 1, 1)]
    answer = work_on_records(bodies, Clock(60_000), queue, dead, broken)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    last = [record(make_event(bucket, "in/a.png"), 0, 3)]
    assert work_on_records(last, Clock(60_000), queue, dead, broken) == {"batchItemFailures": []}
    reasons = [letter.attributes["reason"] for letter in Queue(queues[1], moto).all_of()]
    assert any("no answer" in reason for reason in reasons)
