"""Which rows does a prediction manifest of KaDE ask for? ``[[url, "{metadata}"], …]``, streamed.

The metadata is JSON inside a JSON string, with `subject_id` and `frame_id` as strings or numbers
(zooniverse/kade: app/services/batch/prediction/export_manifest.rb).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

from zooassist_plugin.errors import BadInput
from zooassist_serving.catalogue.rows import Row, is_url, row_of

MANIFEST_SUFFIX: Final = ".json"
CHUNK: Final = 2**16
# One entry is an address and a few numbers; more is no manifest.
LONGEST_ENTRY: Final = 2**20


def manifest_rows(path: Path, takes: Callable[[str], bool] = is_url) -> Iterator[Row]:
    """Yield one row per entry; an entry of another form is a row with an error.

    Parameters
    ----------
    takes : callable
        Whether an address is one that the caller can read.

    Raises
    ------
    BadInput
        When the file is no JSON list.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, entry in enumerate(_entries(path, file), start=1):
                yield _row(f"{path.name} entry {number}", entry, takes)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as a manifest: {error}") from error


def _entries(path: Path, file: TextIO) -> Iterator[Any]:
    """Parse the elements of a JSON list without holding the list."""
    decoder = json.JSONDecoder()
    text, at = file.read(CHUNK), 0
    if not text.lstrip().startswith("["):
        raise BadInput(f'{path}: expected a manifest [[url, "{{metadata}}"], …], got another form')
    at = text.index("[") + 1
    wants_comma = False
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if text[at : at + 1] == "]":
            return
        if wants_comma and at < len(text):
            if text[at] != ",":
                raise BadInput(f"{path}: expected a comma between entries, got {text[at:][:20]!r}")
            at, wants_comma = at + 1, False
            continue
        try:
            # Only part of the entry may be there yet; lists, unlike numbers, end visibly.
            entry, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            more = file.read(CHUNK)
            if not more or len(text) - at > LONGEST_ENTRY:
                raise BadInput(
                    f"{path}: expected JSON to its end, got {text[at:][:40]!r}; fetch the manifest "
                    "again"
                ) from error
            text, at = text[at:] + more, 0
            continue
        wants_comma = True
        yield entry


def _row(name: str, entry: object, takes: Callable[[str], bool]) -> Row:
    if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)):
        return Row("", name, error='expected [url, "{metadata}"], got another form; mend it')
    url, said = entry
    try:
        metadata = json.loads(said) if isinstance(said, str) else said
        subject = metadata.get("subject_id") if isinstance(metadata, dict) else None
        subject_id = None if subject is None else int(subject)
        frame = int(metadata.get("frame_id") or 0) if isinstance(metadata, dict) else 0
    except (ValueError, TypeError):
        return Row("", name, error="expected JSON metadata with a numeric subject_id; mend it")
    if not takes(url):
        return Row("", name, subject_id, error=f"expected an http(s) URL, got {url[:80]!r}")
    return row_of(url, subject_id=subject_id, frame=frame)
