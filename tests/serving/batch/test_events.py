import json

import pytest

from zooassist_serving.batch.events import Arrived, ForeignMessage, ShardOrder, read_message
from zooassist_serving.batch.places import Place, Seen


def record(key, source="aws:s3", name="ObjectCreated:Put", **said):
    return {
        "eventSource": source,
        "eventName": name,
        "s3": {
            "bucket": {"name": "survey"},
            "object": {"key": key, "size": 3, "eTag": "abc"} | said,
        },
    }


def arrived(*records):
    return read_message(json.dumps({"Records": list(records)})).arrived


def test_keys_of_aws_are_decoded_once():
    [one] = arrived(record("in/a+b%2B%C3%A9%2520.json"))
    assert one.seen == Seen(Place("survey", "in/a b+é%20.json"), etag="abc", size=3)


def test_keys_of_ceph_are_raw():
    [one] = arrived(record("in/a b+é%20.json", source="ceph:s3", name="s3:ObjectCreated:Put"))
    assert one.seen.place.key == "in/a b+é%20.json"
    assert one.otherwise == Place("survey", "in/a b é .json"), "what it means if it was encoded"


def test_a_plain_key_has_no_other_meaning():
    [one] = arrived(record("in/a.json"))
    assert one.otherwise is None


def test_versions_and_quotes():
    [one] = arrived(record("a.png", versionId="v1", eTag='"abc"'))
    assert (one.seen.version, one.seen.etag, one.seen.state) == ("v1", "abc", "v1")


def test_the_first_message_of_a_notification_asks_for_nothing():
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "survey"})
    message = read_message(body)
    assert message.arrived == ()
    assert message.shard is None


@pytest.mark.parametrize("name", ["ObjectRemoved:Delete", "s3:ObjectRemoved:Delete"])
def test_deletions_ask_for_nothing(name):
    assert arrived(record("a.png", name=name)) == ()


def test_what_a_console_makes_for_a_folder_is_no_object():
    assert arrived(record("in/new+folder/", size=0)) == ()


def test_sns_in_between():
    inner = json.dumps({"Records": [record("a.png")]})
    message = read_message(json.dumps({"Type": "Notification", "Message": inner}))
    assert message.arrived[0].seen.place.uri == "s3://survey/a.png"


def test_event_bridge_sends_raw_keys():
    body = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": "survey"},
            "object": {"key": "a+b.png", "size": 4, "etag": "e", "version-id": "v"},
        },
    }
    [one] = read_message(json.dumps(body)).arrived
    assert one.seen == Seen(Place("survey", "a+b.png"), "e", "v", 4)


def test_shards_of_ours():
    order = ShardOrder(Seen(Place("survey", "a b.csv"), "e", "v"), 7)
    assert read_message(order.to_text()).shard == order


def test_objects_that_no_bucket_told_of():
    told = Arrived(Seen(Place("survey", "a b.csv"), "e", "v"))
    assert read_message(told.to_text()).arrived == (told,)


@pytest.mark.parametrize(
    "body",
    [
        "hello",
        "[]",
        "{}",
        '"text"',
        "\x00",
        json.dumps({"Records": [{"eventSource": "aws:sns"}]}),
        json.dumps({"Records": [{}]}),
        json.dumps({"Records": [record("a.png") | {"s3": {}}]}),
        json.dumps({"zooassist-shard": "9", "source": "s3://survey/a", "shard": 1}),
        json.dumps({"zooassist-shard": "0.1.0", "source": "s3://survey/a", "shard": -1}),
        json.dumps({"zooassist-shard": "0.1.0", "source": "ftp://a", "etag": "", "shard": 1}),
        json.dumps({"source": "aws.s3", "detail": {}}),
    ],
)
def test_messages_of_others_are_told_apart(body):
    with pytest.raises(ForeignMessage, match="look who else writes to the queue"):
        read_message(body)
