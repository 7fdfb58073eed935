"""How do the classifications made since the last time get into the file?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from zooassist_exporters.incremental.api_rows import HEADER, as_csv
from zooassist_exporters.incremental.growing_file import GrowingFile
from zooassist_plugin.errors import Refused

if TYPE_CHECKING:
    from zooassist_plugin.panoptes import Panoptes

PAGE_SIZE: Final = 100  # Panoptes' maximum


@dataclass(frozen=True)
class Pulled:
    """What one run added, and what the file holds now.

    Attributes
    ----------
    new, rows : int
        Rows added by this run, and rows in the file.
    last_id : int
        Where the next run goes on.
    """

    new: int
    rows: int
    last_id: int


def pull_classifications(
    panoptes: Panoptes,
    project_id: int,
    out: Path,
    *,
    workflow_id: int | None = None,
    page_size: int = PAGE_SIZE,
    one_more: Callable[[], None] = lambda: None,
) -> Pulled:
    """Bring the classifications of a project that `out` does not hold yet into it.

    After every page the rows are on the disk and a checkpoint says so: killed at any moment and run
    again, the file gets the rows that one pass would have given it. Classifications that are not
    complete are left out for good, as they are from Panoptes' own exports.

    Parameters
    ----------
    workflow_id : int, optional
        Keep the classifications of this workflow only.
    page_size : int
        Classifications per request, at most 100.
    one_more : callable
        Called for each page.

    Raises
    ------
    Refused
        When Panoptes says no or does not answer; what came before is kept.
    BadInput
        When `out` is no file that this can go on with.
    """
    which = f"project {project_id}" + ("" if workflow_id is None else f", workflow {workflow_id}")
    with GrowingFile(out, HEADER, which) as file:
        before = file.checkpoint.rows
        while rows := _page(panoptes, project_id, file.checkpoint.last_id, page_size):
            wanted = [row for row in rows if _is_wanted(row, workflow_id)]
            last_id = max(int(row["id"]) for row in rows)
            if last_id <= file.checkpoint.last_id:
                raise Refused(
                    f"Panoptes was asked for classifications after {file.checkpoint.last_id} and "
                    f"sent {last_id} again; run again later"
                )
            file.append(as_csv(wanted), len(wanted), last_id)
            one_more()
        file.finish()
        held = file.checkpoint
    return Pulled(held.rows - before, held.rows, held.last_id)


def _page(
    panoptes: Panoptes, project_id: int, last_id: int, page_size: int
) -> list[dict[str, Any]]:
    # Asked by id and not by page number: rows that come in meanwhile move no page.
    params = {"project_id": project_id, "last_id": last_id, "page_size": page_size}
    body, _ = panoptes.call("GET", "/classifications/project", params=params)
    rows: list[dict[str, Any]] = body.get("classifications") or []
    return rows


def _is_wanted(row: dict[str, Any], workflow_id: int | None) -> bool:
    if not row.get("completed", True):
        return False
    return workflow_id is None or int(row["links"]["workflow"]) == workflow_id
