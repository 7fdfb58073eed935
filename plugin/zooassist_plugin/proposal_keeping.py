"""Where is a proposal kept that a server made? In a ledger, for rooms that do not see ledgers."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol, cast

from zooassist_plugin.proposals import Proposal

# Where ledgers are written. A string, as the doors of the command line are: this room imports none.
WRITER: Final = "zooassist_loop.keeping:open_keeper"


class ProposalKeeper(Protocol):
    """Anything that remembers proposals: a ledger, or a list in a test."""

    def keep(self, proposal: Proposal, payload: Mapping[str, Any], workflow_version: str) -> None:
        """Keep a proposal that Caesar is about to get; the same one twice is kept once."""
        ...

    def seen(self, workflow_id: int, subject_id: int, model_version: str) -> None:
        """Note that volunteers see a kept proposal from now on."""
        ...


def open_keeper(url: str) -> AbstractContextManager[ProposalKeeper]:
    """Open the ledger at a database URL for writing.

    Raises
    ------
    BadInput
        When it cannot be opened.
    """
    module, _, function = WRITER.partition(":")
    opened = getattr(importlib.import_module(module), function)(url)
    return cast("AbstractContextManager[ProposalKeeper]", opened)
