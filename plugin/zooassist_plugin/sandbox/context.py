"""What every part of the sandbox is handed: configuration, rows and background work."""

from __future__ import annotations

from dataclasses import dataclass

from zooassist_plugin.sandbox.config import SandboxConfig
from zooassist_plugin.sandbox.jobs import Jobs
from zooassist_plugin.sandbox.store import Store


@dataclass(frozen=True)
class Sandbox:
    """One running sandbox."""

    config: SandboxConfig
    store: Store
    jobs: Jobs
