"""Which versions of a model answer, and to whom? The content of `release.json`.

Changes are pure functions from one release to the next; a store replaces the file whole, and only
when it still holds what the change was made from.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import first_problem
from zooassist_serving.repository.names import VERSION_PATTERN

RELEASE_FILE = "release.json"
ENCODING_TYPE = "zooassist-release"
HISTORY = 50
"""How many earlier versions can be rolled back to."""
MAX_BYTES = 64 * 1024

Version = Annotated[str, Field(pattern=VERSION_PATTERN)]
Share = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class Release(BaseModel):
    """What is served under a model's name.

    Attributes
    ----------
    active : str
        The version that answers.
    history : tuple of str
        What was active before, the latest last; rolling back returns to it.
    shares : dict
        Version -> share of the subjects that it answers instead of the active one.
    shadow : str or None
        A version that also looks at every image, and whose answers are only logged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    encoding_type: Literal["zooassist-release"] = Field(
        default="zooassist-release", alias="encoding-type"
    )
    encoding_version: Literal["0.1.0"] = Field(default="0.1.0", alias="encoding-version")
    active: Version
    history: tuple[Version, ...] = Field(default=(), max_length=HISTORY)
    shares: dict[Version, Share] = Field(default_factory=dict)
    shadow: Version | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Release:
        if self.active in self.shares:
            raise ValueError("shares: the active version answers the rest, and has no share")
        if sum(self.shares.values()) >= 1:
            raise ValueError("shares: expected less than 1 in all, the active one answers the rest")
        if self.shadow is not None and self.shadow in (self.active, *self.shares):
            raise ValueError(f"shadow: {self.shadow} answers already")
        return self

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version that has to be loaded, the active one first."""
        return (self.active, *self.shares, *(() if self.shadow is None else (self.shadow,)))

    def version_for(self, name: str, subject_id: int | None) -> str:
        """Return the version that answers a subject: always the same one while shares stay.

        Which subjects a version answers follows from a hash of model and subject id, so that every
        process says the same, and a growing share keeps the subjects that it had. What is of no
        subject is answered by the active version.
        """
        if subject_id is None or not self.shares:
            return self.active
        place, reached = place_of(name, subject_id), 0.0
        for version, share in self.shares.items():
            reached += share
            if place < reached:
                return version
        return self.active

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        return (json.dumps(self.model_dump(by_alias=True), indent=2) + "\n").encode()


def place_of(name: str, subject_id: int) -> float:
    """Return a subject's place in [0, 1), evenly spread and another one for every model."""
    digest = hashlib.sha256(f"{name}/{subject_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def read_release(content: bytes, place: str) -> Release:
    """Read a `release.json`.

    Raises
    ------
    BadInput
        When it is none.
    """
    if len(content) > MAX_BYTES:
        raise BadInput(f"{place}: expected at most {MAX_BYTES} bytes, got {len(content)}")
    try:
        return Release.model_validate_json(content)
    except ValidationError as error:
        raise BadInput(
            f"{place}: expected a release: {first_problem(error)}; activate a version again"
        ) from error


def activated(before: Release | None, version: str) -> Release:
    """Return the release in which a version answers all subjects.

    Shares end, since they were shares beside the version that answered before; so does the shadow
    when it is the version that now answers.
    """
    if before is None:
        return Release(active=version)
    history = before.history
    if version != before.active:
        history = (*history, before.active)[-HISTORY:]
    shadow = None if before.shadow == version else before.shadow
    return Release(active=version, history=history, shadow=shadow)


def rolled_back(before: Release) -> Release:
    """Return the release in which the version before the active one answers again.

    Raises
    ------
    BadInput
        When there is none.
    """
    if not before.history:
        raise BadInput(
            f"expected an earlier version to roll back to, but {before.active} is the first that "
            "was activated; activate another version instead"
        )
    *history, version = before.history
    shadow = None if before.shadow == version else before.shadow
    return Release(active=version, history=tuple(history), shadow=shadow)


def with_shares(before: Release, shares: dict[str, float]) -> Release:
    """Return the release in which other versions answer shares of the subjects.

    Raises
    ------
    BadInput
        When the shares are none.
    """
    return _made(before, shares=shares)


def with_shadow(before: Release, version: str | None) -> Release:
    """Return the release in which a version is the shadow, or none is.

    Raises
    ------
    BadInput
        When that version answers already.
    """
    return _made(before, shadow=version)


def _made(before: Release, **changes: object) -> Release:
    try:
        return Release.model_validate(before.model_dump() | changes)
    except ValidationError as error:
        raise BadInput(first_problem(error)) from error
