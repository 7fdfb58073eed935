"""How does a program get an access token? POST /oauth/token with one of three grants."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify, request
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.identity import issue_access_token
from zooassist_plugin.sandbox.panoptes.accounts import OWNER, user_by_login, verified_user
from zooassist_plugin.sandbox.panoptes.conventions import read_json
from zooassist_plugin.sandbox.panoptes.signin import cookie_user
from zooassist_plugin.sandbox.panoptes.tables import RefreshToken, User
from zooassist_plugin.sandbox.problems import ApiError
from zooassist_plugin.sandbox.strict_json import NUL

SCOPES = (
    "user", "project", "group", "collection", "classification", "subject", "medium",
    "organization", "translation", "public",
)  # fmt: skip


@dataclass(frozen=True)
class Application:
    """One OAuth application: its trust decides which grants it may use."""

    client_id: str
    grants: tuple[str, ...]
    secret: str = ""
    owner: str = ""


# Asked for at /oauth/authorize, not here.
IMPLICIT = "implicit"
FIRST_PARTY = ("password", "refresh_token")

# The first-party identifiers are the public ones that unmodified clients are built with.
APPLICATIONS: dict[str, Application] = {
    app.client_id: app
    for app in (
        Application("sandbox", ("client_credentials", "refresh_token"), "sandbox", OWNER),
        # panoptes-client (Python): production, staging.
        Application(
            "ce310d45f951de68c4cc8ef46ca38cc0a008f607a2026680295757bfef99f43c", FIRST_PARTY
        ),
        Application(
            "e094b63362fdef0548e0bbcc6e6cb5996c422d3a770074ef972432d57d41049c", FIRST_PARTY
        ),
        # The web front ends: production, staging.
        Application(
            "f79cf5ea821bb161d8cbb52d061ab9a2321d7cb169007003af66b43f7b79ce2a", FIRST_PARTY
        ),
        Application(
            "535759b966935c297be11913acee7a9ca17c025f9f15520e7504728e71110a27", FIRST_PARTY
        ),
        # The classifier's development page: no password of anybody's goes through it.
        Application(
            "7532a403edf16f31fb2a210b8a49f59553d45064e6c292679c3eac53631d73d1", (IMPLICIT,)
        ),
    )
}


class _Refused(Exception):
    """An OAuth refusal: ``{"error": ..., "error_description": ...}`` with 401."""

    def __init__(self, error: str, description: str) -> None:
        self.error, self.description = error, description
        super().__init__(error)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def read_scopes(given: str) -> list[str]:
    """Read a list of scopes, all of them when none is named; 422 for an unknown one."""
    scopes = given.replace("+", " ").split()
    if set(scopes) - set(SCOPES):
        raise ApiError(422)  # the real one answers an empty body
    return scopes or list(SCOPES)


def _application(form: Mapping[str, Any], grant: str) -> Application:
    application = APPLICATIONS.get(str(form.get("client_id", "")))
    if application is None:
        raise _Refused("invalid_client", "Client authentication failed due to unknown client.")
    if grant not in application.grants or grant == IMPLICIT:
        raise ApiError(422)
    # A refresh may come without the secret: panoptes-client sends none.
    secret = str(form.get("client_secret", ""))
    needed = grant == "client_credentials" or bool(secret)
    if needed and not hmac.compare_digest(secret.encode(), application.secret.encode()):
        raise _Refused("invalid_client", "Client authentication failed: wrong client_secret.")
    return application


def _password_user(session: Session, form: Mapping[str, Any]) -> User:
    if form.get("password") is not None:
        user = verified_user(session, form.get("login") or form.get("username"), form["password"])
    else:
        user = cookie_user(session)
    if user is None:
        raise _Refused("invalid_grant", "The provided authorization grant is invalid: sign in.")
    return user


def _refreshed(session: Session, form: Mapping[str, Any]) -> tuple[User, list[str]]:
    token = session.get(RefreshToken, _digest(str(form.get("refresh_token", ""))))
    if token is None or token.client_id != form.get("client_id"):
        raise _Refused("invalid_grant", "The refresh token is unknown, used or another client's.")
    session.delete(token)
    return session.get_one(User, token.user_id), list(token.scopes)


def _grant(sandbox: Sandbox, form: Mapping[str, Any]) -> dict[str, Any]:
    grant = str(form.get("grant_type", ""))
    application = _application(form, grant)
    scopes = read_scopes(str(form.get("scope", "")))
    with sandbox.store.session() as session:
        if grant == "client_credentials":
            owner = user_by_login(session, application.owner)
            if owner is None:
                raise _Refused("invalid_client", f"no account {application.owner!r}")
            user = owner
        elif grant == "password":
            user = _password_user(session, form)
        else:
            user, scopes = _refreshed(session, form)
        answer = {
            "access_token": issue_access_token(sandbox, user, scopes),
            "token_type": "Bearer",
            "expires_in": sandbox.config.token_lifetime,
            "scope": " ".join(scopes),
            "created_at": int(sandbox.config.clock().timestamp()),
        }
        if grant != "client_credentials":
            refresh = secrets.token_hex(32)
            session.add(
                RefreshToken(
                    digest=_digest(refresh),
                    user_id=user.id,
                    client_id=application.client_id,
                    scopes=scopes,
                )
            )
            answer["refresh_token"] = refresh
        return answer


def oauth_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return /oauth/token and /oauth/revoke."""
    blueprint = Blueprint("oauth", __name__, url_prefix="/oauth")

    def form() -> Mapping[str, Any]:
        if request.is_json:
            return read_json()
        if any(NUL in value for value in request.form.values()):
            raise ApiError(400, "a form field holds the character NUL (%00)")
        return request.form

    @blueprint.post("/token")
    def token() -> tuple[Response, int] | Response:
        try:
            response = jsonify(_grant(sandbox, form()))
        except _Refused as refusal:
            body = {"error": refusal.error, "error_description": refusal.description}
            return jsonify(body), 401
        response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.post("/revoke")
    def revoke() -> Response:
        digest = _digest(str(form().get("token", "")))
        with sandbox.store.session() as session:
            stored = session.get(RefreshToken, digest)
            if stored is not None:
                session.delete(stored)
        return jsonify({})

    return blueprint
