"""What every part of the sandbox is handed: configuration, rows, background work and keys."""

from __future__ import annotations

from dataclasses import dataclass

from zooassist_plugin.database import Store
from zooassist_plugin.sandbox.config import SandboxConfig
from zooassist_plugin.sandbox.jobs import Jobs
from zooassist_plugin.sandbox.keys import Keys, load_keys


@dataclass(frozen=True)
class Sandbox:
    """One running sandbox."""

    config: SandboxConfig
    store: Store
    jobs: Jobs
    keys: Keys

    @classmethod
    def open(cls, config: SandboxConfig) -> Sandbox:
        """Open the database and keys of `config`; tables and jobs come with the app."""
        keys = load_keys(config.state)
        store = Store(config.database_url)
        return cls(config, store, Jobs(store, config), keys)
