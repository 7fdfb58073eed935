"""What did a workflow ask in each of its versions? Read from Panoptes' workflow export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import orjson

from zooassist_exporters.export_file import ExportFile
from zooassist_exporters.problems import Problem
from zooassist_plugin.errors import BadInput
from zooassist_plugin.task_text import resolve_strings

REQUIRED: Final = ("workflow_id", "version", "minor_version", "first_task", "tasks", "strings")


@dataclass(frozen=True, order=True)
class Version:
    """``major.minor``; compared as two integers, since 7.10 is later than 7.9."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """Read ``28.30``; None when the text is no version."""
        major, _, minor = text.partition(".")
        if not major.isdecimal() or not (minor or "0").isdecimal():
            return None
        return cls(int(major), int(minor or "0"))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True)
class WorkflowVersion:
    """The tasks of one workflow in one version, with their texts filled in.

    Attributes
    ----------
    tasks : mapping
        Task key -> task as in Panoptes' JSON, with texts in place of string keys.
    """

    workflow_id: int
    version: Version
    first_task: str
    tasks: Mapping[str, Any]

    def types(self) -> dict[str, str]:
        """Return the type of each task, subtasks included (``T0.1.0``)."""
        return {key: str(task.get("type") or "") for key, task in self._asked.items()}

    def labels(self, task: str) -> list[str]:
        """Return the answer texts of a question or subtask, [] when it asks none."""
        answers = self._asked.get(task, {}).get("answers") or ()
        return [str(answer.get("label") or "") for answer in answers]

    def text(self, task: str) -> str:
        """Return the text of a question or subtask, "" when it has none."""
        entry = self._asked.get(task, {})
        return str(entry.get("question") or entry.get("instruction") or "")

    @cached_property
    def _asked(self) -> dict[str, Mapping[str, Any]]:
        """Tasks and subtasks by key."""
        found: dict[str, Mapping[str, Any]] = {}
        for key, task in self.tasks.items():
            found[key] = task
            for tool, entry in enumerate(task.get("tools") or ()):
                for number, detail in enumerate(entry.get("details") or ()):
                    found[f"{key}.{tool}.{number}"] = detail
        return found


class WorkflowVersions:
    """Every version of one workflow.

    Parameters
    ----------
    versions : list of WorkflowVersion
        Of one workflow, at least one.
    """

    def __init__(self, versions: list[WorkflowVersion]) -> None:
        self._versions = sorted(versions, key=lambda entry: entry.version)
        self._exact = {entry.version: entry for entry in self._versions}

    @property
    def newest(self) -> WorkflowVersion:
        """The latest version."""
        return self._versions[-1]

    def exact(self, text: str) -> WorkflowVersion | None:
        """Return the version that a classification names, None when the export lacks it."""
        version = Version.parse(text)
        return None if version is None else self._exact.get(version)

    def nearest(self, text: str) -> WorkflowVersion:
        """Return that version, else the first later one, else the newest.

        That is how Panoptes itself finds labels for an export.
        """
        version = Version.parse(text)
        if version is None:
            return self.newest
        later = (entry for entry in self._versions if entry.version >= version)
        return next(later, self.newest)


class WorkflowExport:
    """A workflow export: every version of every workflow of a project.

    A row is decoded when its workflow is asked for, so that a broken one elsewhere does no harm.

    Parameters
    ----------
    path : str or Path
        ``.csv`` or ``.csv.gz``.

    Raises
    ------
    BadInput
        When the file is no workflow export.
    """

    def __init__(self, path: str | Path) -> None:
        self._rows: dict[str, list[tuple[int, list[str]]]] = {}
        self._decoded: dict[int, WorkflowVersions] = {}
        with ExportFile(path, REQUIRED, "workflow export") as file:
            self.name = file.name
            self._at = {column: file.header.index(column) for column in REQUIRED}
            for item in file.rows():
                if isinstance(item, Problem):
                    raise BadInput(f"{file.name}: {item}")
                self._rows.setdefault(item[1][self._at["workflow_id"]], []).append(item)
            self.source = file.source()

    def versions(self, workflow_id: int) -> WorkflowVersions:
        """Return the versions of one workflow.

        Raises
        ------
        BadInput
            When the export has no such workflow, or a row of it cannot be read.
        """
        if workflow_id in self._decoded:
            return self._decoded[workflow_id]
        rows = self._rows.get(str(workflow_id))
        if rows is None:
            raise BadInput(
                f"{self.name}: expected workflow {workflow_id}, found workflows: "
                f"{', '.join(self._rows) or 'none'}; give the export of the right project"
            )
        decoded = WorkflowVersions([self._version(number, cells) for number, cells in rows])
        self._decoded[workflow_id] = decoded
        return decoded

    def _version(self, number: int, cells: list[str]) -> WorkflowVersion:
        cell = {column: cells[at] for column, at in self._at.items()}
        try:
            tasks, strings = orjson.loads(cell["tasks"]), orjson.loads(cell["strings"])
            if not isinstance(tasks, dict) or not isinstance(strings, dict):
                raise ValueError("tasks or strings that are no JSON object")
            return WorkflowVersion(
                workflow_id=int(cell["workflow_id"]),
                version=Version(int(cell["version"]), int(cell["minor_version"])),
                first_task=cell["first_task"],
                tasks=resolve_strings(tasks, strings),
            )
        except (ValueError, BadInput) as error:
            raise BadInput(
                f"{self.name}: row {number}: expected numbers and JSON in the columns of a "
                f"workflow export, got: {error}; download the file again"
            ) from error
