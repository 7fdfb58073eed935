"""Make the demo's project on the sandbox: a workflow, a subject set, and uploaded galaxies."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zooassist_loop.demo.galaxies import DemoData, DemoGalaxy
from zooassist_loop.demo.tasks import DRAWING_TASK, workflow_tasks
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
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


@dataclass(frozen=True)
class DemoProject:
    """Where the demo works, and which galaxy each subject is."""

    workflow: Workflow
    subject_set_id: int
    galaxies: dict[int, DemoGalaxy]
    problems: tuple[str, ...]


def build_project(
    panoptes: Panoptes,
    data: DemoData,
    schema: LabelSchema,
    progress: Callable[[], None] = lambda: None,
) -> DemoProject:
    """Create project, workflow and subject set, and upload every galaxy.

    A galaxy that cannot be uploaded becomes one line of `problems`.
    """
    project_id = create_project(
        panoptes, "zooassist demo", "Galaxies with proposals to correct", private=False, live=True
    )
    subject_set_id = create_subject_set(panoptes, project_id, "galaxies")
    workflow = create_workflow(
        panoptes,
        project_id,
        "Outline and describe",
        workflow_tasks(schema),
        DRAWING_TASK,
        subject_set_ids=[subject_set_id],
        # Retirement is ours to decide, at the end of the round.
        retirement={"criteria": "never_retire", "options": {}},
        active=True,
    )
    new = [
        NewSubject(
            galaxy.name,
            ((_mime(galaxy.image), galaxy.image.read_bytes()),),
            {"filename": galaxy.name, **galaxy.metadata},
        )
        for galaxy in data.galaxies
    ]
    uploaded, failed = upload_subjects(panoptes, project_id, new, progress)
    if not uploaded:
        raise BadInput(f"no galaxy could be uploaded; the first: {failed[0]}")
    by_name = {galaxy.name: galaxy for galaxy in data.galaxies}
    galaxies = {
        subject.subject_id: by_name[str(subject.metadata["filename"])] for subject in uploaded
    }
    add_subjects(panoptes, subject_set_id, list(galaxies))
    return DemoProject(workflow, subject_set_id, galaxies, tuple(str(each) for each in failed))


def _mime(image: Path) -> str:
    mime, _ = mimetypes.guess_type(image.name)
    if mime not in ("image/png", "image/jpeg", "image/gif"):
        raise BadInput(f"{image}: expected a .png, .jpg or .gif image, which browsers can show")
    return mime
