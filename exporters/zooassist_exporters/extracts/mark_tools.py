"""Which tool is it? Types, labels and answers of a drawing task's tools, by workflow version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from zooassist_exporters.workflows import WorkflowVersion, WorkflowVersions
from zooassist_plugin.errors import BadInput
from zooassist_plugin.task_text import plain_text

DRAWING: Final = "drawing"
_words = lru_cache(1024)(plain_text)


class VersionTools:
    """The tools of one workflow version, as far as they are known.

    Parameters
    ----------
    version : WorkflowVersion, optional
        None without a workflow export.
    given : mapping
        ``T0.6`` -> tool type, as stated by the user; believed before the workflow.
    """

    def __init__(self, version: WorkflowVersion | None, given: Mapping[str, str]) -> None:
        self._version, self._given = version, given

    def is_drawing(self, task: str) -> bool:
        """Whether the workflow says that a task is a drawing task; False when it is not known."""
        return self._task(task).get("type") == DRAWING

    def type_of(self, task: str, tool: int) -> str | None:
        """Return the type of a tool, None when it is not known."""
        stated = self._given.get(f"{task}.{tool}")
        return stated or self._tool(task, tool).get("type") or None

    def label_of(self, task: str, tool: int) -> str:
        """Return the label of a tool without markup, "" when it is not known."""
        return _words(str(self._tool(task, tool).get("label") or ""))

    def with_type(self, task: str, tool_type: str) -> tuple[int, ...]:
        """Return the tools of a task that draw a shape; empty when the tools are not known."""
        count = len(self._task(task).get("tools") or ())
        return tuple(tool for tool in range(count) if self.type_of(task, tool) == tool_type)

    def answer_of(self, subtask: str, index: int) -> str | None:
        """Return the text of an answer to a subtask (``T0.1.0``), None when it is not known."""
        labels = [] if self._version is None else self._version.labels(subtask)
        return _words(labels[index]) if 0 <= index < len(labels) else None

    def _task(self, task: str) -> Mapping[str, Any]:
        found = {} if self._version is None else self._version.tasks.get(task, {})
        return found if isinstance(found, Mapping) else {}

    def _tool(self, task: str, tool: int) -> Mapping[str, Any]:
        tools = self._task(task).get("tools") or ()
        found = tools[tool] if 0 <= tool < len(tools) else {}
        return found if isinstance(found, Mapping) else {}


class WorkflowTools:
    """The tools of all versions of one workflow.

    Parameters
    ----------
    versions : WorkflowVersions, optional
        From the workflow export; without it tools are judged by the look of their marks.
    given : mapping
        ``T0.6`` -> tool type.

    Raises
    ------
    BadInput
        When a key of `given` does not name a tool.
    """

    def __init__(
        self, versions: WorkflowVersions | None = None, given: Mapping[str, str] | None = None
    ) -> None:
        for key in given or {}:
            task, dot, tool = key.rpartition(".")
            if not task or not dot or not tool.isdecimal():
                raise BadInput(f"tool {key!r}: expected a task and a tool's number such as T0.1")
        self._versions, self._given = versions, dict(given or {})
        self._known: dict[str, VersionTools] = {}

    def of(self, version: str) -> VersionTools:
        """Return the tools of the version that a classification names, or of the nearest one."""
        if version not in self._known:
            found = None if self._versions is None else self._versions.nearest(version)
            self._known[version] = VersionTools(found, self._given)
        return self._known[version]


def parse_tools(pairs: Iterable[str]) -> dict[str, str]:
    """Read ``T0.6=polygon``: tool -> tool type.

    Raises
    ------
    BadInput
        When one of them is written otherwise.
    """
    tools = {}
    for pair in pairs:
        place, mark, tool_type = pair.partition("=")
        if not (place and mark and tool_type):
            raise BadInput(f"--tool: expected TASK.TOOL=TYPE such as T0.6=polygon, got {pair!r}")
        tools[place] = tool_type
    return tools
