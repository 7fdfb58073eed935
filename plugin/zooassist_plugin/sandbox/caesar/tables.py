"""Which rows does Caesar keep? Its own copy of workflows and subjects, and what it derives.

All tables carry the prefix ``caesar_``: Caesar is another service than Panoptes and shares no row
with it, only identifiers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from zooassist_plugin.sandbox.table_base import Base

DEFAULT_SUBGROUP = "_default"
# What an integer column of PostgreSQL holds.
LARGEST_ID = 2**31 - 1


class Stamped(Base):
    """Columns that every row has."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class CaesarWorkflow(Stamped):
    """A workflow that Caesar processes; its id is the Panoptes id."""

    __tablename__ = "caesar_workflows"

    project_id: Mapped[int] = mapped_column(index=True)
    name: Mapped[str]
    public_extracts: Mapped[bool] = mapped_column(default=False)
    public_reductions: Mapped[bool] = mapped_column(default=False)
    status: Mapped[str] = mapped_column(default="active")
    rules_applied: Mapped[str] = mapped_column(default="all_matching_rules")


class CaesarSubject(Stamped):
    """A subject that Caesar has met, in a classification or in an import."""

    __tablename__ = "caesar_subjects"

    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata")


class Extractor(Stamped):
    """Turns one classification into one extract."""

    __tablename__ = "caesar_extractors"
    __table_args__ = (UniqueConstraint("workflow_id", "key"),)

    workflow_id: Mapped[int]
    key: Mapped[str]
    type: Mapped[str]
    config: Mapped[dict[str, Any]]
    minimum_workflow_version: Mapped[str | None]


class Reducer(Stamped):
    """Turns the extracts of one subject (or volunteer) into reductions, one per subgroup."""

    __tablename__ = "caesar_reducers"
    __table_args__ = (UniqueConstraint("workflow_id", "key"),)

    workflow_id: Mapped[int]
    key: Mapped[str]
    type: Mapped[str]
    topic: Mapped[str] = mapped_column(default="reduce_by_subject")
    reduction_mode: Mapped[str] = mapped_column(default="default_reduction")
    filters: Mapped[dict[str, Any]]
    grouping: Mapped[dict[str, Any]]
    config: Mapped[dict[str, Any]]


class Rule(Stamped):
    """A condition on the reductions of one subject or of one volunteer (`kind`)."""

    __tablename__ = "caesar_rules"

    workflow_id: Mapped[int] = mapped_column(index=True)
    kind: Mapped[str]
    condition: Mapped[list[Any]]
    row_order: Mapped[int] = mapped_column(default=0)


class RuleEffect(Stamped):
    """What happens when the condition of its rule holds."""

    __tablename__ = "caesar_rule_effects"

    rule_id: Mapped[int] = mapped_column(index=True)
    action: Mapped[str]
    config: Mapped[dict[str, Any]]


class RuleAction(Stamped):
    """One effect that was due for one subject or volunteer, and what became of it."""

    __tablename__ = "caesar_actions"
    __table_args__ = (Index("ix_caesar_actions_target", "workflow_id", "kind", "target_id"),)

    kind: Mapped[str]
    workflow_id: Mapped[int]
    rule_id: Mapped[int]
    target_id: Mapped[int]
    effect_type: Mapped[str]
    config: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(default="pending")
    message: Mapped[str] = mapped_column(default="")
    attempted_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]


class Extract(Stamped):
    """What one extractor said about one classification, or an imported machine statement.

    `data` is any JSON value: an import keeps an unparsable cell as a plain string.
    `workflow_version` is empty for an import without that column.
    """

    __tablename__ = "caesar_extracts"
    __table_args__ = (
        Index("ix_caesar_extracts_subject", "workflow_id", "subject_id"),
        Index("ix_caesar_extracts_user", "workflow_id", "user_id"),
        # Two partial unique rows: one extract per classification and extractor, and one machine
        # extract per subject, key and version.
        Index(
            "ux_caesar_extracts_classification",
            "classification_id",
            "extractor_key",
            unique=True,
            sqlite_where=text("classification_id IS NOT NULL"),
            postgresql_where=text("classification_id IS NOT NULL"),
        ),
        Index(
            "ux_caesar_extracts_machine",
            "workflow_id",
            "subject_id",
            "extractor_key",
            "workflow_version",
            unique=True,
            sqlite_where=text("classification_id IS NULL"),
            postgresql_where=text("classification_id IS NULL"),
        ),
    )

    workflow_id: Mapped[int]
    project_id: Mapped[int]
    subject_id: Mapped[int]
    extractor_key: Mapped[str]
    classification_id: Mapped[int | None]
    classification_at: Mapped[datetime]
    user_id: Mapped[int | None]
    workflow_version: Mapped[str] = mapped_column(default="")
    machine_data: Mapped[bool] = mapped_column(default=False)
    data: Mapped[Any] = mapped_column(JSON)


class Reduction(Stamped):
    """What subject and user reductions have in common.

    `extract_ids` are the extracts that a running reducer has already counted.
    """

    __abstract__ = True

    workflow_id: Mapped[int]
    project_id: Mapped[int]
    reducer_key: Mapped[str]
    subgroup: Mapped[str] = mapped_column(default=DEFAULT_SUBGROUP)
    data: Mapped[Any] = mapped_column(JSON)
    store: Mapped[Any] = mapped_column(JSON)
    extract_ids: Mapped[list[Any]]
    lock_version: Mapped[int] = mapped_column(default=0)


class SubjectReduction(Reduction):
    """One reducer's result for one subject and subgroup: what the classifier reads."""

    __tablename__ = "caesar_subject_reductions"
    __table_args__ = (UniqueConstraint("workflow_id", "subject_id", "reducer_key", "subgroup"),)

    subject_id: Mapped[int]


class UserReduction(Reduction):
    """One reducer's result for one volunteer and subgroup."""

    __tablename__ = "caesar_user_reductions"
    __table_args__ = (UniqueConstraint("workflow_id", "user_id", "reducer_key", "subgroup"),)

    user_id: Mapped[int]


class DataRequest(Stamped):
    """An order for a CSV of all extracts or reductions of one workflow."""

    __tablename__ = "caesar_data_requests"

    workflow_id: Mapped[int] = mapped_column(index=True)
    user_id: Mapped[int | None]
    requested_data: Mapped[str]
    subgroup: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="pending")
    records_count: Mapped[int | None]
    # Part of the file's URL: who knows it may read the file, as with a signed object-store URL.
    secret: Mapped[str]


class Credential(Base):
    """What one access token may touch, as found at its first use and never again."""

    __tablename__ = "caesar_credentials"

    token_id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    login: Mapped[str]
    admin: Mapped[bool]
    project_ids: Mapped[list[Any]]
    created_at: Mapped[datetime]
