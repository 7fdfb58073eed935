"""Which tool drew a mark whose `toolIndex` may be lost?

Since 2026-05-29 the classifier submits every pre-filled mark with `toolIndex` 0, whatever tool it
lies on. The order in which other evidence is believed is chosen so that a later repair of the
classifier changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

ToolFrom = Literal["subtask", "type", "export", "proposal", "ambiguous"]


class FoundTool(NamedTuple):
    """A mark's tool, and what it is known from.

    Attributes
    ----------
    source : str
        ``subtask`` (its subtask keys name the tool), ``type`` (only one tool draws such shapes),
        ``export`` (as submitted), ``proposal`` (the matched proposal's), or ``ambiguous``: the tool
        is as submitted and may be wrong.
    """

    tool_index: int
    source: ToolFrom


def recover_tool(
    task: str,
    submitted: int,
    subtasks: Sequence[str],
    same_type: Sequence[int],
    *,
    proposed: int | None = None,
    prefilled: bool,
) -> FoundTool:
    """Return the tool of a returned mark.

    Parameters
    ----------
    task : str
        The drawing task.
    submitted : int
        The mark's own `toolIndex`.
    subtasks : sequence of str
        The subtask keys that the mark lists: ``T0.1.0`` means tool 1.
    same_type : sequence of int
        The task's tools that draw this type of shape; empty when the workflow is not known.
    proposed : int, optional
        The tool of the proposed mark that this one was matched to.
    prefilled : bool
        Whether the volunteer saw proposed marks at all; if not, nothing can be lost.
    """
    named = {_tool_in(key, task) for key in subtasks} - {None}
    if len(named) == 1:
        return FoundTool(int(named.pop() or 0), "subtask")
    if len(same_type) == 1:
        return FoundTool(same_type[0], "type")
    if not prefilled or submitted != 0:  # only ever lost to 0
        return FoundTool(submitted, "export")
    if proposed is not None:
        return FoundTool(proposed, "proposal")
    return FoundTool(submitted, "ambiguous")


def _tool_in(key: str, task: str) -> int | None:
    parts = key.split(".")
    return int(parts[1]) if len(parts) == 3 and parts[0] == task and parts[1].isdigit() else None
