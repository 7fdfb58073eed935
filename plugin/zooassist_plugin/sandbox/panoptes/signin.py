"""How does a person sign in? /users/sign_in with a CSRF token and a session cookie."""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask import session as cookie
from sqlalchemy.orm import Session

from zooassist_plugin.sandbox.context import Sandbox
from zooassist_plugin.sandbox.panoptes.accounts import (
    ADMIN,
    OWNER,
    PASSWORD,
    VOLUNTEERS,
    add_user,
    user_by_login,
    verified_user,
)
from zooassist_plugin.sandbox.panoptes.conventions import read_json
from zooassist_plugin.sandbox.panoptes.signin_page import signin_page
from zooassist_plugin.sandbox.panoptes.tables import User
from zooassist_plugin.sandbox.panoptes.users import represent_user
from zooassist_plugin.sandbox.problems import ApiError

LOGIN = re.compile(r"[\w\-.]{1,60}")
# Where in the cookie stands which page of ours sent a person here.
RETURN_TO = "return_to"
WRONG = "Invalid email or password."
ACCOUNTS = f"Accounts: {OWNER}, {ADMIN}, {VOLUNTEERS[0]} ...; every password is {PASSWORD}."


def _csrf_token() -> str:
    token = cookie.get("csrf")
    if not isinstance(token, str):
        token = cookie["csrf"] = secrets.token_urlsafe(32)
    return token


def go_to(address: str) -> Response:
    """Send a browser on; a path stays on the host asked, whose cookie holds who signed in."""
    return Response(status=302, headers={"Location": address})


def _is_browsing() -> bool:
    """Whether a person looks at the answer: programs ask for JSON."""
    return "text/html" in request.headers.get("Accept", "")


def _page(problem: str = "", login: str = "") -> Response:
    text = signin_page(_csrf_token(), login, problem, ACCOUNTS)
    return Response(text, 401 if problem else 200, mimetype="text/html")


def _signed_in_page(sandbox: Sandbox) -> Response:
    """Sign in with the form's fields, and go on to where the person was sent from."""
    form = request.form
    _check_csrf({"authenticity_token": form.get("authenticity_token", "")})
    login = form.get("user[login]", "")
    with sandbox.store.session() as session:
        user = verified_user(session, login, form.get("user[password]"))
        if user is None:
            return _page(WRONG, login)
        cookie["user_id"] = user.id
    address = cookie.pop(RETURN_TO, None)
    if address is None:
        return Response(f"Signed in as {user.login}.", mimetype="text/plain")
    return go_to(address)


def _check_csrf(body: dict[str, Any]) -> None:
    given = body.get("authenticity_token") or request.headers.get("X-CSRF-Token") or ""
    expected = cookie.get("csrf", "")
    if not expected or not hmac.compare_digest(str(given).encode(), expected.encode()):
        raise ApiError(422, "Can't verify CSRF token authenticity: GET /users/sign_in first")


def _signed_in(user: User, status: int) -> Response:
    cookie["user_id"] = user.id
    response = jsonify({"users": [represent_user(user, own=True)]})
    response.status_code = status
    return response


def signin_blueprint(sandbox: Sandbox) -> Blueprint:
    """Return /users/sign_in, /users/sign_out and the registration at /users."""
    blueprint = Blueprint("signin", __name__, url_prefix="/users")

    @blueprint.after_request
    def send_token(response: Response) -> Response:
        response.headers["X-CSRF-Token"] = _csrf_token()
        return response

    @blueprint.get("/sign_in")
    def csrf_token() -> Response:
        return _page() if _is_browsing() else jsonify({})

    @blueprint.post("/sign_in")
    def sign_in() -> tuple[Response, int] | Response:
        if request.mimetype == "application/x-www-form-urlencoded":
            return _signed_in_page(sandbox)
        body = read_json()
        _check_csrf(body)
        given = body.get("user")
        given = given if isinstance(given, dict) else {}
        with sandbox.store.session() as session:
            user = verified_user(session, given.get("login"), given.get("password"))
            if user is None:
                return jsonify({"error": WRONG}), 401
            return _signed_in(user, 200)

    @blueprint.delete("/sign_out")
    def sign_out() -> Response:
        cookie.pop("user_id", None)
        return Response(status=204)

    @blueprint.post("")
    def register() -> Response:
        body = read_json()
        given = body.get("user")
        given = given if isinstance(given, dict) else {}
        login, password = given.get("login"), given.get("password")
        if not isinstance(login, str) or not LOGIN.fullmatch(login):
            raise ApiError(422, f"login: expected letters, digits, '-', '_' or '.', got {login!r}")
        if not isinstance(password, str) or len(password) < 8:
            raise ApiError(422, "password: expected at least 8 characters")
        with sandbox.store.session() as session:
            if user_by_login(session, login) is not None:
                raise ApiError(422, f"login: {login!r} has already been taken")
            email = str(given.get("email") or "")
            user = add_user(session, sandbox.config.clock(), login, password, email)
            return _signed_in(user, 201)

    return blueprint


def cookie_user(session: Session) -> User | None:
    """Return the account of the session cookie, None without."""
    user_id = cookie.get("user_id")
    return session.get(User, user_id) if isinstance(user_id, int) else None
