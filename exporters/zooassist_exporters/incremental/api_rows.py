"""How does a classification of Panoptes' API become a row of a classification export?

Source for the columns: zooniverse/panoptes, ``lib/formatter/csv/classification.rb``. The API knows
no login names, no addresses and no subject metadata; answers stay indices, which a reader turns
into labels with the workflow export.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from zooassist_plugin.errors import Refused

COLUMNS: Final = (
    "classification_id",
    "user_name",
    "user_id",
    "user_ip",
    "workflow_id",
    "workflow_name",
    "workflow_version",
    "created_at",
    "gold_standard",
    "expert",
    "metadata",
    "annotations",
    "subject_data",
    "subject_ids",
)
HEADER: Final = (",".join(COLUMNS) + "\n").encode()


def export_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of one classification in the order of `COLUMNS`.

    An anonymous volunteer has no name in the API. The classifier's session, a hash that lives as
    long as one visit, stands in for it, so that a subject seen twice in a visit is noticed.

    Raises
    ------
    Refused
        When the resource lacks what every classification has.
    """
    try:
        links, metadata = row["links"], row.get("metadata") or {}
        user, session = links.get("user"), metadata.get("session")
        anonymous = f"not-logged-in-{session}" if user is None and session else ""
        cells = {
            "classification_id": str(int(row["id"])),
            "user_name": anonymous,
            "user_id": "" if user is None else str(int(user)),
            "workflow_id": str(int(links["workflow"])),
            "workflow_version": str(
                row.get("workflow_version") or metadata.get("workflow_version") or ""
            ),
            "created_at": _time(row["created_at"]),
            "gold_standard": "true" if row.get("gold_standard") else "",
            "metadata": orjson.dumps(metadata).decode(),
            "annotations": orjson.dumps(row.get("annotations") or []).decode(),
            "subject_ids": ";".join(str(int(subject)) for subject in links["subjects"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(
            f"Panoptes sent a classification (id {row.get('id')!r}) without the parts that every "
            f"classification has ({error!r}); check that PANOPTES_ENDPOINT is a Panoptes server"
        ) from error
    return tuple(cells.get(column, "") for column in COLUMNS)


def as_csv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return classifications as CSV rows, each ending in a line feed."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(export_cells(row) for row in rows)
    # Half a surrogate pair, which JSON may escape, is no character of UTF-8.
    return text.getvalue().encode("utf-8", "replace")


def _time(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
