"""What does one API request carry into a resource's functions?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from flask import request
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.identity import Principal, current_principal
from zooassist_plugin.sandbox.problems import ApiError


@dataclass(frozen=True)
class Call:
    """One request: its transaction, its moment and who sent it (None: anonymous)."""

    sandbox: Sandbox
    session: Session
    principal: Principal | None
    now: datetime
    acting_admin: bool = False

    @property
    def user(self) -> Principal:
        """The logged-in sender; 401 when there is none."""
        if self.principal is None:
            raise ApiError(401, "You must be logged in to access this resource.")
        return self.principal


@contextmanager
def open_call(sandbox: Sandbox) -> Iterator[Call]:
    """Open one transaction for the present request; a refusal inside rolls it back."""
    principal = current_principal(sandbox)
    # As in Panoptes, the parameter's presence counts, and only for administrators.
    acting_admin = principal is not None and principal.admin and "admin" in request.args
    with sandbox.store.session() as session:
        yield Call(sandbox, session, principal, sandbox.config.clock(), acting_admin)
