"""Is this a classification? What POST /classifications refuses with 422."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zooassist_plugin.sandbox.panoptes.conventions import Body, as_ids, linked_id
from zooassist_plugin.sandbox.panoptes.schemas import ARRAY, FLAG, OBJECT, Schema
from zooassist_plugin.sandbox.problems import ApiError

REQUIRED_METADATA = (
    "started_at",
    "finished_at",
    "user_agent",
    "user_language",
    "workflow_version",
)

CLASSIFICATION = Schema(
    "classifications",
    {
        "annotations": ARRAY,
        "metadata": OBJECT,
        "completed": FLAG,
        "gold_standard": (bool, type(None)),
        "links": OBJECT,
    },
    required=("annotations", "metadata", "links"),
)


@dataclass(frozen=True)
class ClassificationLinks:
    """What a classification is about."""

    project_id: int
    workflow_id: int
    subject_ids: list[int]


def check_annotations(annotations: object) -> None:
    """Refuse anything but a list of objects; where one names its task, by a text."""
    if not isinstance(annotations, list):
        raise ApiError(422, "annotations: expected a list")
    for index, annotation in enumerate(annotations):
        if not isinstance(annotation, Mapping):
            raise ApiError(422, f"annotations[{index}]: expected an object, got {annotation!r}")
        if not isinstance(annotation.get("task", ""), str):
            raise ApiError(
                422, f"annotations[{index}].task: expected a string, got {annotation['task']!r}"
            )


def check_metadata(metadata: Mapping[str, object]) -> None:
    """Refuse metadata that lack what Panoptes requires."""
    for name in REQUIRED_METADATA:
        if not isinstance(metadata.get(name), str):
            raise ApiError(422, f"metadata: expected a string under {name!r}")
    if not isinstance(metadata.get("seen_before", False), bool):
        raise ApiError(422, "metadata.seen_before: expected a boolean")


def read_links(body: Body) -> ClassificationLinks:
    """Return the ids of project, workflow and subjects; 422 when one is missing."""
    subjects = body["links"].get("subjects")
    if not isinstance(subjects, list) or not subjects:
        raise ApiError(422, "links.subjects: expected a list with at least one subject id")
    return ClassificationLinks(
        linked_id(body, "project"), linked_id(body, "workflow"), as_ids(subjects, "links.subjects")
    )
