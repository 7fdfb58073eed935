"""How is a catalogue written, for whom? One file per format, one table of them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from zooassist_plugin.output_paths import check_output_file
from zooassist_serving.catalogue.formats.flat import CsvFormat, ParquetFormat
from zooassist_serving.catalogue.formats.kade import KadeFormat
from zooassist_serving.catalogue.formats.output_format import Format
from zooassist_serving.catalogue.formats.zoobot import ZoobotCsvFormat, ZoobotHdf5Format

FORMATS: Final[dict[str, type[Format]]] = {
    "parquet": ParquetFormat,
    "csv": CsvFormat,
    "zoobot-csv": ZoobotCsvFormat,
    "zoobot-hdf5": ZoobotHdf5Format,
    "kade-json": KadeFormat,
}


# Several formats are CSV; without a word that means ours.
BY_SUFFIX: Final = {
    suffix: name for name, kind in reversed(FORMATS.items()) for suffix in kind.suffixes
}


def format_for(out: Path, name: str | None) -> type[Format]:
    """Return the format to write, by the file's suffix if none is named.

    Raises
    ------
    BadInput
        When the file cannot be written, or its name does not fit.
    """
    if name is not None:
        check_output_file(out, *FORMATS[name].suffixes)
        return FORMATS[name]
    check_output_file(out, *dict.fromkeys(s for kind in FORMATS.values() for s in kind.suffixes))
    return FORMATS[BY_SUFFIX[out.suffix.lower()]]
