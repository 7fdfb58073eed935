"""What does an error of S3 or SQS mean, and what can be done about it?"""

from __future__ import annotations

from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    TokenRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)

from zooassist_plugin.errors import BadInput, Refused, ZooassistError
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.stores.store import Busy, ObjectProblem, changed, gone

GONE: Final = {"NoSuchKey", "NoSuchVersion", "404", "NotFound"}
DENIED: Final = {"AccessDenied", "403", "Forbidden", "AllAccessDisabled", "AccountProblem"}
CHANGED: Final = {"PreconditionFailed", "412"}
BUSY: Final = {
    *("SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted"),
    *("Throttling", "ThrottlingException", "RequestThrottled", "RequestLimitExceeded"),
    *("TooManyRequestsException", "ConditionalRequestConflict", "BandwidthLimitExceeded"),
    *("InternalFailure", "500", "502", "503", "504", "409"),
}
# Code -> what the user can do. These concern every object: the work stops.
ACCOUNT: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken"),
        "the credentials have expired: log in again (aws sso login), or give the process a role "
        "that renews them",
    ),
    **dict.fromkeys(
        (
            *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId"),
            *("UnrecognizedClientException", "MissingAuthenticationToken"),
        ),
        "the store does not know these credentials: check AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY or AWS_PROFILE, and the endpoint",
    ),
    **dict.fromkeys(
        ("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"),
        "the clock of this machine is wrong: synchronise it (timedatectl set-ntp true)",
    ),
    **dict.fromkeys(
        (
            *("PermanentRedirect", "AuthorizationHeaderMalformed", "IncorrectEndpoint", "301"),
            *("IllegalLocationConstraintException", "TemporaryRedirect", "307"),
        ),
        "the bucket is in another region: set `region` in assist.toml or AWS_REGION to the "
        "bucket's own",
    ),
    "NoSuchBucket": "there is no such bucket: check its name and the endpoint",
    "InvalidBucketName": "no bucket can have that name: correct it",
    "NotImplemented": "the store lacks what is asked of it (conditional writes?): use one that "
    "has it, such as AWS, Ceph or MinIO",
    "501": "the store lacks what is asked of it: use one that has it, such as AWS or Ceph",
    **dict.fromkeys(
        ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
        "there is no such queue: check its URL, region and account",
    ),
}
CREDENTIALS: Final = (
    NoCredentialsError,
    PartialCredentialsError,
    CredentialRetrievalError,
    TokenRetrievalError,
)


def code_of(error: ClientError) -> str:
    """Return the code that the other side gave."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """Return the HTTP status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def explain(
    error: ClientError | BotoCoreError, what: str, place: Place | None = None
) -> ZooassistError:
    """Turn an error of boto into one of ours.

    Parameters
    ----------
    what : str
        The call, with what it was about: ``read s3://bucket/key``.
    place : Place, optional
        The object that it was about.

    Returns
    -------
    ObjectProblem, Busy, Refused or BadInput
    """
    if isinstance(error, ClientError):
        return _of_answer(error, what, place)
    if isinstance(error, CREDENTIALS):
        return Refused(
            f"{what}: expected AWS credentials, found none that work ({_words(error)}); set "
            "AWS_PROFILE, the AWS_… variables or a role, as for the aws command"
        )
    if isinstance(error, NoRegionError):
        return Refused(f"{what}: expected a region; set `region` in assist.toml or AWS_REGION")
    if isinstance(error, ParamValidationError):
        return BadInput(f"{what}: {_words(error)}; correct the name")
    if isinstance(error, HTTPClientError | NoConnection):
        return Busy(f"{what}: no answer ({type(error).__name__}); check endpoint and network")
    return Busy(f"{what}: {_words(error)}; check endpoint and network")


def _of_answer(error: ClientError, what: str, place: Place | None) -> ZooassistError:
    code, status = code_of(error), status_of(error)
    if code in ACCOUNT:
        return Refused(f"{what}: {code}; {ACCOUNT[code]}")
    if place is not None:
        if code in GONE:
            return gone(place)
        if code in CHANGED:
            return changed(place)
        if code in DENIED:
            return ObjectProblem(
                "denied",
                f"{place.uri}: access denied; allow this account to read it (s3:GetObject, and "
                "kms:Decrypt where it is encrypted; `requester_pays` where that is wanted)",
            )
        if code == "InvalidObjectState":
            return ObjectProblem(
                "unreadable", f"{place.uri}: lies in cold storage; restore it and send it again"
            )
    if code in BUSY or status >= 500 or status == 429:
        return Busy(f"{what}: the other side is busy ({code or status}); wait a little")
    if code in DENIED:
        return Refused(f"{what}: access denied; the role of this process needs that permission")
    return Refused(f"{what}: {code or status} ({_words(error)})")


def is_stale_handle(error: ClientError) -> bool:
    """Whether a queue says that a message is no longer ours."""
    code, said = code_of(error), str(error).lower()
    return code.rpartition(".")[2] in {
        "ReceiptHandleIsInvalid",
        "MessageNotInflight",
        "InvalidIdFormat",
    } or (code.startswith("InvalidParameterValue") and "receipt" in said + code.lower())


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
