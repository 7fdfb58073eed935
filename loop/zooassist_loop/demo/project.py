"""Make the demo's project on the sandbox: a workflow, a subject set, and uploaded images."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from zooassist_plugin.errors import BadInput
from zooassist_plugin.panoptes import Panoptes
from zooassist_plugin.project_building import (
    NewSubject,
    add_subjects,
    create_project,
    create_subject_set,
    create_workflow,
    upload_subjects,
)
from zooassist_plugin.workflow import Workflow


class DemoImage(Protocol):
    """What becomes a subject; its name is unique within the demo."""

    @property
    def name(self) -> str:
        """The subject's ``filename``."""

    @property
    def image(self) -> Path:
        """A file that browsers can show."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Further metadata of the subject."""


Item = TypeVar("Item", bound=DemoImage)


@dataclass(frozen=True)
class Plan:
    """What the project is called and asks.

    Attributes
    ----------
    what : str
        What its images show, in the plural; the subject set's name.
    asks : str
        The workflow's name.
    """

    description: str
    what: str
    asks: str
    tasks: Mapping[str, Any]
    first_task: str


@dataclass(frozen=True)
class DemoProject(Generic[Item]):
    """Where the demo works, and which image each subject is."""

    workflow: Workflow
    subject_set_id: int
    items: dict[int, Item]
    problems: tuple[str, ...]


def build_project(
    panoptes: Panoptes,
    images: Sequence[Item],
    plan: Plan,
    progress: Callable[[], None] = lambda: None,
) -> DemoProject[Item]:
    """Create project, workflow and subject set, and upload every image.

    One that cannot be uploaded becomes one line of `problems`.
    """
    project_id = create_project(
        panoptes, "zooassist demo", plan.description, private=False, live=True
    )
    subject_set_id = create_subject_set(panoptes, project_id, plan.what)
    workflow = create_workflow(
        panoptes,
        project_id,
        plan.asks,
        plan.tasks,
        plan.first_task,
        subject_set_ids=[subject_set_id],
        # Retirement is ours to decide, at the end of the round.
        retirement={"criteria": "never_retire", "options": {}},
        active=True,
    )
    new = [
        NewSubject(
            each.name,
            ((_mime(each.image), each.image.read_bytes()),),
            {"filename": each.name, **each.metadata},
        )
        for each in images
    ]
    uploaded, failed = upload_subjects(panoptes, project_id, new, progress)
    if not uploaded:
        raise BadInput(f"no image could be uploaded; the first: {failed[0]}")
    by_name = {each.name: each for each in images}
    items = {subject.subject_id: by_name[str(subject.metadata["filename"])] for subject in uploaded}
    add_subjects(panoptes, subject_set_id, list(items))
    return DemoProject(workflow, subject_set_id, items, tuple(str(each) for each in failed))


def _mime(image: Path) -> str:
    mime, _ = mimetypes.guess_type(image.name)
    if mime not in ("image/png", "image/jpeg", "image/gif"):
        raise BadInput(f"{image}: expected a .png, .jpg or .gif image, which browsers can show")
    return mime
