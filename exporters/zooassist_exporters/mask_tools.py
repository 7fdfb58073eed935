"""Which tool drew each mark, also where the classifier lost its number?"""

from __future__ import annotations

from dataclasses import replace

from zooassist_exporters.drawn_classifications import DrawnClassification
from zooassist_exporters.extracts.mark_tools import VersionTools, WorkflowTools
from zooassist_exporters.extracts.marks import DrawnMark
from zooassist_exporters.matching.tool_recovery import recover_tool


def with_true_tools(drawn: DrawnClassification, tools: WorkflowTools) -> DrawnClassification:
    """Return a classification whose marks name the tool they were drawn with.

    A proposal that a volunteer kept comes back as tool 0, whatever tool it lies on. The subtasks
    of the mark name the tool, or the workflow has only one tool for such a shape; otherwise the
    number stays as it was submitted.
    """
    of_version = tools.of(drawn.workflow_version)
    tasks = tuple(
        replace(task, marks=tuple(_with_true_tool(mark, of_version) for mark in task.marks))
        for task in drawn.tasks
    )
    return replace(drawn, tasks=tasks)


def _with_true_tool(mark: DrawnMark, tools: VersionTools) -> DrawnMark:
    same_type = tools.with_type(mark.task, mark.tool_type)
    found = recover_tool(mark.task, mark.tool_index, mark.subtasks, same_type, prefilled=False)
    if found.tool_index == mark.tool_index:
        return mark
    # The exported label is that of the wrong tool.
    label = tools.label_of(mark.task, found.tool_index)
    return replace(mark, tool_index=found.tool_index, tool_label=label)
