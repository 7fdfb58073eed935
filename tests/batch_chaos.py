"""One bad day of a batch: workers that are killed, messages that come twice, a store that fails."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import time
import uuid
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote_plus

import boto3
import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from unreliable_front import at_random, unreliable_front

from zooassist_serving.batch.committing import read_success
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.queues import Queue
from zooassist_serving.batch.results import parts_of, read_results
from zooassist_serving.batch.stores.opening import Stores
from zooassist_serving.batch.stores.s3 import S3Options

# Started once, with everything imported: a worker is there in a moment, and killed for good.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["zooassist_serving.batch.worker_command", "boto3"])
IMAGES, IN_ARCHIVE, ALONE, SHARD_ROWS = 60, 12, 4, 8
PATIENCE = 300.0  # seconds


def work(config: str, until_empty: bool) -> None:
    """Be a worker, as its command starts it."""
    from zooassist_serving.batch.worker_command import worker

    arguments = ["--config", config, *(["--until-empty"] if until_empty else [])]
    worker.main(args=arguments, standalone_mode=False)


@dataclass
class Day:
    """What happened.

    Attributes
    ----------
    looks : int
        How often a reader looked while workers worked.
    """

    expected: Counter[str]
    found: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    faults: int = 0
    looks: int = 0
    dead_letters: list[str] = field(default_factory=list)


def png(number: int) -> bytes:
    """Draw an image like no other."""
    target = io.BytesIO()
    colour = (number % 256, 40 + number // 3 % 200, 90)
    Image.fromarray(np.full((16, 16, 3), colour, dtype=np.uint8)).save(target, "PNG")
    return target.getvalue()


def event(bucket: str, key: str) -> str:
    """Tell of an object as S3 does."""
    record = {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}},
    }
    return json.dumps({"Records": [record]})


def fill(s3: Any, bucket: str) -> tuple[Counter[str], list[str]]:
    """Put objects into a bucket; returns the rows they stand for, and their events."""
    expected: Counter[str] = Counter()
    lines = ["image,subject_id"]
    for number in range(IMAGES):
        key = f"pool/{number} +é.png"
        s3.put_object(Bucket=bucket, Key=key, Body=png(number))
        lines.append(f"../{key},{number}")
        expected[f"s3://{bucket}/{key}"] += 1
    # Named twice: counts once.
    lines += lines[1:20]
    s3.put_object(Bucket=bucket, Key="in/list a.csv", Body="\n".join(lines).encode())
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for number in range(IN_ARCHIVE):
            file.writestr(f"x/{number}.png", png(100 + number))
            expected[f"s3://{bucket}/in/more.zip#x/{number}.png"] += 1
    s3.put_object(Bucket=bucket, Key="in/more.zip", Body=target.getvalue())
    events = [event(bucket, "in/list a.csv"), event(bucket, "in/more.zip")]
    for number in range(ALONE):
        key = f"in/alone {number}.png"
        s3.put_object(Bucket=bucket, Key=key, Body=png(200 + number))
        expected[f"s3://{bucket}/{key}"] += 1
        events.append(event(bucket, key))
    return expected, events


def queues_of(moto: str, name: str) -> tuple[Queue, Queue]:
    """Make a queue and its dead letters."""
    sqs = boto3.client("sqs", endpoint_url=moto)
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]
    # Killing workers must not be taken for a fault of the message.
    policy = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 1000}
    queue = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy)})
    return Queue(queue["QueueUrl"], moto), Queue(dead, moto)


def write_config(path: Path, bucket: str, queue: Queue, front: str, moto: str, model: Path) -> None:
    """Write the settings that all workers share."""
    path.write_text(
        f"""[batch]
queue = "{queue.url}"
endpoint_url = "{front}"
queue_endpoint_url = "{moto}"
visibility = 3
attempts = 1000
slots = 2
downloads = 8
threads = 1
[[batch.route]]
from = "s3://{bucket}/in/"
to = "s3://{bucket}/out/"
model = "{model}"
shard_rows = {SHARD_ROWS}
"""
    )


def look(store: Stores, bucket: str) -> None:
    """Be a reader, at any moment: whatever part is visible is whole."""
    prefix = Place(bucket, "out/")
    folders = set()
    for seen in list(store.list(prefix)):
        if seen.place.name.endswith(".parquet"):
            pq.read_table(io.BytesIO(store.read(Seen(seen.place), 10**8)))
        if seen.place.name == "_SUCCESS":
            folders.add(Place(bucket, seen.place.key.rpartition("/")[0]))
    for folder in folders:
        success = read_success(store, folder)
        assert success is not None
        assert sum(table.num_rows for table in parts_of(store, success)) == success.rows


def bad_day(
    moto: str, model: Path, folder: Path, seed: int, *, kills: int = 6, share: float = 0.05
) -> Day:
    """Let three workers do everything while they are killed, and read what is there at the end."""
    random = Random(seed)
    name = f"chaos-{uuid.uuid4().hex[:10]}"
    s3 = boto3.client("s3", endpoint_url=moto)
    s3.create_bucket(Bucket=name)
    expected, events = fill(s3, name)
    queue, dead = queues_of(moto, name)
    # Everything twice, in any order; and what is not ours.
    told = [*events, *events, '{"Event": "s3:TestEvent"}', "hello"]
    random.shuffle(told)
    queue.send(told)
    day = Day(expected)
    store = Stores(lambda: S3Options(endpoint_url=moto))
    with unreliable_front(moto, at_random(share, seed)) as (front, faults):
        config = folder / f"{name}.toml"
        write_config(config, name, queue, front, moto, model)

        def start(until_empty: bool = False) -> Any:
            process = SERVER.Process(target=work, args=(str(config), until_empty))
            process.start()
            return process

        workers = [start() for _ in range(3)]
        try:
            for _ in range(kills):
                time.sleep(random.uniform(0.2, 2.0))
                look(store, name)
                day.looks += 1
                victim = random.randrange(len(workers))
                pid = workers[victim].pid
                if pid is not None and workers[victim].is_alive():
                    os.kill(pid, signal.SIGKILL)
                    day.kills += 1
                workers[victim].join()
                workers[victim] = start()
            for worker in workers:
                worker.terminate()
                worker.join(60)
            # Whatever is left is done by two workers that nobody kills.
            workers = [start(until_empty=True), start(until_empty=True)]
            deadline = time.monotonic() + PATIENCE
            for worker in workers:
                worker.join(max(0.0, deadline - time.monotonic()))
                assert worker.exitcode is not None, "the queue is not empty in time"
        finally:
            for worker in workers:
                if worker.is_alive():
                    worker.kill()
                worker.join()
        day.faults = len(faults)
    look(store, name)
    day.found = Counter(read_results(store, Place(name, "out/"))["image"].to_pylist())
    day.dead_letters = [letter.body for letter in dead.all_of()]
    return day
