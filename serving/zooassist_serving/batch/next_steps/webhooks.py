"""How is an address told that a job is done? JSON, signed; told again until it is taken."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

import requests

from zooassist_plugin import __version__
from zooassist_plugin.errors import BadInput, Refused
from zooassist_plugin.http_session import no_answer, timed_session
from zooassist_serving.batch.committing import Success
from zooassist_serving.batch.config import Webhook
from zooassist_serving.batch.jobs import SUCCESS
from zooassist_serving.batch.next_steps.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from zooassist_serving.batch.stores.store import Store

EVENT: Final = "batch.done"


def message_of(success: Success, store: Store, link_seconds: int) -> dict[str, Any]:
    """Say what was done; with links, where the results can be read without an account."""
    said = {key: success.content[key] for key in ("job", "source", "model", "rows", "failed")}
    message: dict[str, Any] = {"event": EVENT, **said, "output": success.folder.uri}
    if link_seconds:
        names = (SUCCESS, *(part.name for part in success.parts))
        links = {name: store.presign(success.folder.child(name), link_seconds) for name in names}
        message["links"] = {name: link for name, link in links.items() if link is not None}
    return message


def post_webhook(
    webhook: Webhook,
    success: Success,
    store: Store,
    timestamp: int,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Post the message of a job, once: what fails is tried again with the queue's message.

    A receiver may get it twice; ``Idempotency-Key`` is the job's.

    Parameters
    ----------
    timestamp : int
        Seconds since 1970.

    Raises
    ------
    BadInput
        When there is no secret.
    Refused
        When the other side does not take it.
    """
    secret = environ.get(webhook.secret_variable, "")
    if not secret:
        raise BadInput(
            f"webhook {webhook.url}: expected its secret in the environment variable "
            f"{webhook.secret_variable}, found none; set it"
        )
    body = json.dumps(message_of(success, store, webhook.link_seconds)).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"zooassist/{__version__}",
        "Idempotency-Key": str(success.content["job"]),
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: sign(secret.encode(), timestamp, body),
    }
    with timed_session(tries=1) as session:
        try:
            answer = session.post(webhook.url, data=body, headers=headers, allow_redirects=False)
        except requests.RequestException as error:
            raise no_answer(f"the webhook {webhook.url}", error, "POST") from error
    if not 200 <= answer.status_code < 300:
        raise Refused(
            f"webhook {webhook.url}: expected a status of 200 to 299, got {answer.status_code}; "
            "look at the receiver's log"
        )
