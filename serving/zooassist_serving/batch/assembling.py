"""How are queue, store and models put together from the settings?"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.config import BatchConfig
from zooassist_serving.batch.fetching import Fetching
from zooassist_serving.batch.models import Models
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.processing import Tools
from zooassist_serving.batch.queues import Queue, dead_letters_of
from zooassist_serving.batch.stores.opening import Stores


def open_queues(config: BatchConfig) -> tuple[Queue, Queue]:
    """Return the queue and its dead letters.

    Raises
    ------
    BadInput
        When no queue is named.
    Refused
        When there are no dead letters, or the queue does not answer.
    """
    if config.queue is None:
        raise BadInput("batch: expected `queue` in assist.toml, the URL of an SQS queue; set it")
    queue = Queue(config.queue, config.queue_endpoint_url, config.region)
    letters = dead_letters_of(queue, config.dead_letters, config.queue_endpoint_url, config.region)
    return queue, letters


def open_store(config: BatchConfig) -> Stores:
    """Return the store; S3 is not reached yet."""
    return Stores(config.s3_options)


def open_tools(
    config: BatchConfig, send: Callable[[Sequence[str]], None], worker: str | None = None
) -> Tools:
    """Put together what messages are worked on with, and load every route's model.

    Raises
    ------
    BadInput
        When there is no route, or a model is not sound.
    """
    if not config.routes:
        raise BadInput("batch: expected a [[batch.route]] in assist.toml, found none; write one")
    store = open_store(config)
    models = Models(store, config.threads, config.batch_size, config.device)
    for route in config.routes:
        # What is wrong with a model is said before any message is taken.
        models.predictor(route.model, embedding=route.embedding).plane.warm_up()
    fetching = Fetching(store, config.downloads, config.max_image_bytes, config.max_container_bytes)
    name = worker or f"{socket.gethostname()}-{os.getpid()}"
    return Tools(config, store, models, fetching, send, lambda: datetime.now(UTC), name)


def check_outputs(config: BatchConfig) -> None:
    """Refuse to work where results could be written twice.

    Raises
    ------
    Refused
    """
    outputs = {route.output for route in config.routes if route.output.bucket}
    if not outputs:
        return
    from zooassist_serving.batch.stores.s3 import S3Store, check_conditional_writes

    store = S3Store(config.s3_options())
    for bucket in sorted({place.bucket for place in outputs}):
        output = next(place for place in outputs if place.bucket == bucket)
        check_conditional_writes(store, Place(bucket, output.key))
