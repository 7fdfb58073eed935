"""Put one file into S3 and give a presigned address; remove it when it was read."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zooassist_plugin.errors import BadInput, Refused
from zooassist_plugin.extracts_csv import CsvHost

LIFETIME = 24 * 3600  # seconds: Caesar's import queue may be long


def s3_host(argument: str, base_url: str | None, port: int) -> CsvHost:
    """Return a host for ``s3://bucket/prefix``; credentials come from boto3's usual places.

    Raises
    ------
    BadInput
        When the argument names no bucket.
    """
    bucket, _, prefix = argument.removeprefix("s3://").partition("/")
    if not argument.startswith("s3://") or not bucket:
        raise BadInput(f"--csv-host: expected s3://bucket/prefix, got {argument!r}")
    key_prefix = f"{prefix.rstrip('/')}/" if prefix else ""

    @contextmanager
    def host(file: Path) -> Iterator[str]:
        import boto3  # the [aws] extra
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        key = f"{key_prefix}{file.stem}-{secrets.token_urlsafe(12)}.csv"
        try:
            client = boto3.client("s3")
            client.upload_file(str(file), bucket, key, ExtraArgs={"ContentType": "text/csv"})
            url = client.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=LIFETIME
            )
        except (Boto3Error, BotoCoreError, ClientError) as error:
            raise Refused(
                f"s3://{bucket}/{key}: the upload was refused ({error}); check the bucket, the "
                "region and the AWS credentials"
            ) from error
        yield str(url)
        # Only on a clean end: after an error Caesar may still be about to fetch the file.
        client.delete_object(Bucket=bucket, Key=key)

    return host
