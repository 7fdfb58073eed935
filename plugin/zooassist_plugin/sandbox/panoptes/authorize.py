"""How does a page get a token for whoever is signed in? /oauth/authorize, the implicit grant.

The classifier's development page signs in so: it sends the browser here, and finds the token behind
the ``#`` of the address to which the browser is sent back. In a hidden frame, it renews its token.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, request
from flask import session as cookie

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.identity import issue_access_token
from zooassist_plugin.sandbox.panoptes.oauth import APPLICATIONS, IMPLICIT, read_scopes
from zooassist_plugin.sandbox.panoptes.signin import RETURN_TO, cookie_user, go_to
from zooassist_plugin.sandbox.problems import ApiError

# A token goes to pages under development on this machine, and to Zooniverse's own names for them.
TRUSTED_NAMES = ("localhost", "127.0.0.1", "[::1]")
TRUSTED_DOMAIN = ".zooniverse.org"


def _is_trusted(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
    except ValueError:
        return False
    named = host in TRUSTED_NAMES or host == "::1" or host.endswith(TRUSTED_DOMAIN)
    return parts.scheme in ("http", "https") and named and not parts.fragment


def _check(client_id: str, kind: str, address: str) -> None:
    application = APPLICATIONS.get(client_id)
    if application is None or IMPLICIT not in application.grants:
        raise ApiError(401, f"client_id {client_id!r} is no application with the implicit grant")
    if kind != "token":
        raise ApiError(401, f"response_type: expected 'token', got {kind!r}")
    if not _is_trusted(address):
        raise ApiError(
            401,
            f"redirect_uri {address!r} is not registered: expected a page on "
            f"{', '.join(TRUSTED_NAMES)} or below {TRUSTED_DOMAIN[1:]}",
        )


def authorize_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return /oauth/authorize."""
    blueprint = Blueprint("authorize", __name__, url_prefix="/oauth")

    @blueprint.get("/authorize")
    def authorize() -> Response:
        address = request.args.get("redirect_uri", "")
        kind, client_id = request.args.get("response_type", ""), request.args.get("client_id", "")
        _check(client_id, kind, address)
        scopes = read_scopes(request.args.get("scope", ""))
        with sandbox.store.session() as session:
            user = cookie_user(session)
            if user is None:
                cookie[RETURN_TO] = request.full_path
                return go_to("/users/sign_in")
            details = {
                "access_token": issue_access_token(sandbox, user, scopes),
                "token_type": "Bearer",
                "expires_in": sandbox.config.token_lifetime,
                "scope": " ".join(scopes),
            }
            return go_to(f"{address}#{urlencode(details)}")

    return blueprint
