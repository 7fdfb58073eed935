"""What does AWS Lambda call? `handler`, with the messages of a queue; those that failed come again.

The answer names the messages that failed (``ReportBatchItemFailures``): SQS deletes the others.
Handler: ``zooassist_serving.batch.aws_lambda.handler``; the settings are `assist.toml` as text in
``ZOOASSIST_BATCH_TOML``, or a file beside the code.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

from zooassist_plugin.errors import Refused, ZooassistError
from zooassist_serving.batch.assembling import open_queues, open_tools
from zooassist_serving.batch.config import load_config
from zooassist_serving.batch.outcomes import Abandoned, Poison, Superseded
from zooassist_serving.batch.processing import Tools, handle
from zooassist_serving.batch.queues import Queue, Received, bury

logger = logging.getLogger(__name__)

# Milliseconds that are kept for giving the rest of the messages back.
RESERVE: Final = 5_000


class Remaining(Protocol):
    """What Lambda says of the time that is left."""

    def get_remaining_time_in_millis(self) -> int:
        """Return milliseconds."""
        ...


@lru_cache(maxsize=1)
def _opened() -> tuple[Queue, Queue, Tools]:
    """Load settings and models once per container, before its first messages."""
    config = load_config()
    queue, dead_letters = open_queues(config)
    tools = open_tools(config, queue.send, os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", "lambda"))
    return queue, dead_letters, tools


def handler(event: Mapping[str, Any], context: Remaining) -> dict[str, Any]:
    """Work on the messages of one call.

    Returns
    -------
    dict
        ``{"batchItemFailures": [{"itemIdentifier": …}, …]}``
    """
    queue, dead_letters, tools = _opened()
    return work_on_records(event.get("Records", []), context, queue, dead_letters, tools)


def work_on_records(
    records: list[Mapping[str, Any]],
    context: Remaining,
    queue: Queue,
    dead_letters: Queue,
    tools: Tools,
) -> dict[str, Any]:
    """Work on messages in their order; what is not done when the time is over has failed."""

    def go_on() -> None:
        if context.get_remaining_time_in_millis() < RESERVE:
            raise Abandoned("the function's time is over")

    failures: list[dict[str, str]] = []
    stopped = False
    for record in records:
        message = Received(
            body=record["body"],
            handle=record["receiptHandle"],
            message_id=record["messageId"],
            attempt=int(record.get("attributes", {}).get("ApproximateReceiveCount", 1)),
        )
        if stopped or not _done(message, go_on, queue, dead_letters, tools):
            failures.append({"itemIdentifier": message.message_id})
            stopped = stopped or context.get_remaining_time_in_millis() < RESERVE
    return {"batchItemFailures": failures}


def _done(message: Received, go_on: Any, queue: Queue, dead_letters: Queue, tools: Tools) -> bool:  # noqa: ANN401
    """Whether a message may be deleted."""
    try:
        go_on()
        handle(message.body, tools, go_on, message.attempt)
    except Superseded as reason:
        logger.info("%s", reason)
    except Poison as error:
        return _buried(message, str(error), queue, dead_letters)
    except Abandoned as reason:
        logger.info("%s", reason)
        return False
    except Refused as error:
        logger.warning("%s", error)
        if message.attempt >= tools.config.attempts:
            return _buried(message, str(error), queue, dead_letters)
        return False
    except ZooassistError as error:
        return _buried(message, str(error), queue, dead_letters)
    except Exception:  # a door: one message must not fail the others
        logger.exception("message %s", message.message_id)
        return False
    return True


def _buried(message: Received, reason: str, queue: Queue, dead_letters: Queue) -> bool:
    logger.error("%s", reason)
    try:
        bury(message, reason, queue, dead_letters)
    except Refused as error:
        logger.warning("%s", error)
        return False
    return True
