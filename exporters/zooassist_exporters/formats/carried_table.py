"""How does the documentation say what each format carries? As a table made of `FORMATS`."""

from __future__ import annotations

from collections.abc import Mapping

from zooassist_exporters.formats.format import PARTS, Format

LOST = "—"


def carried_table(formats: Mapping[str, Format]) -> str:
    """Return a Markdown table with one row per format and one column per part."""
    rows = [["format", *PARTS, "back"], ["---"] * (len(PARTS) + 2)]
    for name, each in formats.items():
        carried = [each.carries.get(part, LOST) for part in PARTS]
        rows.append([f"`{name}`", *carried, "no" if each.read is None else "yes"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
