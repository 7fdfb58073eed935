"""Where are the media of each subject? Read from Panoptes' subject export."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson

from zooassist_exporters.digests import Source
from zooassist_exporters.export_file import ExportFile
from zooassist_exporters.problems import Problem, ProblemList

REQUIRED: Final = ("subject_id", "locations")


def read_locations(
    path: str | Path, problems: ProblemList
) -> tuple[dict[int, tuple[str, ...]], Source]:
    """Return the addresses of each subject's media by frame, and the file they came from.

    A subject is listed once per workflow and set in the export; its first row counts.

    Raises
    ------
    BadInput
        When the file is no subject export. A row that cannot be read goes into `problems`.
    """
    found: dict[int, tuple[str, ...]] = {}
    with ExportFile(path, REQUIRED, "subject export") as file:
        subject, locations = (file.header.index(column) for column in REQUIRED)
        for item in file.rows():
            if isinstance(item, Problem):
                problems.add(item)
                continue
            number, cells = item
            try:
                frames = orjson.loads(cells[locations])
                urls = tuple(str(frames[key]) for key in sorted(frames, key=int))
                found.setdefault(int(cells[subject]), urls)
            except (ValueError, TypeError, KeyError) as error:
                problems.add(
                    Problem(
                        f"{file.name}, row {number}",
                        "subject cannot be read",
                        f"expected an id and locations as JSON, got {cells[subject][:20]!r} and "
                        f"{cells[locations][:60]!r} ({type(error).__name__})",
                        "download the subject export again",
                    )
                )
        return found, file.source()
