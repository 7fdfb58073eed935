"""The CloudFormation template: linted, and really created against an emulator."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

boto3 = pytest.importorskip("boto3", reason="the batch needs zooassist[aws]")
pytest.importorskip("ministack", reason="ministack is a tool of developers")

from ministack_server import ministack  # noqa: E402

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "infra" / "batch" / "cloudformation.yaml"
PATIENCE = 240  # seconds


def test_the_template_passes_its_linter():
    linter = Path(sys.executable).with_name("cfn-lint")
    if not linter.exists():
        pytest.skip("cfn-lint is a tool of developers")
    done = subprocess.run([linter, str(TEMPLATE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_compose_file_names_files_and_commands_that_exist():
    yaml = pytest.importorskip("yaml")
    folder = TEMPLATE.parent
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            assert (folder / volume.partition(":")[0]).is_file()
        build = service.get("build")
        if build:
            assert (folder / build["context"] / build["dockerfile"]).resolve().is_file()
    assert compose["services"]["worker"]["command"][:2] == ["batch", "worker"]


def test_the_settings_beside_it_are_sound():
    from zooassist_serving.batch.config import load_config

    config = load_config(TEMPLATE.parent / "assist.toml")
    assert config.routes[0].model == "galaxy-zoo"


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        # The function is run by this Python, which has to find the code that is tested.
        patch.setenv("PYTHONPATH", ":".join(path for path in sys.path if path))
        with ministack(tmp_path_factory.mktemp("aws")) as url:
            yield url


def png() -> bytes:
    target = io.BytesIO()
    Image.fromarray(np.full((40, 40, 3), 90, dtype=np.uint8)).save(target, "PNG")
    return target.getvalue()


def function_code() -> bytes:
    """A function without an image: its code is one line."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr("function.py", "from zooassist_serving.batch.aws_lambda import handler\n")
    return target.getvalue()


def wait_for(what, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError("waited in vain")


@pytest.mark.slow
def test_an_object_dropped_into_the_stack_is_predicted(aws):
    s3 = boto3.client("s3", endpoint_url=aws)
    sqs = boto3.client("sqs", endpoint_url=aws)
    stacks = boto3.client("cloudformation", endpoint_url=aws)
    s3.create_bucket(Bucket="code-of-functions")
    s3.put_object(Bucket="code-of-functions", Key="f.zip", Body=function_code())
    given = {
        "InputBucketName": "survey-in",
        "OutputBucketName": "survey-out",
        "FunctionCodeBucket": "code-of-functions",
        "FunctionCodeKey": "f.zip",
    }
    stacks.create_stack(
        StackName="batch",
        TemplateBody=TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
    )

    def state():
        [stack] = stacks.describe_stacks(StackName="batch")["Stacks"]
        assert "ROLLBACK" not in stack["StackStatus"], stacks.describe_stack_events(
            StackName="batch"
        )
        return stack if stack["StackStatus"] == "CREATE_COMPLETE" else None

    stack = wait_for(state)
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    s3.put_object(Bucket="survey-in", Key="incoming/a b+é.png", Body=png())
    s3.put_object(Bucket="survey-in", Key="incoming/broken.csv", Body=b"")

    def success():
        keys = [e["Key"] for e in s3.list_objects_v2(Bucket="survey-out").get("Contents", ())]
        return [key for key in keys if key.endswith("/_SUCCESS")]

    [key] = wait_for(success)
    said = json.loads(s3.get_object(Bucket="survey-out", Key=key)["Body"].read())
    assert (said["rows"], said["failed"]) == (1, 0)
    assert said["source"]["uri"] == "s3://survey-in/incoming/a b+é.png"

    def letters():
        return sqs.receive_message(
            QueueUrl=outputs["DeadLettersUrl"], MessageAttributeNames=["All"]
        ).get("Messages")

    [letter] = wait_for(letters)
    assert "broken.csv" in letter["MessageAttributes"]["reason"]["StringValue"]

    for bucket in ("survey-in", "survey-out"):
        versions = s3.list_object_versions(Bucket=bucket)
        for each in versions.get("Versions", []) + versions.get("DeleteMarkers", []):
            s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
    stacks.delete_stack(StackName="batch")

    def is_gone():
        buckets = {each["Name"] for each in s3.list_buckets()["Buckets"]}
        return not buckets & {"survey-in", "survey-out"}

    wait_for(is_gone)


@pytest.mark.slow
def test_a_stale_handle_is_refused_and_stops_the_work(aws):
    import threading

    from zooassist_serving.batch.heartbeats import Heartbeats
    from zooassist_serving.batch.outcomes import Abandoned
    from zooassist_serving.batch.queues import Queue

    url = boto3.client("sqs", endpoint_url=aws).create_queue(QueueName="beats")["QueueUrl"]
    queue = Queue(url, aws)
    queue.send(["work"])
    [message] = queue.receive(visibility=2, wait=1)
    with Heartbeats(queue, 3, threading.Event()) as beats:
        hold = beats.hold(message)
        time.sleep(5)
        hold.check()
        assert queue.receive(visibility=3, wait=0) == [], "it stays ours for as long as we work"
        queue.delete(message)
        wait_for(lambda: hold.lost, 20)
        with pytest.raises(Abandoned):
            hold.check()
