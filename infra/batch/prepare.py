"""Make the buckets and queues that compose.yaml works with; run again, it changes nothing."""

from __future__ import annotations

import json

import boto3

INPUT, OUTPUT, NAME, PREFIX = "survey", "survey-predictions", "zooassist", "incoming/"


def prepare() -> None:
    """Make two queues, two buckets, and let the one bucket tell the one queue."""
    sqs, s3 = boto3.client("sqs"), boto3.client("s3")
    dead = sqs.create_queue(QueueName=f"{NAME}-dead")["QueueUrl"]
    policy = {"deadLetterTargetArn": arn_of(sqs, dead), "maxReceiveCount": 5}
    queue = sqs.create_queue(QueueName=NAME, Attributes={"RedrivePolicy": json.dumps(policy)})[
        "QueueUrl"
    ]
    for bucket in (INPUT, OUTPUT):
        s3.create_bucket(Bucket=bucket)
    rules = {"Key": {"FilterRules": [{"Name": "prefix", "Value": PREFIX}]}}
    told = {"QueueArn": arn_of(sqs, queue), "Events": ["s3:ObjectCreated:*"], "Filter": rules}
    s3.put_bucket_notification_configuration(
        Bucket=INPUT, NotificationConfiguration={"QueueConfigurations": [told]}
    )


def arn_of(sqs: object, url: str) -> str:
    """Return the name that policies and notifications know a queue by."""
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])  # type: ignore[attr-defined]
    return str(answer["Attributes"]["QueueArn"])


if __name__ == "__main__":
    prepare()
