import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from zooassist_plugin.errors import Refused
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.stores.s3_errors import explain, is_stale_handle
from zooassist_serving.batch.stores.store import Busy, ObjectProblem

PLACE = Place("survey", "a.png")


def answer(code, status=400, message="words"):
    said = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(said, "GetObject")


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (answer("ExpiredToken"), Refused, "expired"),
        (answer("RequestTimeTooSkewed", 403), Refused, "clock"),
        (answer("PermanentRedirect", 301), Refused, "region"),
        (answer("AuthorizationHeaderMalformed"), Refused, "region"),
        (answer("SignatureDoesNotMatch", 403), Refused, "credentials"),
        (answer("InvalidAccessKeyId", 403), Refused, "credentials"),
        (answer("NoSuchBucket", 404), Refused, "no such bucket"),
        (answer("NotImplemented", 501), Refused, "conditional"),
        (NoCredentialsError(), Refused, "AWS_PROFILE"),
        (answer("SlowDown", 503), Busy, "SlowDown"),
        (answer("", 502), Busy, "502"),
        (answer("429", 429), Busy, "429"),
        (EndpointConnectionError(endpoint_url="http://x"), Busy, "no answer"),
        (ReadTimeoutError(endpoint_url="http://x"), Busy, "no answer"),
        (answer("AccessDenied", 403), ObjectProblem, "s3:GetObject"),
        (answer("NoSuchKey", 404), ObjectProblem, "deleted"),
        (answer("PreconditionFailed", 412), ObjectProblem, "replaced"),
        (answer("InvalidObjectState", 403), ObjectProblem, "cold storage"),
    ],
)
def test_every_trouble_has_its_kind_and_its_remedy(error, kind, says):
    problem = explain(error, "read s3://survey/a.png", PLACE)
    assert type(problem) is kind
    assert says in str(problem)


def test_a_denied_call_that_is_about_no_object_stops_the_work():
    assert type(explain(answer("AccessDenied", 403), "list s3://survey/")) is Refused


@pytest.mark.parametrize(
    "code",
    [
        "ReceiptHandleIsInvalid",
        "AWS.SimpleQueueService.ReceiptHandleIsInvalid",
        "AWS.SimpleQueueService.MessageNotInflight",
    ],
)
def test_stale_handles(code):
    assert is_stale_handle(answer(code))


def test_a_stale_handle_by_its_words():
    assert is_stale_handle(
        answer("InvalidParameterValue", message="Reason: The receipt handle has expired.")
    )
    assert not is_stale_handle(answer("InvalidParameterValue", message="VisibilityTimeout"))
