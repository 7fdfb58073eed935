"""Where do we connect, and as whom? Environment and `assist.toml`, read once into one record."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from zooassist_plugin.errors import BadInput

PRODUCTION_PANOPTES = "https://www.zooniverse.org"
PRODUCTION_CAESAR = "https://caesar.zooniverse.org"
STAGING_PANOPTES = "https://panoptes-staging.zooniverse.org"
STAGING_CAESAR = "https://caesar-staging.zooniverse.org"
CONFIG_FILE = "assist.toml"

# Environment variable (panoptes-client's own names first) -> key of `assist.toml`.
VARIABLES = {
    "PANOPTES_ENDPOINT": "panoptes_endpoint",
    "PANOPTES_USERNAME": "username",
    "PANOPTES_PASSWORD": "password",
    "PANOPTES_CLIENT_ID": "client_id",
    "PANOPTES_CLIENT_SECRET": "client_secret",
    "CAESAR_ENDPOINT": "caesar_endpoint",
    "ZOOASSIST_LEDGER": "ledger",
}
# Tables of `assist.toml` that commands read themselves.
TABLES = {"batch"}


@dataclass(frozen=True)
class Settings:
    """Connection settings; secrets are left out of `repr`.

    Attributes
    ----------
    panoptes_endpoint, caesar_endpoint : str
        Base URLs without a trailing slash and without ``/api``.
    ledger : str
        SQLAlchemy URL of the proposal ledger.
    """

    panoptes_endpoint: str = PRODUCTION_PANOPTES
    caesar_endpoint: str = PRODUCTION_CAESAR
    username: str | None = None
    password: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    ledger: str = "sqlite:///assist-ledger.sqlite"

    def __post_init__(self) -> None:
        for name in ("panoptes_endpoint", "caesar_endpoint"):
            url = getattr(self, name)
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
                raise BadInput(
                    f"{name}: expected a URL such as https://www.zooniverse.org, got {url!r}; "
                    f"correct it in the environment or in {CONFIG_FILE}"
                )
            object.__setattr__(self, name, url.rstrip("/"))
        self._check_login()

    def _check_login(self) -> None:
        """Refuse half a login: the connection would be anonymous without a word."""
        # A client id beside a password is whole: it says through which application one logs in.
        halves = (
            ("password", self.password, "username", self.username),
            ("username", self.username, "password", self.password),
            ("client_secret", self.client_secret, "client_id", self.client_id),
            ("client_id", self.client_id, "client_secret", self.client_secret or self.password),
        )
        for given, value, wanted, other in halves:
            if value and not other:
                raise BadInput(
                    f"{_variable(given)} is set, {_variable(wanted)} is not: set both, or "
                    f"neither to stay anonymous (or {given} and {wanted} in {CONFIG_FILE})"
                )

    @property
    def has_login(self) -> bool:
        """Whether there is a login; without one only public resources can be read."""
        return bool(self.username or self.client_secret)

    def __repr__(self) -> str:
        who = self.username or self.client_id or "anonymous"
        return f"Settings({self.panoptes_endpoint}, {self.caesar_endpoint}, as {who})"

    @property
    def is_local(self) -> bool:
        """Whether Caesar runs on this machine (the sandbox), so that it can fetch from loopback."""
        host = urlsplit(self.caesar_endpoint).hostname or ""
        return host == "localhost" or host == "::1" or host.startswith("127.")


def _variable(key: str) -> str:
    return next(variable for variable, name in VARIABLES.items() if name == key)


def _default_caesar(panoptes: str) -> str:
    """Caesar's address beside a Panoptes: the sandbox answers for both on one port."""
    panoptes = panoptes.rstrip("/")
    if panoptes in (PRODUCTION_PANOPTES, "https://panoptes.zooniverse.org"):
        return PRODUCTION_CAESAR
    return STAGING_CAESAR if panoptes == STAGING_PANOPTES else panoptes


def load_settings(environ: Mapping[str, str] | None = None, config: Path | None = None) -> Settings:
    """Read settings from `assist.toml` in the current folder, overridden by the environment.

    Parameters
    ----------
    environ : mapping, optional
        Defaults to the process environment.
    config : Path, optional
        Another file than ``./assist.toml``; a given file must exist.

    Raises
    ------
    BadInput
        When the file is not TOML or holds an unknown key, or a URL is not a URL.
    """
    environ = os.environ if environ is None else environ
    path = config or Path(CONFIG_FILE)
    values: dict[str, str] = {}
    if config is not None or path.exists():
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise BadInput(f"{path}: expected a TOML settings file, got: {error}") from error
        unknown = sorted(set(content) - set(VARIABLES.values()) - TABLES)
        if unknown:
            known = ", ".join(sorted(VARIABLES.values()))
            raise BadInput(f"{path}: unknown setting {unknown[0]!r}; expected one of {known}")
        values.update({key: str(value) for key, value in content.items() if key not in TABLES})
    for variable, key in VARIABLES.items():
        if environ.get(variable):
            values[key] = environ[variable]
    if "panoptes_endpoint" in values:
        values.setdefault("caesar_endpoint", _default_caesar(values["panoptes_endpoint"]))
    return Settings(**values)
