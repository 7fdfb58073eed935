"""How does a prefix of an S3 bucket hold a repository?

The release is written with a condition (``If-Match``, ``If-None-Match``), which the store itself
enforces: of two changes made from the same release one is refused, whoever makes them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zooassist_plugin.errors import BadInput, Refused
from zooassist_plugin.model_card import CARD_FILE
from zooassist_plugin.output_paths import temporary_beside, writing
from zooassist_serving.model_folder import UNSAFE_SUFFIXES, ModelFolder, load_model_folder
from zooassist_serving.repository.names import check_name, check_version, is_name, is_version
from zooassist_serving.repository.release import MAX_BYTES, RELEASE_FILE, Release, read_release
from zooassist_serving.repository.store import ChangedMeanwhile, Stamped, check_is, files_of

MAX_FILES = 64
MAX_MODEL_BYTES = 8 * 2**30
TIMEOUT, TRIES = 20.0, 3


class _Absent(Exception):
    """There is no such key."""


@dataclass(frozen=True)
class S3Place:
    """Where in S3: bucket and prefix, the prefix without slashes at its ends."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, url: str) -> S3Place:
        """Read ``s3://bucket/prefix``.

        Raises
        ------
        BadInput
            When it is none.
        """
        bucket, _, prefix = url.removeprefix("s3://").partition("/")
        prefix = prefix.strip("/")
        parts = prefix.split("/") if prefix else []
        if not url.startswith("s3://") or not bucket or any(p in ("", ".", "..") for p in parts):
            raise BadInput(f"{url[:200]}: expected s3://bucket or s3://bucket/prefix")
        return cls(bucket, prefix)

    def key(self, *parts: str) -> str:
        """Return the key of something under the prefix."""
        return "/".join(part for part in (self.prefix, *parts) if part)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


class S3Store:
    """A repository in a bucket; versions are copied to a folder of this machine before they run.

    Parameters
    ----------
    cache : Path
        Where copies are kept: ``<cache>/<model>/<version>``. Several processes may share it.
    client : boto3 client, optional
        Made from the environment (``AWS_ACCESS_KEY_ID``, ``AWS_PROFILE``…) by default.
    endpoint_url : str, optional
        Of another server than AWS; ``AWS_ENDPOINT_URL_S3`` or ``AWS_ENDPOINT_URL`` by default.
    """

    def __init__(
        self,
        place: S3Place,
        cache: Path,
        client: Any = None,  # noqa: ANN401 - boto3 has no types
        endpoint_url: str | None = None,
    ) -> None:
        self._at, self._cache = place, cache
        self._client = client or _client(endpoint_url)

    @property
    def place(self) -> str:
        """The URL."""
        return str(self._at)

    def names(self) -> tuple[str, ...]:
        """Return the models that have a folder here, sorted; see `Store`."""
        return tuple(sorted(name for name in self._folders() if is_name(name)))

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the whole versions of a model, sorted."""
        check_name(name)
        found = [version for version in self._folders(name) if is_version(version)]
        return tuple(sorted(v for v in found if CARD_FILE in self._files(name, v)))

    def read(self, name: str) -> Stamped:
        """Return a model's release."""
        key = self._at.key(check_name(name), RELEASE_FILE)
        try:
            with self._asking(f"GET {key}"):
                answer = self._client.get_object(Bucket=self._at.bucket, Key=key)
                with answer["Body"] as body:
                    content = body.read(MAX_BYTES + 1)
        except _Absent:
            return Stamped(None, "")
        return Stamped(read_release(content, f"{self.place}/{name}"), str(answer["ETag"]))

    def replace(self, name: str, release: Release, stamp: str) -> None:
        """Replace a model's release by another, in one step; see `Store`."""
        key = self._at.key(check_name(name), RELEASE_FILE)
        condition = {"IfMatch": stamp} if stamp else {"IfNoneMatch": "*"}
        try:
            with self._asking(f"PUT {key}"):
                self._client.put_object(
                    Bucket=self._at.bucket,
                    Key=key,
                    Body=release.to_bytes(),
                    ContentType="application/json",
                    **condition,
                )
        except _Absent as error:
            raise ChangedMeanwhile(name) from error

    def folder(self, name: str, version: str) -> ModelFolder:
        """Return a version's folder on this machine, fetched and verified if it is not there."""
        out = self._cache / check_name(name) / check_version(version)
        if (out / CARD_FILE).exists():
            try:
                return check_is(load_model_folder(out), name, version)
            except BadInput:
                # A disk that lost bytes, or a hand in the cache: the bucket has it whole.
                with writing(out):
                    shutil.rmtree(out, ignore_errors=True)
        return self._fetch(name, version, out)

    def add(self, folder: ModelFolder) -> bool:
        """Keep a copy of a verified model folder; returns whether it is new."""
        name, version = folder.card.name, folder.card.version
        if CARD_FILE in self._files(name, version):
            return False
        for path in files_of(folder):
            key = self._at.key(name, version, path.name)
            with self._asking(f"PUT {key}"):
                self._client.upload_file(str(path), self._at.bucket, key)
        return True

    def _fetch(self, name: str, version: str, out: Path) -> ModelFolder:
        files = self._files(name, version)
        place = f"{self.place}/{name}/{version}"
        if CARD_FILE not in files:
            raise BadInput(
                f"{place}: expected a model folder, found no {CARD_FILE}; add the model again"
            )
        for file in files:
            if Path(file).suffix.lower() in UNSAFE_SUFFIXES:
                reason = UNSAFE_SUFFIXES[Path(file).suffix.lower()]
                raise BadInput(f"{place}/{file}: {reason} does not belong in a model folder")
        if len(files) > MAX_FILES or sum(files.values()) > MAX_MODEL_BYTES:
            raise BadInput(
                f"{place}: expected at most {MAX_FILES} files of {MAX_MODEL_BYTES:,} bytes in all, "
                f"found {len(files)} of {sum(files.values()):,}"
            )
        with writing(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            temporary = temporary_beside(out)
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            try:
                for file in files:
                    key = self._at.key(name, version, file)
                    try:
                        with self._asking(f"GET {key}"):
                            self._client.download_file(self._at.bucket, key, str(temporary / file))
                    except _Absent as error:
                        raise BadInput(
                            f"{place}/{file}: was removed while it was fetched; add the model again"
                        ) from error
                check_is(load_model_folder(temporary), name, version)
                try:
                    temporary.rename(out)
                except OSError:
                    if not (out / CARD_FILE).exists():
                        raise  # else another process fetched the same bytes
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return check_is(load_model_folder(out), name, version)

    def _folders(self, *parts: str) -> list[str]:
        prefix = self._prefix(*parts)
        found: list[str] = []
        for page in self._pages(Prefix=prefix, Delimiter="/"):
            found += [each["Prefix"] for each in page.get("CommonPrefixes", ())]
        return [each.removeprefix(prefix).rstrip("/") for each in found]

    def _files(self, name: str, version: str) -> dict[str, int]:
        """Return the files of a version and their sizes; what lies in folders below is none."""
        prefix = self._prefix(name, version)
        files: dict[str, int] = {}
        for page in self._pages(Prefix=prefix, Delimiter="/"):
            for each in page.get("Contents", ()):
                file = str(each["Key"]).removeprefix(prefix)
                # Keys may hold anything; a copy takes plain names only.
                if file and file[0] != "." and Path(file).name == file and "\0" not in file:
                    files[file] = int(each["Size"])
        return files

    def _prefix(self, *parts: str) -> str:
        key = self._at.key(*parts)
        return f"{key}/" if key else ""

    def _pages(self, **options: str) -> Iterator[dict[str, Any]]:
        with self._asking(f"list {options['Prefix']}"):
            paginator = self._client.get_paginator("list_objects_v2")
            yield from paginator.paginate(Bucket=self._at.bucket, **options)

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Turn what S3 says into our errors; raises `_Absent` for a key that is not there."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        side = f"S3 at {self.place}"
        try:
            yield
        except ClientError as error:
            said = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status == 404 and said.get("Code") in ("NoSuchKey", "404"):
                raise _Absent(what) from error
            if status in (409, 412):
                raise ChangedMeanwhile(what) from error
            raise Refused(
                f"{side} answered {status} to {what} ({said.get('Code')}: {said.get('Message')}); "
                "check the bucket's name and what these credentials may do"
            ) from error
        except (BotoCoreError, Boto3Error) as error:
            raise Refused(
                f"{side} did not answer {what} ({error}); check the credentials, the endpoint and "
                "the network"
            ) from error


def _client(endpoint_url: str | None) -> Any:  # noqa: ANN401
    import boto3
    from botocore.config import Config

    for variable in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        endpoint_url = endpoint_url or os.environ.get(variable)
    config = Config(
        connect_timeout=5,
        read_timeout=TIMEOUT,
        retries={"max_attempts": TRIES, "mode": "standard"},
        # Other servers than AWS know neither checksums in trailers nor bucket names as hosts.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"} if endpoint_url else None,
    )
    return boto3.client("s3", endpoint_url=endpoint_url, config=config)
