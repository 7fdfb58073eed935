"""Which rows does Panoptes keep? Projects, workflows, subjects, classifications, and who they are.

Identifiers are integers here and strings in every JSON answer. `revision` counts the changes of a
row and is what its ETag is made of. Rows refer to each other by plain integer columns: the few
joins are written where they are needed, so lists never load rows one by one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from zooassist_plugin.sandbox.table_base import Base


class Entity(Base):
    """Columns that every resource has."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(default=1)

    def touch(self, now: datetime) -> None:
        """Record a change: the ETag becomes another one, whatever the clock says."""
        self.updated_at = now
        # A row that was just added has no number before its first flush.
        self.revision = (self.revision or 0) + 1


class User(Entity):
    """An account."""

    __tablename__ = "users"

    login: Mapped[str] = mapped_column(unique=True)
    display_name: Mapped[str]
    email: Mapped[str] = mapped_column(default="")
    password_hash: Mapped[str]
    admin: Mapped[bool] = mapped_column(default=False)
    # Staff raise it for one person; None means the sandbox-wide limit.
    subject_limit: Mapped[int | None] = mapped_column(default=None)


class RefreshToken(Base):
    """One unused refresh token, stored as its digest."""

    __tablename__ = "refresh_tokens"

    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    client_id: Mapped[str]
    scopes: Mapped[list[Any]]


class Project(Entity):
    """A project; `live` locks the structure of its active workflows."""

    __tablename__ = "projects"

    slug: Mapped[str] = mapped_column(unique=True)
    owner_id: Mapped[int] = mapped_column(index=True)
    display_name: Mapped[str]
    description: Mapped[str] = mapped_column(default="")
    introduction: Mapped[str] = mapped_column(default="")
    title: Mapped[str] = mapped_column(default="")
    workflow_description: Mapped[str] = mapped_column(default="")
    researcher_quote: Mapped[str] = mapped_column(default="")
    primary_language: Mapped[str] = mapped_column(default="en")
    # New projects are public unless they say otherwise (panoptes issue 4543, since January 2026).
    private: Mapped[bool] = mapped_column(default=False)
    live: Mapped[bool] = mapped_column(default=False)
    launch_requested: Mapped[bool] = mapped_column(default=False)
    launch_approved: Mapped[bool] = mapped_column(default=False)
    beta_requested: Mapped[bool] = mapped_column(default=False)
    beta_approved: Mapped[bool] = mapped_column(default=False)
    configuration: Mapped[dict[str, Any]]
    tags: Mapped[list[Any]]
    urls: Mapped[list[Any]]
    experimental_tools: Mapped[list[Any]]
    active: Mapped[bool] = mapped_column(default=True)


class ProjectRole(Entity):
    """What one user may do in one project."""

    __tablename__ = "project_roles"
    __table_args__ = (UniqueConstraint("project_id", "user_id"),)

    project_id: Mapped[int]
    user_id: Mapped[int] = mapped_column(index=True)
    roles: Mapped[list[Any]]


class Workflow(Entity):
    """A workflow as it is now; `tasks` holds its strings in place."""

    __tablename__ = "workflows"

    project_id: Mapped[int] = mapped_column(index=True)
    display_name: Mapped[str]
    primary_language: Mapped[str]
    first_task: Mapped[str | None]
    tasks: Mapped[dict[str, Any]]
    steps: Mapped[list[Any]]
    configuration: Mapped[dict[str, Any]]
    retirement: Mapped[dict[str, Any]]
    aggregation: Mapped[dict[str, Any]]
    active: Mapped[bool] = mapped_column(default=True)
    grouped: Mapped[bool] = mapped_column(default=False)
    pairwise: Mapped[bool] = mapped_column(default=False)
    prioritized: Mapped[bool] = mapped_column(default=False)
    public_gold_standard: Mapped[bool] = mapped_column(default=False)
    mobile_friendly: Mapped[bool] = mapped_column(default=False)
    tutorial_subject_id: Mapped[int | None]
    major_version: Mapped[int] = mapped_column(default=1)
    minor_version: Mapped[int] = mapped_column(default=1)
    classifications_count: Mapped[int] = mapped_column(default=0)
    retired_subjects_count: Mapped[int] = mapped_column(default=0)
    finished_at: Mapped[datetime | None]
    # Deleted workflows are only switched off: their classifications leave the exports.
    activated: Mapped[bool] = mapped_column(default=True)

    @property
    def version(self) -> str:
        """``major.minor``; a string, since 7.10 is not 7.1."""
        return f"{self.major_version}.{self.minor_version}"


class WorkflowVersion(Base):
    """One past or present definition; `tasks` holds string keys, `strings` the texts."""

    __tablename__ = "workflow_versions"
    __table_args__ = (UniqueConstraint("workflow_id", "major_number", "minor_number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    workflow_id: Mapped[int] = mapped_column(index=True)
    major_number: Mapped[int]
    minor_number: Mapped[int]
    grouped: Mapped[bool]
    pairwise: Mapped[bool]
    prioritized: Mapped[bool]
    first_task: Mapped[str | None]
    tasks: Mapped[dict[str, Any]]
    strings: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WorkflowSubjectSet(Base):
    """A subject set that a workflow shows."""

    __tablename__ = "subject_sets_workflows"

    workflow_id: Mapped[int] = mapped_column(primary_key=True)
    subject_set_id: Mapped[int] = mapped_column(primary_key=True, index=True)


class SubjectSet(Entity):
    """A named set of subjects."""

    __tablename__ = "subject_sets"

    project_id: Mapped[int] = mapped_column(index=True)
    display_name: Mapped[str]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata")
    expert_set: Mapped[bool] = mapped_column(default=False)
    set_member_subjects_count: Mapped[int] = mapped_column(default=0)


class Subject(Entity):
    """What a volunteer looks at.

    `locations` is a list of ``{"mime", "path"}`` (stored here) or ``{"mime", "url"}`` (elsewhere).
    """

    __tablename__ = "subjects"

    project_id: Mapped[int] = mapped_column(index=True)
    uploader_id: Mapped[int] = mapped_column(index=True)
    locations: Mapped[list[Any]]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata")
    external_id: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)


class SetMemberSubject(Entity):
    """One subject's place in one set."""

    __tablename__ = "set_member_subjects"
    __table_args__ = (UniqueConstraint("subject_set_id", "subject_id"),)

    subject_set_id: Mapped[int]
    subject_id: Mapped[int] = mapped_column(index=True)
    priority: Mapped[float | None]
    random: Mapped[float]


class SubjectWorkflowStatus(Entity):
    """How often a subject was classified in a workflow, and whether it is retired there."""

    __tablename__ = "subject_workflow_statuses"
    __table_args__ = (UniqueConstraint("workflow_id", "subject_id"),)

    workflow_id: Mapped[int]
    subject_id: Mapped[int] = mapped_column(index=True)
    classifications_count: Mapped[int] = mapped_column(default=0)
    retired_at: Mapped[datetime | None]
    retirement_reason: Mapped[str | None]


class Classification(Entity):
    """One volunteer's answers about one subject (several in pairwise and grouped workflows)."""

    __tablename__ = "classifications"
    __table_args__ = (
        Index("ix_classifications_project", "project_id", "id"),
        Index("ix_classifications_workflow", "workflow_id", "id"),
    )

    project_id: Mapped[int]
    workflow_id: Mapped[int]
    workflow_version: Mapped[str]
    user_id: Mapped[int | None] = mapped_column(index=True)
    user_ip: Mapped[str]
    subject_ids: Mapped[list[Any]]
    annotations: Mapped[list[Any]]
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata")
    completed: Mapped[bool] = mapped_column(default=True)
    gold_standard: Mapped[bool] = mapped_column(default=False)


class SeenSubject(Base):
    """A logged-in volunteer has classified this subject in this workflow."""

    __tablename__ = "user_seen_subjects"

    user_id: Mapped[int] = mapped_column(primary_key=True)
    workflow_id: Mapped[int] = mapped_column(primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True)


class Medium(Entity):
    """A file that belongs to another resource: attached images, avatars, exports.

    `path` is below the state's media or exports folder; `external_url` is set for linked files.
    """

    __tablename__ = "media"
    __table_args__ = (Index("ix_media_owner", "linked_type", "linked_id", "medium_type"),)

    linked_type: Mapped[str]
    linked_id: Mapped[int]
    medium_type: Mapped[str]
    content_type: Mapped[str]
    path: Mapped[str] = mapped_column(default="")
    external_url: Mapped[str] = mapped_column(default="")
    private: Mapped[bool] = mapped_column(default=False)
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata")
    # Exports: when the last job was let through the rate limit.
    job_started_at: Mapped[datetime | None]


class Tutorial(Entity):
    """A tutorial or mini-course."""

    __tablename__ = "tutorials"

    project_id: Mapped[int] = mapped_column(index=True)
    display_name: Mapped[str] = mapped_column(default="")
    kind: Mapped[str | None]
    language: Mapped[str] = mapped_column(default="en")
    steps: Mapped[list[Any]]
    configuration: Mapped[dict[str, Any]]


class TutorialWorkflow(Base):
    """A workflow that shows a tutorial."""

    __tablename__ = "workflow_tutorials"

    tutorial_id: Mapped[int] = mapped_column(primary_key=True)
    workflow_id: Mapped[int] = mapped_column(primary_key=True, index=True)


class FieldGuide(Entity):
    """Explanations beside the classifier."""

    __tablename__ = "field_guides"

    project_id: Mapped[int] = mapped_column(index=True)
    language: Mapped[str] = mapped_column(default="en")
    items: Mapped[list[Any]]


class Translation(Entity):
    """Texts of one resource in a language other than its own."""

    __tablename__ = "translations"
    __table_args__ = (UniqueConstraint("translated_type", "translated_id", "language"),)

    translated_type: Mapped[str]
    translated_id: Mapped[int]
    language: Mapped[str]
    strings: Mapped[dict[str, Any]]


class ProjectPreference(Entity):
    """One volunteer's settings in one project; `settings` belongs to the project's owner."""

    __tablename__ = "project_preferences"
    __table_args__ = (UniqueConstraint("project_id", "user_id"),)

    project_id: Mapped[int]
    user_id: Mapped[int] = mapped_column(index=True)
    preferences: Mapped[dict[str, Any]]
    settings: Mapped[dict[str, Any]]
    email_communication: Mapped[bool] = mapped_column(default=True)
    activity_count: Mapped[int] = mapped_column(default=0)


class SubjectSetImport(Entity):
    """One manifest import and how far it came."""

    __tablename__ = "subject_set_imports"

    subject_set_id: Mapped[int] = mapped_column(index=True)
    user_id: Mapped[int]
    source_url: Mapped[str]
    manifest_count: Mapped[int] = mapped_column(default=0)
    imported_count: Mapped[int] = mapped_column(default=0)
    failed_count: Mapped[int] = mapped_column(default=0)
    failed_uuids: Mapped[list[Any]]
