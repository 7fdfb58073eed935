"""What does the platform tell us? Subjects, classifications, extracts and reductions, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from zooassist_plugin.errors import BadInput


def read_id(value: object, what: str) -> int:
    """Read a Panoptes id, a decimal string in JSON, as the integer it is in our records."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BadInput(f"{what}: expected an id such as 5678, got {value!r}")
    try:
        number = int(value)
    except ValueError as error:
        raise BadInput(f"{what}: expected an id such as 5678, got {value!r}") from error
    if number < 1:
        raise BadInput(f"{what}: expected a positive id, got {number}")
    return number


def _require_int(record: object, *names: str) -> None:
    for name in names:
        value = getattr(record, name)
        if type(value) is not int:
            raise BadInput(
                f"{type(record).__name__}.{name}: expected an integer id, got {value!r}; "
                "ids are strings only in the platform's JSON"
            )


@dataclass(frozen=True)
class Location:
    """One medium of a subject; its place in the list is the frame number.

    Attributes
    ----------
    mime : str
        As Panoptes states it: ``image/png``.
    url : str
        Where the medium can be fetched.
    """

    mime: str
    url: str


@dataclass(frozen=True)
class Subject:
    """What volunteers look at: one or more media (frames) and free metadata."""

    subject_id: int
    locations: tuple[Location, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_int(self, "subject_id")

    @classmethod
    def from_json(cls, resource: Mapping[str, Any]) -> Subject:
        """Read one entry of Panoptes' ``{"subjects": [...]}``.

        Raises
        ------
        BadInput
            When the id is missing, or `locations` is not a list of one-key objects.
        """
        subject_id = read_id(resource.get("id"), "subject")
        locations = []
        for frame, entry in enumerate(resource.get("locations") or []):
            if not isinstance(entry, Mapping) or len(entry) != 1:
                raise BadInput(
                    f"subject {subject_id}, location {frame}: expected one MIME type with its URL, "
                    f"got {entry!r}"
                )
            [(mime, url)] = entry.items()
            locations.append(Location(mime=str(mime), url=str(url)))
        metadata = resource.get("metadata") or {}
        if not isinstance(metadata, Mapping):
            raise BadInput(f"subject {subject_id}: expected metadata as an object")
        return cls(subject_id, tuple(locations), dict(metadata))


@dataclass(frozen=True)
class Annotation:
    """One task's answer inside a classification.

    Attributes
    ----------
    task : str
        ``T0``, or ``T0.0.0`` for the subtask of a mark.
    value : Any
        As the platform wrote it: an index, a label, a list of either, marks, text, or None.
    task_type : str or None
        ``single``, ``drawing``…; None where the export leaves it out.
    mark_index : int or None
        For a subtask answer: the mark's place in the drawing annotation's value.
    """

    task: str
    value: Any
    task_type: str | None = None
    mark_index: int | None = None


@dataclass(frozen=True)
class Classification:
    """One volunteer, one subject, one workflow.

    Attributes
    ----------
    workflow_version : str
        ``major.minor``; never a number, since 7.10 is not 7.1.
    user_id : int or None
        None for a volunteer who is not logged in; `user_name` then is a hash that is stable
        within one export only.
    """

    classification_id: int
    workflow_id: int
    workflow_version: str
    subject_id: int
    user_id: int | None
    user_name: str
    created_at: datetime
    annotations: tuple[Annotation, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    gold_standard: bool = False

    def __post_init__(self) -> None:
        _require_int(self, "classification_id", "workflow_id", "subject_id")
        if not isinstance(self.workflow_version, str):
            raise BadInput(
                f"classification {self.classification_id}: expected the workflow version as text "
                f"such as '7.10', got {self.workflow_version!r}"
            )


@dataclass(frozen=True)
class Extract:
    """What one extractor took from one classification (or, with `machine_data`, from a model)."""

    workflow_id: int
    subject_id: int
    extractor_key: str
    data: Mapping[str, Any]
    classification_id: int | None = None
    user_id: int | None = None
    classification_at: datetime | None = None
    machine_data: bool = False

    def __post_init__(self) -> None:
        _require_int(self, "workflow_id", "subject_id")


@dataclass(frozen=True)
class Reduction:
    """What one reducer made of a subject's extracts."""

    workflow_id: int
    subject_id: int
    reducer_key: str
    data: Mapping[str, Any]
    subgroup: str = "_default"

    def __post_init__(self) -> None:
        _require_int(self, "workflow_id", "subject_id")
