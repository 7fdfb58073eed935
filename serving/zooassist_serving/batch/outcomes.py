"""How can the work on a message end, other than well?"""

from __future__ import annotations

from zooassist_plugin.errors import BadInput


class Poison(BadInput):
    """No retry mends it: to the dead-letter queue, with this text as the reason."""


class Superseded(BadInput):
    """The object was replaced since; the new one has its own event, and this one is void."""


class Abandoned(Exception):
    """The message is no longer ours, or the process ends: stop, write nothing, say nothing.

    No `ZooassistError`: whoever turns errors into rows must let it pass.
    """
