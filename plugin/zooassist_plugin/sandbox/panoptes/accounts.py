"""Who has an account? The accounts every sandbox starts with, and new ones."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.security import check_password_hash, generate_password_hash

from zooassist_plugin.sandbox.panoptes.tables import User

PASSWORD = "sandbox"
OWNER = "builder"
ADMIN = "admin"
VOLUNTEERS = tuple(f"volunteer{number}" for number in range(1, 11))

# Everybody knows these passwords: a few rounds keep the first start quick.
HASH_METHOD = "pbkdf2:sha256:1000"


def add_user(
    session: Session, now: datetime, login: str, password: str, email: str = "", admin: bool = False
) -> User:
    """Create one account; logins are unique."""
    user = User(
        login=login,
        display_name=login,
        email=email or f"{login}@example.org",
        password_hash=generate_password_hash(password, method=HASH_METHOD),
        admin=admin,
        created_at=now,
        updated_at=now,
    )
    session.add(user)
    session.flush()
    return user


def ensure_accounts(session: Session, now: datetime) -> None:
    """Create the owner, an administrator and ten volunteers in a new sandbox."""
    known = set(session.scalars(select(User.login)))
    for login in (OWNER, ADMIN, *VOLUNTEERS):
        if login not in known:
            add_user(session, now, login, PASSWORD, admin=login == ADMIN)


def user_by_login(session: Session, login: str) -> User | None:
    """Return an account by login or e-mail address, in any case of letters."""
    wanted = login.strip().lower()
    by_login = select(User).where(func.lower(User.login) == wanted)
    by_email = select(User).where(func.lower(User.email) == wanted)
    return session.scalars(by_login).first() or session.scalars(by_email).first()


def verified_user(session: Session, login: object, password: object) -> User | None:
    """Return the account if login and password are right, else None."""
    if not isinstance(login, str) or not isinstance(password, str):
        return None
    user = user_by_login(session, login)
    if user is None or not check_password_hash(user.password_hash, password):
        return None
    return user
