"""The table of formats, its documentation and the command's choices say the same."""

from pathlib import Path

from zooassist_exporters.convert_command import NAMES
from zooassist_exporters.formats import FORMATS
from zooassist_exporters.formats.carried_table import carried_table
from zooassist_exporters.formats.format import PARTS

DOCS = Path(__file__).parents[2] / "docs" / "formats.md"


def test_the_documented_table_is_the_code_s():
    text = DOCS.read_text(encoding="utf-8")
    _, _, rest = text.partition("<!-- table: begin -->\n")
    table, _, _ = rest.partition("\n<!-- table: end -->")
    assert table == carried_table(FORMATS)


def test_every_format_is_offered_and_documented():
    assert tuple(FORMATS) == NAMES
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in FORMATS if f"**{name}**" not in text] == []


def test_parts_are_known():
    for name, each in FORMATS.items():
        assert set(each.carries) <= set(PARTS), name
        assert "no" not in each.carries.values(), name
