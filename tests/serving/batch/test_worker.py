"""A worker on a queue and a store that speak AWS (moto)."""

from __future__ import annotations

import json
from collections import Counter

import boto3
import pytest
from click.testing import CliRunner
from unreliable_front import unreliable_front

from zooassist_plugin.errors import Refused
from zooassist_serving.batch.assembling import open_queues, open_tools
from zooassist_serving.batch.command import batch
from zooassist_serving.batch.config import BatchConfig
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.queues import Queue
from zooassist_serving.batch.results import read_results
from zooassist_serving.batch.worker import Worker


@pytest.fixture
def settings(moto, bucket, queues, tiny_folder):
    queue, dead = queues

    def make(**changes):
        route = {
            "from": f"s3://{bucket}/in/",
            "to": f"s3://{bucket}/out/",
            "model": str(tiny_folder.path),
            "shard_rows": 8,
        }
        return BatchConfig.model_validate(
            {
                "queue": queue,
                "dead_letters": dead,
                "endpoint_url": moto,
                "queue_endpoint_url": moto,
                "visibility": 6,
                "attempts": 3,
                "slots": 2,
                "downloads": 8,
                "threads": 2,
                "route": [route | changes.pop("route", {})],
            }
            | changes
        )

    return make


def run(config):
    queue, dead = open_queues(config)
    tools = open_tools(config, queue.send, "test")
    with tools.models, tools.fetching:
        return Worker(queue, dead, tools, until_empty=True).run()


def results(config):
    tools = open_tools(config, list)
    with tools.models, tools.fetching:
        return read_results(tools.store, Place.parse(config.routes[0].to))


def letters(url, moto):
    return [(m.body, m.attributes.get("reason", "")) for m in Queue(url, moto).all_of()]


def upload(s3, bucket, make_png, count):
    for number in range(count):
        s3.put_object(Bucket=bucket, Key=f"in/i/{number} +é.png", Body=make_png(number, 90))
    lines = "".join(f"i/{number} +é.png,{number}\n" for number in range(count))
    s3.put_object(Bucket=bucket, Key="in/m.csv", Body=f"image,subject_id\n{lines}".encode())


def test_a_bucket_that_tells_its_queue(moto, s3, bucket, queues, settings, make_png):
    queue, dead = queues
    arn = boto3.client("sqs", endpoint_url=moto).get_queue_attributes(
        QueueUrl=queue, AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    upload(s3, bucket, make_png, 6)
    config = settings(route={"shard_rows": 4})
    tally = run(config)
    # Each image has its own event, and the manifest names them again.
    assert (tally.rows, tally.failed, tally.buried) == (12, 0, 0)
    names = Counter(results(config)["image"].to_pylist())
    assert names == Counter({f"s3://{bucket}/in/i/{n} +é.png": 2 for n in range(6)})
    assert letters(dead, moto) == []


def test_messages_of_others_go_to_the_dead_letters_with_the_reason(
    moto, queues, settings, bucket, make_event
):
    queue, dead = queues
    Queue(queue, moto).send(["hello", '{"Event": "s3:TestEvent"}', make_event(bucket, "in/no.csv")])
    tally = run(settings())
    assert tally.buried == 2
    found = dict(letters(dead, moto))
    assert "look who else writes" in found["hello"]
    assert "deleted or never written" in found[make_event(bucket, "in/no.csv")]


def test_trouble_that_passes_is_waited_for(
    moto, s3, bucket, queues, settings, make_png, make_event
):
    s3.put_object(Bucket=bucket, Key="in/a.png", Body=make_png(1))
    Queue(queues[0], moto).send([make_event(bucket, "in/a.png", "")])
    asked = []

    def script(method, path, number):
        if "/in/" in path:
            asked.append(path)
        return "503" if "/in/" in path and len(asked) <= 9 else None

    with unreliable_front(moto, script) as (url, faults):
        tally = run(settings(endpoint_url=url, visibility=2, attempts=50))
    assert len(faults) == 9
    assert tally.retried > 0
    assert (tally.rows, tally.failed, tally.buried) == (1, 0, 0)


def test_trouble_that_does_not_pass_ends_with_the_dead_letters(
    moto, s3, bucket, queues, settings, make_png, make_event
):
    Queue(queues[0], moto).send([make_event(bucket, "in/a.png", "e")])

    def script(method, path, number):
        return "500" if "/in/" in path else None

    with unreliable_front(moto, script) as (url, _):
        tally = run(settings(endpoint_url=url, attempts=1))
    assert tally.buried == 1
    [(_, reason)] = letters(queues[1], moto)
    assert "busy" in reason


def test_a_bucket_that_is_not_there_stops_the_worker(moto, queues, settings, make_event):
    config = settings(route={"from": "s3://nowhere-at-all/in/"})
    Queue(queues[0], moto).send([make_event("nowhere-at-all", "in/a.png", "e")])
    with pytest.raises(Refused, match="no such bucket"):
        run(config)
    assert Queue(queues[0], moto).waiting() == 1, "the message is not lost"


def test_a_stopped_worker_gives_its_messages_back(
    moto, s3, bucket, queues, settings, make_png, make_event
):
    upload(s3, bucket, make_png, 8)
    Queue(queues[0], moto).send([make_event(bucket, "in/m.csv")])
    config = settings()
    queue, dead = open_queues(config)
    tools = open_tools(config, queue.send)

    def script(method, path, number):
        if method == "GET" and "/in/i/" in path:
            worker.stopping.set()
        return

    with unreliable_front(moto, script) as (url, _):
        config = settings(endpoint_url=url)
        tools = open_tools(config, queue.send)
        worker = Worker(queue, dead, tools)
        with tools.models, tools.fetching:
            tally = worker.run()
    assert tally.rows == 0
    assert queue.counts() == {"waiting": 1, "worked on": 0}


def write_config(tmp_path, config):
    path = tmp_path / "assist.toml"
    route = config.routes[0]
    path.write_text(
        f"""[batch]
queue = "{config.queue}"
dead_letters = "{config.dead_letters}"
endpoint_url = "{config.endpoint_url}"
queue_endpoint_url = "{config.queue_endpoint_url}"
visibility = 6
attempts = 2
threads = 2
downloads = 8

[[batch.route]]
from = "{route.source}"
to = "{route.to}"
model = "{route.model}"
shard_rows = {route.shard_rows}
"""
    )
    return str(path)


def test_the_commands_of_an_operator(
    moto, s3, bucket, queues, settings, make_png, make_event, tmp_path
):
    path = write_config(tmp_path, settings())
    upload(s3, bucket, make_png, 20)
    s3.put_object(Bucket=bucket, Key="in/i/3 +é.png", Body=b"poison")
    Queue(queues[0], moto).send([make_event(bucket, "in/m.csv"), "hello"])
    runner = CliRunner()

    done = runner.invoke(batch, ["worker", "--config", path, "--until-empty"])
    assert done.exit_code == 1, done.output
    assert "19 of 20 images predicted" in done.output
    assert "1 messages to the dead-letter queue" in done.output

    said = runner.invoke(batch, ["status", "--config", path])
    assert said.exit_code == 1
    assert "1 of 1 jobs done, 20 images predicted, 1 of them failed" in said.output
    assert "1 dead letters" in said.output
    counted = json.loads(runner.invoke(batch, ["status", "--config", path, "--json"]).output)
    [job] = counted["jobs"]
    assert (job["shards"], job["parts"], job["rows"], job["failed"]) == (3, 3, 20, 1)
    [cause] = job["causes"]
    assert cause.startswith("expected a JPEG")

    would = runner.invoke(batch, ["redrive", "--config", path, "--dry-run"])
    assert "would move: expected an S3 event" in would.output
    assert "0 messages moved, 1 left" in would.output
    none = runner.invoke(batch, ["redrive", "--config", path, "--reason", "denied"])
    assert "0 messages moved, 1 left" in none.output
    moved = runner.invoke(batch, ["redrive", "--config", path, "--reason", "who else"])
    assert "1 messages moved, 0 left" in moved.output

    page = tmp_path / "report"
    shown = runner.invoke(batch, ["report", "--config", path, "--to", str(page), "--images", "9"])
    assert shown.exit_code == 0, shown.output
    assert (page / "results.png").stat().st_size > 1000
    html = (page / "index.html").read_text()
    assert "<svg" in html
    assert "expected a JPEG" in html
