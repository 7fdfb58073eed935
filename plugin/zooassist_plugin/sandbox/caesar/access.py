"""Who may do what in Caesar? A credential per token, with the projects known at its first use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.caesar.tables import CaesarWorkflow, Credential
from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.identity import Principal, current_principal
from zooassist_plugin.sandbox.panoptes.tables import Project, ProjectRole
from zooassist_plugin.sandbox.problems import ApiError

EDITOR_ROLES = frozenset({"owner", "collaborator"})


@dataclass(frozen=True)
class Call:
    """One request to Caesar: its transaction, its moment and whose token it carries."""

    sandbox: Sandbox
    session: Session
    credential: Credential | None
    now: datetime

    @property
    def user(self) -> Credential:
        """The credential of a logged-in sender; 401 for anonymous ones."""
        if self.credential is None:
            raise ApiError(401)
        return self.credential

    def may_edit(self, project_id: int) -> bool:
        """Tell whether the token reached this project when it was first used."""
        return self.credential is not None and (
            self.credential.admin or project_id in self.credential.project_ids
        )

    def workflow(self, workflow_id: int) -> CaesarWorkflow:
        """Return a workflow that the sender may change.

        Raises
        ------
        ApiError
            401 for anonymous senders; 404 for unknown and for other people's workflows alike
            (panoptes-client's ``save_workflow`` reads the wording).
        """
        _ = self.user
        found = self.session.get(CaesarWorkflow, workflow_id)
        if found is None or not self.may_edit(found.project_id):
            raise unknown_workflow(workflow_id)
        return found

    def readable_workflow(self, workflow_id: int, public_flag: str) -> CaesarWorkflow:
        """Return a workflow that the sender may change, or that is public in `public_flag`."""
        found = self.session.get(CaesarWorkflow, workflow_id)
        if found is not None and getattr(found, public_flag):
            return found
        return self.workflow(workflow_id)


def unknown_workflow(workflow_id: int) -> ApiError:
    """Return the refusal for a workflow that is not there for this sender."""
    return ApiError(404, f"Couldn't find Workflow with 'id'={workflow_id}")


def _editable_projects(session: Session, user_id: int) -> list[int]:
    owned = session.scalars(select(Project.id).where(Project.owner_id == user_id))
    roles = session.execute(
        select(ProjectRole.project_id, ProjectRole.roles).where(ProjectRole.user_id == user_id)
    )
    shared = {project_id for project_id, held in roles if EDITOR_ROLES & set(held)}
    return sorted({*owned, *shared})


def _credential(sandbox: Sandbox, principal: Principal) -> Credential:
    # In a transaction of its own: the snapshot counts from the first request, even a refused one.
    with sandbox.store.session() as session:
        known = session.get(Credential, principal.token_id)
        if known is None:
            known = Credential(
                token_id=principal.token_id,
                user_id=principal.user_id,
                login=principal.login,
                admin=principal.admin,
                project_ids=_editable_projects(session, principal.user_id),
                created_at=sandbox.config.clock(),
            )
            session.add(known)
        return known


@contextmanager
def open_call(sandbox: Sandbox) -> Iterator[Call]:
    """Open one transaction for the present request; a refusal inside rolls it back."""
    principal = current_principal(sandbox)
    credential = None if principal is None else _credential(sandbox, principal)
    with sandbox.store.session() as session:
        yield Call(sandbox, session, credential, sandbox.config.clock())
