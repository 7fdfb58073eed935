import threading

import pytest
from unreliable_front import at_random, unreliable_front

from zooassist_plugin.errors import Refused
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.stores.s3 import S3Options, S3Store, check_conditional_writes
from zooassist_serving.batch.stores.signed_reads import signed_headers
from zooassist_serving.batch.stores.store import Busy, ObjectProblem

BIG = bytes(range(256)) * 12_000  # three megabytes


def no_pause(seconds):
    """Tests need not wait."""


def store_of(url, **options):
    return S3Store(S3Options(endpoint_url=url, **options), sleep=no_pause)


@pytest.fixture
def store(moto):
    return store_of(moto)


def test_only_one_of_many_writers_wins(store, bucket):
    place = Place(bucket, "out/part")
    won = []

    def write(number):
        if store.put_new(place, bytes([number]), {"rows": "1"}):
            won.append(number)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(won) == 1
    assert store.read(Seen(place), 10) == bytes(won)
    assert store.look(place).metadata["rows"] == "1"


@pytest.mark.parametrize("key", ["a b+c.png", "ü/é%20.png", "a#b?c&d.png", "…/日本.png"])
def test_keys_are_what_they_are(store, bucket, key):
    place = Place(bucket, key)
    assert store.put_new(place, b"x", {})
    assert store.read(Seen(place), 10) == b"x"
    assert [seen.place for seen in store.list(Place(bucket, ""))] == [place]


def test_a_body_that_breaks_off_is_fetched_on_from_there(moto, s3, bucket, tmp_path):
    s3.put_object(Bucket=bucket, Key="big", Body=BIG)
    asked = []

    def script(method, path, number):
        asked.append(method)
        return "cut" if number < 3 else None

    with unreliable_front(moto, script) as (url, faults):
        store = store_of(url)
        store.download(Seen(Place(bucket, "big")), tmp_path / "big", 10**8)
    assert (tmp_path / "big").read_bytes() == BIG
    assert faults == ["cut"] * 3


def test_an_object_that_is_replaced_while_it_is_read(moto, s3, bucket, tmp_path):
    s3.put_object(Bucket=bucket, Key="big", Body=BIG)

    def script(method, path, number):
        if number == 1:
            s3.put_object(Bucket=bucket, Key="big", Body=BIG[::-1])
        return "cut" if number == 0 else None

    with unreliable_front(moto, script) as (url, _), pytest.raises(ObjectProblem) as caught:
        store_of(url).download(Seen(Place(bucket, "big")), tmp_path / "big", 10**8)
    assert caught.value.trouble == "changed"


def test_the_state_that_was_seen_is_what_is_read(store, s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="a", Body=b"old")["ETag"].strip('"')
    assert store.read(Seen(Place(bucket, "a"), etag), 10) == b"old"
    s3.put_object(Bucket=bucket, Key="a", Body=b"new")
    with pytest.raises(ObjectProblem) as caught:
        store.read(Seen(Place(bucket, "a"), etag), 10)
    assert caught.value.trouble == "changed"


def test_a_write_whose_answer_is_lost_is_known_to_be_ours(moto, bucket):
    def script(method, path, number):
        return "lost" if number == 0 else None

    with unreliable_front(moto, script) as (url, faults):
        assert store_of(url).put_new(Place(bucket, "part"), b"x", {})
    assert faults == ["lost"]


def test_a_bad_day(moto, bucket, tmp_path):
    with unreliable_front(moto, at_random(0.2, seed=3)) as (url, faults):
        store = store_of(url)
        for number in range(40):
            place = Place(bucket, f"{number:02}")
            assert store.put_new(place, BIG[: 1000 + number], {})
            assert not store.put_new(place, b"another", {})
            assert store.read(Seen(place), 10**6) == BIG[: 1000 + number]
        assert len(list(store.list(Place(bucket, "")))) == 40
    assert len(faults) > 10


@pytest.mark.parametrize("fault", ["500", "503"])
def test_trouble_that_does_not_pass_is_told_as_trouble_of_the_store(moto, bucket, fault):
    with unreliable_front(moto, lambda *about: fault) as (url, _):
        store = store_of(url)
        with pytest.raises(Busy, match="busy"):
            store.read(Seen(Place(bucket, "a")), 10)
        with pytest.raises(Busy, match="busy"):
            store.put_new(Place(bucket, "a"), b"x", {})


def test_nobody_there(bucket):
    with pytest.raises(Busy, match="no answer"):
        store_of("http://127.0.0.1:9").look(Place(bucket, "a"))


def test_what_is_not_there(store, bucket):
    place = Place(bucket, "none")
    assert store.look(place) is None
    with pytest.raises(ObjectProblem, match="deleted or never written") as caught:
        store.read(Seen(place), 10)
    assert caught.value.trouble == "gone"
    with pytest.raises(Refused, match="no such bucket"):
        store.read(Seen(Place("no-such-bucket-here", "a")), 10)


def test_limits_are_looked_at_before_the_bytes(store, s3, bucket):
    s3.put_object(Bucket=bucket, Key="big", Body=BIG)
    with pytest.raises(ObjectProblem, match="at most 1,000 bytes, got 3,072,000"):
        store.read(Seen(Place(bucket, "big")), 1000)


def test_encryption_and_presigned_reads(moto, s3, bucket):
    import requests

    store = store_of(moto, encryption="aws:kms", kms_key="alias/survey")
    store.put_new(Place(bucket, "part"), b"x", {})
    assert s3.head_object(Bucket=bucket, Key="part")["ServerSideEncryption"] == "aws:kms"
    answer = requests.get(store.presign(Place(bucket, "part"), 60), timeout=10)
    assert answer.content == b"x"


def test_a_store_that_writes_twice_is_refused(moto, bucket):
    check_conditional_writes(store_of(moto), Place(bucket, "out/"))
    forgetful = S3Store(S3Options(endpoint_url=moto), sleep=no_pause)
    # As rclone and s3rver do: the header is not looked at.
    forgetful._client.meta.events.register(
        "before-sign.s3.PutObject",
        lambda request, **others: request.headers.__delitem__("If-None-Match"),
    )
    with pytest.raises(Refused, match="If-None-Match"):
        check_conditional_writes(forgetful, Place(bucket, "out/"))


def test_requester_pays_is_said(moto, s3, bucket, tmp_path):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    store = store_of(moto, requester_pays=True)
    said = []
    store._client.meta.events.register(
        "before-sign.s3", lambda request, **others: said.append(dict(request.headers))
    )
    store.download(Seen(Place(bucket, "a")), tmp_path / "a", 10)
    list(store.list(Place(bucket, "")))
    assert [each["x-amz-request-payer"] for each in said] == ["requester", "requester"]


def test_reads_without_boto_are_signed_as_boto_signs():
    """Of the same request, at the same second, both make the same signature."""
    from datetime import UTC, datetime

    import botocore.auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    now = datetime(2026, 5, 17, 12, 30, 1, tzinfo=UTC)
    url = "https://survey.s3.eu-west-1.amazonaws.com/in/a%20b%2B%C3%A9%2520.png"
    keys = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "token")
    ours = signed_headers(url, keys, "eu-west-1", {"x-amz-request-payer": "requester"}, now)
    request = AWSRequest("GET", url, headers={"x-amz-request-payer": "requester"})
    request.context["client_config"] = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.auth, "get_current_datetime", lambda *args, **kwargs: now)
        botocore.auth.S3SigV4Auth(keys, "s3", "eu-west-1").add_auth(request)
    assert ours["Authorization"] == request.headers["Authorization"]


def test_an_answer_that_is_odd_is_left_to_boto(moto, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    for fault in ("500", "cut", "lost"):

        def script(method, path, number, fault=fault):
            return fault if number == 0 else None

        with unreliable_front(moto, script) as (url, faults):
            assert store_of(url).read(Seen(Place(bucket, "a")), 10) == b"x"
        assert faults == [fault]
