"""How is the queue asked, and told? SQS: long polls, visibility, dead letters with their reason."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from zooassist_plugin.errors import Refused
from zooassist_serving.batch.stores.s3_errors import explain, is_stale_handle
from zooassist_serving.batch.stores.store import Busy

LONG_POLL: Final = 20  # seconds, the most that SQS takes
AT_ONCE: Final = 10  # messages in a call, the most that SQS takes
LONGEST_REASON: Final = 2_000
REASON: Final = "reason"
WAITING: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


@dataclass(frozen=True)
class Received:
    """A message that is ours for a while.

    Attributes
    ----------
    attempt : int
        Which delivery this is, from 1.
    attributes : mapping
        What its sender noted.
    """

    body: str
    handle: str
    message_id: str
    attempt: int = 1
    attributes: Mapping[str, str] = field(default_factory=dict)


class Queue:
    """One SQS queue; safe to use from several threads.

    Parameters
    ----------
    url : str
    endpoint_url : str, optional
        Of an emulator.
    """

    def __init__(
        self, url: str, endpoint_url: str | None = None, region: str | None = None
    ) -> None:
        self.url = url
        # A session of our own: boto3's own would keep the first credentials for good.
        self._client: Any = boto3.session.Session().client(
            "sqs",
            endpoint_url=endpoint_url,
            region_name=region or (None if endpoint_url is None else "us-east-1"),
            config=Config(
                retries={"mode": "standard", "max_attempts": 4},
                connect_timeout=5,
                read_timeout=LONG_POLL + 15,
                max_pool_connections=32,
            ),
        )

    def receive(self, visibility: int, most: int = 1, wait: int = LONG_POLL) -> list[Received]:
        """Wait for messages; they are hidden from others for `visibility` seconds."""
        answer = self._call(
            "receive_message",
            MaxNumberOfMessages=min(most, AT_ONCE),
            WaitTimeSeconds=wait,
            VisibilityTimeout=visibility,
            AttributeNames=["ApproximateReceiveCount"],
            MessageAttributeNames=["All"],
        )
        return [
            Received(
                body=each["Body"],
                handle=each["ReceiptHandle"],
                message_id=each["MessageId"],
                attempt=int(each.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
                attributes={
                    name: str(value.get("StringValue", ""))
                    for name, value in each.get("MessageAttributes", {}).items()
                },
            )
            for each in answer.get("Messages", ())
        ]

    def hide(self, message: Received, seconds: int) -> bool:
        """Hide a message for so long from now; 0 gives it to the next. False: it is not ours."""
        try:
            self._client.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=message.handle, VisibilityTimeout=seconds
            )
        except ClientError as error:
            if is_stale_handle(error):
                return False
            raise explain(error, f"hide a message of {self.url}") from error
        except BotoCoreError as error:
            raise explain(error, f"hide a message of {self.url}") from error
        return True

    def delete(self, message: Received) -> None:
        """Say that a message is done; a stale handle means that somebody else will say so."""
        try:
            self._client.delete_message(QueueUrl=self.url, ReceiptHandle=message.handle)
        except ClientError as error:
            if not is_stale_handle(error):
                raise explain(error, f"delete a message of {self.url}") from error
        except BotoCoreError as error:
            raise explain(error, f"delete a message of {self.url}") from error

    def send(self, bodies: Sequence[str], attributes: Mapping[str, str] | None = None) -> None:
        """Put messages into the queue.

        Raises
        ------
        Busy
            When some were not taken; those that were may come twice if all are sent again.
        """
        noted = {
            name: {"DataType": "String", "StringValue": _allowed(value)}
            for name, value in (attributes or {}).items()
        }
        for start in range(0, len(bodies), AT_ONCE):
            entries = [
                {"Id": str(number), "MessageBody": body, "MessageAttributes": noted}
                for number, body in enumerate(bodies[start : start + AT_ONCE])
            ]
            answer = self._call("send_message_batch", Entries=entries)
            if failed := answer.get("Failed"):
                raise Busy(
                    f"send to {self.url}: {len(failed)} messages were not taken "
                    f"({failed[0].get('Code')}); wait a little"
                )

    def waiting(self) -> int:
        """Count the messages that are waiting, hidden or delayed; SQS knows it only nearly."""
        said = self._call("get_queue_attributes", AttributeNames=list(WAITING))["Attributes"]
        return sum(int(said.get(name, 0)) for name in WAITING)

    def counts(self) -> dict[str, int]:
        """Return how many messages are waiting, and how many are worked on."""
        said = self._call("get_queue_attributes", AttributeNames=list(WAITING))["Attributes"]
        waiting, hidden, delayed = (int(said.get(name, 0)) for name in WAITING)
        return {"waiting": waiting + delayed, "worked on": hidden}

    def dead_letter_url(self) -> str | None:
        """Return the URL of the queue that SQS itself moves messages to, if there is one."""
        said = self._call("get_queue_attributes", AttributeNames=["RedrivePolicy"])
        policy = said.get("Attributes", {}).get("RedrivePolicy")
        if not policy:
            return None
        name = json.loads(policy)["deadLetterTargetArn"].rpartition(":")[2]
        try:
            return str(self._client.get_queue_url(QueueName=name)["QueueUrl"])
        except (ClientError, BotoCoreError) as error:
            raise explain(error, f"find the queue {name}") from error

    def all_of(self, visibility: int = 60) -> Iterator[Received]:
        """Yield every message once, as long as there are others; each is hidden meanwhile."""
        seen: set[str] = set()
        while messages := self.receive(visibility, most=AT_ONCE, wait=1):
            fresh = [each for each in messages if each.message_id not in seen]
            if not fresh:
                return
            for message in fresh:
                seen.add(message.message_id)
                yield message

    def _call(self, name: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        try:
            answer: dict[str, Any] = getattr(self._client, name)(QueueUrl=self.url, **arguments)
        except (ClientError, BotoCoreError) as error:
            raise explain(error, f"{name.replace('_', ' ')} of {self.url}") from error
        return answer


def bury(message: Received, reason: str, queue: Queue, dead_letters: Queue) -> None:
    """Move a message to the dead-letter queue, with the reason.

    Dying in between leaves it in both: it is then buried again, or redriven to find its work done.
    """
    dead_letters.send([message.body], {REASON: reason, "attempts": str(message.attempt)})
    queue.delete(message)


def dead_letters_of(
    queue: Queue, url: str | None, endpoint_url: str | None, region: str | None
) -> Queue:
    """Return the dead-letter queue: the one that is named, else the one that SQS knows.

    Raises
    ------
    Refused
        When there is none: what cannot be done would be lost.
    """
    found = url or queue.dead_letter_url()
    if found is None:
        raise Refused(
            f"{queue.url}: expected a dead-letter queue, found none; name it as `dead_letters` in "
            "assist.toml, or give the queue a redrive policy"
        )
    return Queue(found, endpoint_url, region)


def _allowed(text: str) -> str:
    """Leave out what SQS takes in no attribute; it takes no empty one either."""
    kept = "".join(c if c.isprintable() else " " for c in text).strip()
    return kept[:LONGEST_REASON] or "-"
