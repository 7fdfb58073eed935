"""How does a bulk of proposals travel to Caesar? One CSV of machine extracts, written whole."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from zooassist_plugin.presenters.machine_learnt import canonical

COLUMNS = ("extractor_key", "subject_id", "data")
# The key of our imported extracts. No live extractor may write under it: a classification's own
# extract would come first and replace the proposal by something that crashes the page.
EXTRACTOR_KEY = "zooassist-proposals"

# Takes a file, gives the URL at which Caesar can fetch it while the context is open.
CsvHost = Callable[[Path], AbstractContextManager[str]]


def write_extracts(path: Path, payloads: Iterable[tuple[int, Mapping[str, Any]]]) -> int:
    """Write one row per subject; the file appears whole or not at all.

    Parameters
    ----------
    payloads : iterable of (subject id, reduction data)

    Returns
    -------
    rows : int
    """
    # No column workflow_version: with it Caesar would keep one extract per version, and the
    # first of them, not the latest, would stay visible.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    rows = 0
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for subject_id, payload in payloads:
                # Canonical JSON has no NaN, which Caesar would store as a string of the cell.
                writer.writerow((EXTRACTOR_KEY, subject_id, canonical(payload).decode()))
                rows += 1
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return rows
