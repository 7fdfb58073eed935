"""How is S3, or what speaks like it, read and written? Once, whole, and in the state that was seen.

boto3 repeats what failed before an answer began. Here is what it leaves to its callers: a body that
breaks off is fetched again from where it broke, under the condition that it is still the same
object (``If-Match``). A write is conditional (``If-None-Match: *``) and carries a token, so that an
answer that was lost can be told from another writer's success.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from zooassist_plugin.errors import Refused
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.stores.s3_errors import CHANGED, code_of, explain
from zooassist_serving.batch.stores.signed_reads import SignedReader
from zooassist_serving.batch.stores.store import Busy, Looked, ObjectProblem, too_large

CHUNK: Final = 2**20
# Variables with which boto3, too, reaches another store than AWS's.
ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
TRIES: Final = 6
# boto3's own, which wait longer and longer.
CALL_TRIES: Final = 4
# Another writer is at the same object just now.
CONFLICTS: Final = {"ConditionalRequestConflict", "OperationAborted", "409"}
TOKEN: Final = "zooassist-writer"
LONGEST_PAUSE: Final = 8.0  # seconds


@dataclass(frozen=True)
class S3Options:
    """How a store is reached.

    Attributes
    ----------
    endpoint_url : str, optional
        Of a store other than AWS.
    encryption : str, optional
        ``AES256`` or ``aws:kms``; the bucket's own rule by default.
    kms_key : str, optional
    requester_pays : bool
        Agree to pay for reads of other people's buckets.
    connections : int
        At once; as many as there are downloads in flight.
    """

    endpoint_url: str | None = None
    region: str | None = None
    encryption: str | None = None
    kms_key: str | None = None
    requester_pays: bool = False
    connections: int = 48


class S3Store:
    """Buckets; safe to use from several threads. Credentials come by boto3's usual chain.

    Parameters
    ----------
    sleep : callable
        Waits between two tries.
    """

    def __init__(self, options: S3Options, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        # A session of our own: boto3's own would keep the first credentials for good.
        session = boto3.session.Session()
        elsewhere = options.endpoint_url or next(
            (os.environ[each] for each in ENDPOINTS if os.environ.get(each)), None
        )
        self._client: Any = session.client(
            "s3",
            endpoint_url=options.endpoint_url,
            region_name=options.region or (None if elsewhere is None else "us-east-1"),
            config=Config(
                retries={"mode": "standard", "max_attempts": CALL_TRIES},
                max_pool_connections=options.connections,
                connect_timeout=5,
                read_timeout=30,
                # Other stores have no names per bucket, and may know no trailing checksums.
                s3={"addressing_style": "path" if elsewhere else "auto"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )
        self._paying = {"RequestPayer": "requester"} if options.requester_pays else {}
        credentials = session.get_credentials()
        self._reader = None
        if credentials is not None:
            self._reader = SignedReader(
                self._base_of,
                credentials,
                self._client.meta.region_name,
                options.connections,
                {"x-amz-request-payer": "requester"} if options.requester_pays else {},
            )
        self._encryption: dict[str, str] = {}
        if options.encryption:
            self._encryption["ServerSideEncryption"] = options.encryption
        if options.kms_key:
            self._encryption["SSEKMSKeyId"] = options.kms_key

    def read(self, seen: Seen, limit: int) -> bytes:
        """Return an object's bytes."""
        if self._reader is not None:
            data = self._reader.read(seen, limit)
            if data is not None:
                return data
        content = bytearray()

        def keep(chunk: bytes) -> None:
            content.extend(chunk)

        self._stream(seen, limit, keep)
        return bytes(content)

    def download(self, seen: Seen, path: Path, limit: int) -> None:
        """Write an object into a file."""
        with path.open("wb") as file:
            self._stream(seen, limit, cast("Callable[[bytes], None]", file.write))

    def _stream(self, seen: Seen, limit: int, keep: Callable[[bytes], None]) -> None:
        """Pass on the bytes of one state of an object, going on where an answer broke off."""
        place, got, etag, size = seen.place, 0, seen.etag, -1
        for attempt in range(TRIES):
            asked: dict[str, Any] = {"Bucket": place.bucket, "Key": place.key, **self._paying}
            if seen.version and seen.version != "null":
                asked["VersionId"] = seen.version
            if etag:
                asked["IfMatch"] = f'"{etag}"'
            if got:
                asked["Range"] = f"bytes={got}-"
            try:
                answer = self._client.get_object(**asked)
            except (ClientError, BotoCoreError) as error:
                raise explain(error, f"read {place.uri}", place) from error
            body: BinaryIO = answer["Body"]
            try:
                if size < 0:
                    size, etag = int(answer["ContentLength"]), str(answer["ETag"]).strip('"')
                if size > limit:
                    raise too_large(place, size, limit)
                while chunk := body.read(CHUNK):
                    got += len(chunk)
                    keep(chunk)
                if got == size:
                    return
            except (BotoCoreError, HTTPError, OSError) as error:
                if attempt == TRIES - 1:
                    raise Busy(
                        f"read {place.uri}: the answer broke off at {got:,} of {size:,} bytes "
                        f"({type(error).__name__}) again and again; check the network"
                    ) from error
            finally:
                body.close()
            self._pause(attempt)
        raise Busy(f"read {place.uri}: got {got:,} of {size:,} bytes again and again")

    def look(self, place: Place) -> Looked | None:
        """Ask for an object's header."""
        try:
            said = self._client.head_object(Bucket=place.bucket, Key=place.key, **self._paying)
        except (ClientError, BotoCoreError) as error:
            problem = explain(error, f"look at {place.uri}", place)
            if isinstance(problem, ObjectProblem) and problem.trouble == "gone":
                return None
            raise problem from error
        seen = Seen(
            place,
            etag=str(said["ETag"]).strip('"'),
            version=str(said.get("VersionId") or ""),
            size=int(said["ContentLength"]),
        )
        return Looked(seen, dict(said.get("Metadata") or {}))

    def put_new(self, place: Place, data: bytes, metadata: Mapping[str, str]) -> bool:
        """Write an object unless one is there."""
        token = secrets.token_hex(8)
        for attempt in range(TRIES):
            try:
                self._client.put_object(
                    Bucket=place.bucket,
                    Key=place.key,
                    Body=data,
                    Metadata={**metadata, TOKEN: token},
                    IfNoneMatch="*",
                    **self._encryption,
                )
            except ClientError as error:
                if code_of(error) in CHANGED:
                    # boto3 may have repeated a write whose answer was lost: was it ours?
                    there = self.look(place)
                    if there is not None:
                        return there.metadata.get(TOKEN) == token
                    # Refused for an upload of another that has not ended, or deleted since.
                elif code_of(error) not in CONFLICTS:
                    raise explain(error, f"write {place.uri}") from error
                self._pause(attempt)
            except BotoCoreError as error:
                raise explain(error, f"write {place.uri}") from error
            else:
                return True
        raise Busy(f"write {place.uri}: refused again and again; wait a little")

    def put(self, place: Place, data: bytes) -> None:
        """Write an object, replacing what is there."""
        try:
            self._client.put_object(
                Bucket=place.bucket, Key=place.key, Body=data, **self._encryption
            )
        except (ClientError, BotoCoreError) as error:
            raise explain(error, f"write {place.uri}") from error

    def list(self, prefix: Place) -> Iterator[Seen]:
        """Yield the objects below a prefix, page by page."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=prefix.bucket, Prefix=prefix.key, **self._paying
        )
        try:
            for page in pages:
                for each in page.get("Contents", ()):
                    yield Seen(
                        Place(prefix.bucket, each["Key"]),
                        etag=str(each["ETag"]).strip('"'),
                        size=int(each["Size"]),
                    )
        except (ClientError, BotoCoreError) as error:
            raise explain(error, f"list {prefix.uri}") from error

    def presign(self, place: Place, seconds: int) -> str | None:
        """Return an address that reads the object for so long."""
        try:
            url = self._client.generate_presigned_url(
                "get_object", Params={"Bucket": place.bucket, "Key": place.key}, ExpiresIn=seconds
            )
        except (ClientError, BotoCoreError) as error:
            raise explain(error, f"sign {place.uri}") from error
        return str(url)

    def _base_of(self, bucket: str) -> str:
        """Return the address of a bucket's objects, as boto3 makes it."""
        address = self.presign(Place(bucket, "k"), 60)
        return str(address).partition("?")[0].removesuffix("k")

    def _pause(self, attempt: int) -> None:
        # Not all workers at the same moment again.
        share = 0.5 + secrets.randbelow(1000) / 1000
        self._sleep(min(LONGEST_PAUSE, 0.1 * 2**attempt) * share)


def check_conditional_writes(store: S3Store, prefix: Place) -> None:
    """Refuse a store that ignores ``If-None-Match``: there, two workers would both commit.

    Raises
    ------
    Refused
    """
    probe = prefix.child("_zooassist/conditional-writes")
    store.put_new(probe, b"written once\n", {})
    if store.put_new(probe, b"written once\n", {}):
        raise Refused(
            f"{prefix.uri}: expected a store that refuses to write an object twice "
            "(If-None-Match: *), got one that does; use AWS, Ceph, MinIO or another that has it"
        )
