"""Who is asking? Access tokens (RS512 JWT with Panoptes' payload): issued, verified, expired."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

import jwt
from flask import g, request

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.tables import User
from zooassist_plugin.sandbox.problems import ApiError

ISSUER = "pan-sand"


@dataclass(frozen=True)
class Principal:
    """A logged-in user; `token_id` identifies the access token (Caesar snapshots rights by it)."""

    user_id: int
    login: str
    admin: bool
    token_id: str
    scopes: tuple[str, ...] = ()


def issue_access_token(sandbox: Sandbox, user: User, scopes: list[str]) -> str:
    """Sign a token that `current_principal` accepts for ``config.token_lifetime`` seconds."""
    expires = sandbox.config.clock() + timedelta(seconds=sandbox.config.token_lifetime)
    payload = {
        "data": {
            "id": user.id,
            "login": user.login,
            "dname": user.display_name,
            "scope": scopes,
            "admin": user.admin,
        },
        "exp": int(expires.timestamp()),
        "iss": ISSUER,
        "rng": secrets.token_hex(2),
    }
    return jwt.encode(payload, sandbox.keys.private, algorithm="RS512")


def principal_of_token(sandbox: Sandbox, token: str) -> Principal:
    """Verify one access token.

    Raises
    ------
    ApiError
        401 when the token is not ours, altered or expired by the sandbox's clock.
    """
    try:
        # PyJWT would compare `exp` with the machine's clock; ours is injectable.
        payload = jwt.decode(
            token,
            sandbox.keys.public,
            algorithms=["RS512"],
            issuer=ISSUER,
            options={"verify_exp": False, "verify_iat": False},
        )
    except jwt.InvalidTokenError:
        raise ApiError(401, "You must be logged in to access this resource.") from None
    if payload["exp"] <= sandbox.config.clock().timestamp():
        raise ApiError(401, "Your access token has expired; ask for a new one.")
    data = payload["data"]
    token_id = hashlib.sha256(token.encode()).hexdigest()
    return Principal(data["id"], data["login"], data["admin"], token_id, tuple(data["scope"]))


def current_principal(sandbox: Sandbox) -> Principal | None:
    """Return who sends the present request, None for anonymous.

    The classifier sends an empty ``Authorization`` header for anonymous volunteers.
    """
    if "principal" not in g:
        scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
        token = token.strip()
        bearer = scheme.lower() == "bearer" and token not in ("", "null", "undefined")
        g.principal = principal_of_token(sandbox, token) if bearer else None
    principal: Principal | None = g.principal
    return principal
