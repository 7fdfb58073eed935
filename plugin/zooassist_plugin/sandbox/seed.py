"""How does a folder of images become a project? Project, workflow, subject set and subjects."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from zooassist_plugin.errors import BadInput
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.identity import Principal
from zooassist_plugin.sandbox.panoptes.accounts import OWNER
from zooassist_plugin.sandbox.panoptes.call import Call
from zooassist_plugin.sandbox.panoptes.media import EXTENSIONS, store_file
from zooassist_plugin.sandbox.panoptes.membership import add_subjects
from zooassist_plugin.sandbox.panoptes.projects import PROJECTS, slug_of
from zooassist_plugin.sandbox.panoptes.subject_sets import SUBJECT_SETS
from zooassist_plugin.sandbox.panoptes.subjects import make_subject
from zooassist_plugin.sandbox.panoptes.tables import Project, User
from zooassist_plugin.sandbox.panoptes.workflows import WORKFLOWS
from zooassist_plugin.sandbox.problems import ApiError
from zooassist_plugin.sandbox.strict_json import parse_json

BATCH = 100

DEFAULT_PROJECT: dict[str, Any] = {
    "description": "Images of one folder.",
    "primary_language": "en",
    "private": False,
}

# An ellipse on the object whose subtasks ask what it is: the one kind of question whose answers
# the classifier can show already given.
DEFAULT_WORKFLOW: dict[str, Any] = {
    "display_name": "Outline and classify",
    "primary_language": "en",
    "first_task": "T0",
    "tasks": {
        "T0": {
            "type": "drawing",
            "instruction": "Outline the object in the centre and say what it is.",
            "help": "",
            "next": None,
            "tools": [
                {
                    "type": "ellipse",
                    "label": "Object",
                    "color": "#ff9e00",
                    "min": 0,
                    "max": 5,
                    "size": "large",
                    "details": [
                        {
                            "type": "single",
                            "question": "Is the object smooth or does it have features?",
                            "required": False,
                            "answers": [
                                {"label": "Smooth"},
                                {"label": "Features or disk"},
                                {"label": "Star or artifact"},
                            ],
                        },
                        {
                            "type": "single",
                            "question": "How rounded is it?",
                            "required": False,
                            "answers": [
                                {"label": "Completely round"},
                                {"label": "In between"},
                                {"label": "Cigar shaped"},
                            ],
                        },
                    ],
                }
            ],
        }
    },
    "configuration": {"subject_viewer": "singleImage"},
    "retirement": {"criteria": "classification_count", "options": {"count": 5}},
}


@dataclass(frozen=True)
class Seed:
    """What was made, and which files were not taken."""

    project_id: int
    slug: str
    workflow_id: int
    subject_set_id: int
    subject_ids: dict[str, int]
    skipped: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the ids; subjects by file name."""
        return {
            "project_id": self.project_id,
            "slug": self.slug,
            "workflow_id": self.workflow_id,
            "subject_set_id": self.subject_set_id,
            "subjects": self.subject_ids,
        }


def _overrides(path: Path) -> dict[str, Any]:
    """Read an optional JSON object of attributes."""
    if not path.exists():
        return {}
    try:
        content = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: expected a JSON object, got: {error}") from error
    if not isinstance(content, dict):
        raise BadInput(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


def _images(folder: Path) -> tuple[list[tuple[Path, str]], list[str]]:
    found, skipped = [], []
    for path in sorted(folder.iterdir()):
        mime = mimetypes.guess_type(path.name)[0] or ""
        if not path.is_file() or path.suffix in (".json", ".csv", ".md", ".txt", ".parquet"):
            continue
        if mime not in EXTENSIONS or not mime.startswith(("image/", "video/")):
            skipped.append(f"{path}: not an image or video the platform takes; left out")
        elif any("\ud800" <= letter <= "\udfff" for letter in path.name):
            # What Python makes of bytes that are not UTF-8; no JSON could carry it.
            skipped.append(f"{str(path)!r}: the file name is not UTF-8; left out, rename it")
        elif path.stat().st_size == 0:
            skipped.append(f"{path}: empty file; left out")
        else:
            found.append((path, mime))
    return found, skipped


def _free_name(call: Call, name: str) -> str:
    """Return `name`, or with a number when the owner has a project of that name."""
    slugs = set(call.session.scalars(select(Project.slug)))
    number, candidate = 1, name
    while slug_of(OWNER, candidate) in slugs:
        number += 1
        candidate = f"{name} {number}"
    return candidate


def _create(call: Call, body: Mapping[str, Any], resource: Any) -> Any:  # noqa: ANN401
    row = resource.create(call, dict(body))
    call.session.flush()
    return row


def seed_sandbox(sandbox: Sandbox, folder: Path, name: str = "") -> Seed:
    """Make a project of a folder of images, owned by ``builder``.

    Raises
    ------
    BadInput
        When the folder holds no image, or its ``project.json`` or ``workflow.json`` is refused.
    """
    images, skipped = _images(folder)
    if not images:
        raise BadInput(f"{folder}: expected images (png, jpeg, gif, tiff, svg), found none")
    project_body = DEFAULT_PROJECT | _overrides(folder / "project.json")
    workflow_body = DEFAULT_WORKFLOW | _overrides(folder / "workflow.json")
    now = sandbox.config.clock()
    try:
        with sandbox.store.session() as session:
            owner = session.scalars(select(User).where(User.login == OWNER)).one()
            principal = Principal(owner.id, owner.login, owner.admin, token_id="")
            call = Call(sandbox, session, principal, now)
            title = folder.resolve().name or "images"
            wanted = name or project_body.get("display_name") or title
            project_body["display_name"] = _free_name(call, wanted)
            project = _create(call, project_body, PROJECTS)
            links = {"links": {"project": str(project.id)}}
            subject_set = _create(call, {"display_name": title} | links, SUBJECT_SETS)
            links["links"]["subject_sets"] = [str(subject_set.id)]  # type: ignore[assignment]
            workflow = _create(call, workflow_body | links, WORKFLOWS)
            subject_ids = _add_images(call, project.id, subject_set.id, images)
    except ApiError as refusal:
        raise BadInput(f"{folder}: {refusal.message}") from refusal
    return Seed(project.id, project.slug, workflow.id, subject_set.id, subject_ids, tuple(skipped))


def _add_images(
    call: Call, project_id: int, subject_set_id: int, images: list[tuple[Path, str]]
) -> dict[str, int]:
    """Store the files and add their subjects; files first, so no subject lacks its media."""
    numbers: dict[str, int] = {}
    for start in range(0, len(images), BATCH):
        rows = []
        for path, mime in images[start : start + BATCH]:
            row = make_subject(call, project_id, [mime], {"filename": path.name})
            store_file(call.sandbox, row.locations[0]["path"], path.read_bytes())
            rows.append((path.name, row))
        call.session.flush()
        add_subjects(call.session, subject_set_id, [row.id for _, row in rows], call.now)
        numbers |= {name: row.id for name, row in rows}
    return numbers
