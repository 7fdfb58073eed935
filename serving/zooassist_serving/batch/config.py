"""Which bucket, which model, where to, and then? The table `batch` of `assist.toml`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import first_problem
from zooassist_plugin.settings import CONFIG_FILE
from zooassist_serving.batch.jobs import MOST_ROWS, SHARD_ROWS
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.reading_rules import ZOONIVERSE_HOSTS, ReadingRules

if TYPE_CHECKING:
    from zooassist_serving.batch.stores.s3 import S3Options

# The whole file as text: containers and functions have an environment and no folder.
TEXT_VARIABLE: Final = "ZOOASSIST_BATCH_TOML"
# As `media.MAX_MEDIA_BYTES`; more is no picture that a volunteer is shown.
IMAGE_BYTES: Final = 100 * 2**20
# Below what one upload to S3 can be (5 GB): archives that large are made by accident.
CONTAINER_BYTES: Final = 4 * 2**30


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Webhook(_Table):
    """Tell an address that a job is done; signed, see `webhooks`.

    Attributes
    ----------
    secret_variable : str
        Environment variable with the secret that both sides know.
    link_seconds : int
        How long the links to the results in the message hold; 0: none are sent.
    """

    url: str
    secret_variable: str = "ZOOASSIST_WEBHOOK_SECRET"
    link_seconds: int = Field(0, ge=0, le=7 * 24 * 3600)

    @field_validator("url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        parts = urlsplit(url)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if not parts.hostname or parts.scheme not in ("https", *(["http"] if local else [])):
            raise ValueError(f"expected an https URL, got {url!r}")
        return url


class Propose(_Table):
    """Propose the subjects of a set to a workflow's volunteers, as `zooassist propose` does."""

    workflow: int
    subject_set: int


class NextStep(_Table):
    """What happens when all parts of a job are there; in this order, each at least once.

    Attributes
    ----------
    catalogue : str, optional
        A ``.parquet`` or ``.csv`` file with all rows; ``{name}`` is the object's, ``{job}`` the
        job's name.
    propose : Propose, optional
    command : list of str, optional
        A program and its arguments, with ``ZOOASSIST_JOB`` and ``ZOOASSIST_SUCCESS`` in its
        environment.
    webhook : Webhook, optional
    """

    catalogue: str | None = None
    propose: Propose | None = None
    command: tuple[str, ...] = ()
    webhook: Webhook | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing happens."""
        return self == NextStep()

    @field_validator("catalogue")
    @classmethod
    def _is_table(cls, place: str | None) -> str | None:
        if place is not None and not place.endswith((".parquet", ".csv")):
            raise ValueError(f"expected a name that ends with .parquet or .csv, got {place!r}")
        return place


class Route(_Table):
    """From which prefix, with which model, to which prefix.

    Attributes
    ----------
    source : str
        ``from`` in the file: ``s3://bucket/prefix``.
    to : str
        ``s3://bucket/prefix`` or a folder; each job has its own folder below it.
    suffixes : tuple of str
        Only keys that end so; empty: all.
    shard_rows : int
        Images per shard, 500 to 5,000 for anything but tests.
    failure_budget : float
        Share of a shard's rows that may fail; a shard with more is not written, but goes to the
        dead-letter queue.
    """

    source: str = Field(alias="from")
    model: str
    to: str
    suffixes: tuple[str, ...] = ()
    shard_rows: int = Field(SHARD_ROWS, ge=1, le=MOST_ROWS)
    failure_budget: float = Field(0.5, ge=0, le=1)
    embedding: bool = False
    next: NextStep = NextStep()

    @field_validator("source", "to")
    @classmethod
    def _is_place(cls, text: str) -> str:
        Place.parse(text)
        return text

    @model_validator(mode="after")
    def _does_not_feed_itself(self) -> Route:
        if self.output.is_below(self.origin) and self.origin.key.rstrip("/"):
            raise ValueError(f"expected `to` outside of `from`, got {self.to!r} in {self.source!r}")
        return self

    @property
    def origin(self) -> Place:
        """The prefix of objects."""
        return Place.parse(self.source)

    @property
    def output(self) -> Place:
        """The prefix of results."""
        return Place.parse(self.to)

    def takes(self, place: Place) -> bool:
        """Whether an object is this route's."""
        return place.is_below(self.origin) and (
            not self.suffixes or place.key.lower().endswith(tuple(s.lower() for s in self.suffixes))
        )


class BatchConfig(_Table):
    """The table `batch`.

    Attributes
    ----------
    queue, dead_letters : str, optional
        URLs of the SQS queues.
    endpoint_url, queue_endpoint_url : str, optional
        Of stores and queues other than AWS's.
    visibility : int
        Seconds for which a message that is worked on is hidden from others; extended as long as
        the work goes on.
    attempts : int
        Tries before a message goes to the dead-letter queue.
    slots : int
        Messages that one worker works on at once.
    downloads : int
        Objects in flight at once, over all slots.
    threads : int, optional
        That decode and run the graph; all cores by default.
    read_buckets, read_hosts : tuple of str
        Beside the routes' own buckets: what manifests may point at.
    reads_anything : bool
        Manifests may point at whatever this account can read: for a person at the command line,
        who wrote or chose them.
    """

    queue: str | None = None
    dead_letters: str | None = None
    endpoint_url: str | None = None
    queue_endpoint_url: str | None = None
    region: str | None = None
    encryption: Literal["AES256", "aws:kms"] | None = None
    kms_key: str | None = None
    requester_pays: bool = False
    visibility: int = Field(120, ge=2, le=43_200)
    attempts: int = Field(4, ge=1, le=1_000)
    slots: int = Field(2, ge=1, le=64)
    downloads: int = Field(32, ge=1, le=256)
    threads: int | None = Field(None, ge=1)
    batch_size: int = Field(64, ge=1, le=1024)
    device: Literal["cpu", "cuda"] = "cpu"
    max_image_bytes: int = Field(IMAGE_BYTES, ge=1)
    max_container_bytes: int = Field(CONTAINER_BYTES, ge=1)
    read_buckets: tuple[str, ...] = ()
    read_hosts: tuple[str, ...] = ZOONIVERSE_HOSTS
    routes: tuple[Route, ...] = Field((), alias="route")
    reads_anything: bool = Field(False, exclude=True)

    @model_validator(mode="after")
    def _routes_differ(self) -> BatchConfig:
        sources = [(route.source, route.suffixes) for route in self.routes]
        twice = next((each for each in sources if sources.count(each) > 1), None)
        if twice:
            raise ValueError(f"two routes are from {twice[0]!r}; give each its own prefix")
        return self

    def route_for(self, place: Place) -> Route | None:
        """Return the route with the longest prefix; results themselves have none."""
        if any(place.is_below(_as_folder(route.output)) for route in self.routes):
            return None
        fitting = [route for route in self.routes if route.takes(place)]
        return max(fitting, key=lambda route: len(route.origin.key), default=None)

    @property
    def rules(self) -> ReadingRules:
        """What manifests may point at."""
        if self.reads_anything:
            return ReadingRules()
        buckets = {route.origin.bucket for route in self.routes} | set(self.read_buckets)
        return ReadingRules(frozenset(buckets - {""}), frozenset(map(str.lower, self.read_hosts)))

    def s3_options(self) -> S3Options:
        """Say how S3 is reached."""
        from zooassist_serving.batch.stores.s3 import S3Options

        return S3Options(
            endpoint_url=self.endpoint_url,
            region=self.region,
            encryption=self.encryption,
            kms_key=self.kms_key,
            requester_pays=self.requester_pays,
            connections=self.downloads + 2 * self.slots,
        )


def load_config(path: Path | None = None, environ: Mapping[str, str] | None = None) -> BatchConfig:
    """Read the table `batch`.

    Parameters
    ----------
    path : Path, optional
        Another file than ``./assist.toml``, which must exist then.
    environ : mapping, optional
        Of the process by default; `TEXT_VARIABLE` there stands for the file.

    Raises
    ------
    BadInput
        When the file is not TOML, or says something that we don't know.
    """
    environ = os.environ if environ is None else environ
    where = str(path or CONFIG_FILE)
    if path is None and environ.get(TEXT_VARIABLE):
        where, text = TEXT_VARIABLE, environ[TEXT_VARIABLE]
    else:
        file = path or Path(CONFIG_FILE)
        if path is None and not file.exists():
            return BatchConfig()
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{file}: expected a settings file: {error}") from error
    try:
        content: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{where}: expected TOML, got: {error}") from error
    try:
        return BatchConfig.model_validate(content.get("batch", {}))
    except ValidationError as error:
        raise BadInput(f"{where}: batch: {first_problem(error)}") from error
    except BadInput as error:
        raise BadInput(f"{where}: batch: {error}") from error


def _as_folder(place: Place) -> Place:
    key = place.key if not place.key or place.key.endswith("/") else f"{place.key}/"
    return Place(place.bucket, key)
