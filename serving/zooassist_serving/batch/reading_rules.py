"""May a manifest make us read that? Only buckets and hosts that the configuration names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.places import S3, Place
from zooassist_serving.catalogue.rows import is_url

# Where Zooniverse keeps subjects' files.
ZOONIVERSE_HOSTS: Final = (
    "panoptes-uploads.zooniverse.org",
    "panoptes-uploads-staging.zooniverse.org",
)


@dataclass(frozen=True)
class ReadingRules:
    """What may be read on behalf of somebody who can only write into a bucket.

    Without it a manifest could make a worker read other people's buckets, or ask addresses of its
    own network.

    Attributes
    ----------
    buckets : frozenset of str, or None
        None: any, for a person at the command line.
    hosts : frozenset of str, or None
        Hosts of http(s) URLs, with the port where it is not the usual one.
    """

    buckets: frozenset[str] | None = None
    hosts: frozenset[str] | None = None

    def resolve(self, text: str, manifest: Place) -> str:
        """Return what a manifest's entry means: an URL or the text of a place.

        Raises
        ------
        BadInput
            When it may not be read, or means nothing.
        """
        if is_url(text):
            self._check_host(text)
            return text
        if text.startswith(S3):
            place = Place.parse(text)
            if not place.key:
                raise BadInput(f"{text[:200]}: expected an object, got a bucket; mend it")
        elif not manifest.bucket and self.buckets is None:
            # A person's own list of files of this machine.
            return text if text.startswith("/") else _local(manifest, text)
        else:
            place = manifest.beside(text)
        if place.bucket and self.buckets is not None and place.bucket not in self.buckets:
            raise BadInput(
                f"{place.uri[:200]}: expected one of the buckets {', '.join(sorted(self.buckets))}"
                "; name it under `read_buckets` if it may be read"
            )
        return place.uri

    def _check_host(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host = parts.netloc.lower()
        except ValueError as error:
            raise BadInput(f"expected an http(s) URL, got {url[:200]!r}") from error
        if not host or "@" in host:
            raise BadInput(f"expected an http(s) URL, got {url.partition('?')[0][:200]!r}")
        if self.hosts is not None and host not in self.hosts:
            raise BadInput(
                f"{parts.scheme}://{host}: expected one of the hosts "
                f"{', '.join(sorted(self.hosts)) or '(none)'}; name it under `read_hosts` if it "
                "may be asked"
            )


def _local(manifest: Place, text: str) -> str:
    folder = manifest.key.rpartition("/")[0]
    return f"{folder}/{text}" if folder else text
