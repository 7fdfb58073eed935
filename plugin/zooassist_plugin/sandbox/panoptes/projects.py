"""What is a project? /api/projects: create, find by slug, change, link workflows and sets."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence

from flask import Blueprint, Response
from sqlalchemy import ColumnElement, func, select

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.access import (
    editable_project,
    projects_with,
    readable_project,
)
from zooassist_plugin.sandbox.panoptes.attached import includable_medium
from zooassist_plugin.sandbox.panoptes.call import Call, open_call
from zooassist_plugin.sandbox.panoptes.conventions import (
    Body,
    as_id,
    as_ids,
    enforce_conventions,
)
from zooassist_plugin.sandbox.panoptes.copying import copy_subject_sets, copy_workflows
from zooassist_plugin.sandbox.panoptes.envelope import answer, ids, page_meta, stamp
from zooassist_plugin.sandbox.panoptes.resource import Includable, LinkDoor, Resource
from zooassist_plugin.sandbox.panoptes.schemas import PROJECT
from zooassist_plugin.sandbox.panoptes.tables import (
    Project,
    ProjectRole,
    Subject,
    SubjectSet,
    Translation,
    User,
    Workflow,
)
from zooassist_plugin.sandbox.panoptes.users import represent_user
from zooassist_plugin.sandbox.problems import ApiError

PLAIN = (
    "display_name", "description", "introduction", "title", "workflow_description",
    "researcher_quote", "primary_language", "private", "live", "launch_requested",
    "launch_approved", "beta_requested", "beta_approved", "configuration", "tags", "urls",
    "experimental_tools",
)  # fmt: skip
# Only staff approve a launch or switch experimental tools on, but one machine has no staff to ask:
# the sandbox lets the owner do it.


def slug_of(login: str, display_name: str) -> str:
    """Return ``owner/name-of-project`` as Panoptes derives it."""

    def part(text: str) -> str:
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
        return re.sub(r"[^a-z0-9_\-]+", "-", plain).strip("-") or "project"

    return f"{part(login)}/{part(display_name)}"


def _counts(call: Call, numbers: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Classifications and retired subjects per project."""
    rows = call.session.execute(
        select(
            Workflow.project_id,
            func.sum(Workflow.classifications_count),
            func.sum(Workflow.retired_subjects_count),
        )
        .where(Workflow.project_id.in_(numbers))
        .group_by(Workflow.project_id)
    )
    return {project: (int(classified), int(retired)) for project, classified, retired in rows}


def _represent(call: Call, rows: Sequence[Project]) -> list[Body]:
    numbers = [row.id for row in rows]
    workflows: dict[int, list[int]] = defaultdict(list)
    active: dict[int, list[int]] = defaultdict(list)
    for project_id, workflow_id, is_active in call.session.execute(
        select(Workflow.project_id, Workflow.id, Workflow.active)
        .where(Workflow.project_id.in_(numbers), Workflow.activated)
        .order_by(Workflow.id)
    ):
        workflows[project_id].append(workflow_id)
        if is_active:
            active[project_id].append(workflow_id)
    sets: dict[int, list[int]] = defaultdict(list)
    for project_id, set_id in call.session.execute(
        select(SubjectSet.project_id, SubjectSet.id)
        .where(SubjectSet.project_id.in_(numbers))
        .order_by(SubjectSet.id)
    ):
        sets[project_id].append(set_id)
    subjects = dict(
        call.session.execute(
            select(Subject.project_id, func.count())
            .where(Subject.project_id.in_(numbers), Subject.active)
            .group_by(Subject.project_id)
        ).all()
    )
    owners = {
        user.id: user
        for user in call.session.scalars(
            select(User).where(User.id.in_([row.owner_id for row in rows]))
        )
    }
    languages: dict[int, set[str]] = defaultdict(set)
    for project_id, language in call.session.execute(
        select(Translation.translated_id, Translation.language).where(
            Translation.translated_type == "project", Translation.translated_id.in_(numbers)
        )
    ):
        languages[project_id].add(language)
    counts = _counts(call, numbers)
    items = []
    for row in rows:
        classified, retired = counts.get(row.id, (0, 0))
        owner = owners[row.owner_id]
        items.append(
            {"id": str(row.id), "slug": row.slug, "href": f"/projects/{row.id}"}
            | {name: getattr(row, name) for name in PLAIN}
            | {
                "title": row.title or row.display_name,
                "available_languages": [
                    row.primary_language,
                    *sorted(languages[row.id] - {row.primary_language}),
                ],
                "classifications_count": classified,
                "subjects_count": subjects.get(row.id, 0),
                "retired_subjects_count": retired,
                "classifiers_count": 0,
                "completeness": 0.0,
                "activity": 0,
                "state": "live" if row.live else "development",
                "redirect": None,
                "launch_date": None,
                "avatar_src": "",
                "created_at": stamp(row.created_at),
                "updated_at": stamp(row.updated_at),
                "links": {
                    "workflows": ids(workflows[row.id]),
                    "active_workflows": ids(active[row.id]),
                    "subject_sets": ids(sets[row.id]),
                    "owner": {
                        "id": str(owner.id),
                        "type": "users",
                        "display_name": owner.display_name,
                        "href": f"/users/{owner.id}",
                    },
                }
                | {
                    kind: {"href": f"/projects/{row.id}/{kind}", "type": f"{kind.rstrip('s')}s"}
                    for kind in ("avatar", "background", "attached_images", "pages")
                },
            }
        )
    return items


def _owners(call: Call, rows: Sequence[Project]) -> list[Body]:
    """Return the owners' accounts, as ``include=owners`` of a project's page asks for them."""
    numbers = {row.owner_id for row in rows}
    query = select(User).where(User.id.in_(numbers)).order_by(User.id)
    return [represent_user(user) for user in call.session.scalars(query)]


def _assign(row: Project, body: Body) -> None:
    for name in PLAIN:
        if name in body:
            setattr(row, name, "" if body[name] is None else body[name])


def _name_free(call: Call, slug: str, own_id: int = 0) -> str:
    if call.session.scalar(select(Project.id).where(Project.slug == slug, Project.id != own_id)):
        raise ApiError(400, "Validation failed: Display name Must be unique for owner")
    return slug


def _create(call: Call, body: Body) -> Project:
    PROJECT.check(body)
    user = call.user
    row = Project(
        slug=_name_free(call, slug_of(user.login, body["display_name"])),
        owner_id=user.user_id,
        configuration={},
        tags=[],
        urls=[],
        experimental_tools=[],
        created_at=call.now,
        updated_at=call.now,
    )
    _assign(row, body)
    call.session.add(row)
    call.session.flush()
    call.session.add(
        ProjectRole(
            project_id=row.id,
            user_id=user.user_id,
            roles=["owner"],
            created_at=call.now,
            updated_at=call.now,
        )
    )
    links = body.get("links", {})
    copy_workflows(call, row, as_ids(links.get("workflows", []), "links.workflows"))
    copy_subject_sets(call, row, as_ids(links.get("subject_sets", []), "links.subject_sets"))
    return row


def _update(call: Call, row: Project, body: Body) -> None:
    PROJECT.check(body, creating=False)
    if body.get("display_name", row.display_name) != row.display_name:
        owner = call.session.get_one(User, row.owner_id)
        row.slug = _name_free(call, slug_of(owner.login, body["display_name"]), row.id)
    _assign(row, body)


def _delete(call: Call, row: Project) -> None:
    row.active = False
    row.slug = f"deleted/{row.id}"


def _mine(call: Call, text: str) -> ColumnElement[bool]:
    """Projects in which the caller holds one of the roles; none for anonymous callers."""
    return Project.id.in_(projects_with(call, text.split(",")))


def _tagged(call: Call, text: str) -> ColumnElement[bool]:
    """Projects that hold any of the tags; JSON lists are compared here, alike on every database."""
    wanted = {tag.strip().lower() for tag in text.split(",")}
    rows = call.session.execute(select(Project.id, Project.tags).where(Project.active))
    found = [number for number, tags in rows if wanted & {str(tag).lower() for tag in tags}]
    return Project.id.in_(found)


PROJECTS = Resource(
    name="projects",
    singular="project",
    table=Project,
    visible=readable_project,
    editable=editable_project,
    represent=_represent,
    link_types={
        "workflows": "workflows",
        "active_workflows": "workflows",
        "subject_sets": "subject_sets",
        "owner": "users",
    },
    filters={
        "slug": lambda _call, text: Project.slug.in_(text.strip("/").lower().split(",")),
        "display_name": lambda _call, text: Project.display_name == text,
        "owner": lambda _call, text: Project.owner_id.in_(
            select(User.id).where(func.lower(User.login) == text.lower())
        ),
        "live": lambda _call, text: Project.live.is_(text.lower() == "true"),
        "private": lambda _call, text: Project.private.is_(text.lower() == "true"),
        "current_user_roles": _mine,
        "search": lambda _call, text: Project.display_name.icontains(text, autoescape=True),
        "tags": _tagged,
        "launch_approved": lambda _call, text: Project.launch_approved.is_(text.lower() == "true"),
    },
    sorts={
        "id": Project.id,
        "display_name": Project.display_name,
        "updated_at": Project.updated_at,
    },
    create=_create,
    update=_update,
    delete=_delete,
    links={
        "workflows": LinkDoor(copy_workflows),
        "subject_sets": LinkDoor(copy_subject_sets),
    },
    includable={
        "avatar": includable_medium("projects", "avatar"),
        "background": includable_medium("projects", "background"),
        "owners": Includable("owners", _owners),
    },
)


def project_pages_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return /api/projects/:id/pages, which a project's menu asks for: there are none here."""
    blueprint = Blueprint("project_pages", __name__, url_prefix="/api/projects/<int:project_id>")

    @blueprint.get("/pages")
    def list_pages(project_id: int) -> Response:
        with open_call(sandbox) as call:
            PROJECTS.find(call, as_id(project_id))
            return answer("project_pages", [], meta=page_meta(1, 20, 0, 0))

    return enforce_conventions(blueprint)
