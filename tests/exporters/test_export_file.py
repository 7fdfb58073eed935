import gzip
import hashlib
import io
import sys
import zipfile

import pyarrow as pa
import pytest

from zooassist_exporters.export_file import ExportFile
from zooassist_exporters.problems import Problem
from zooassist_plugin.errors import BadInput


def as_zip(*members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def zstd(data):
    return pa.compress(data, codec="zstd", asbytes=True)


TEXT = "id,name\n1,plain\n2,été 🌌 עברית\n"


def read(path, required=("id", "name")):
    with ExportFile(path, required, "list of names") as file:
        return list(file.rows())


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.encode("utf-16"),
        lambda text: gzip.compress(text.encode()),
        lambda text: gzip.compress(b"\xef\xbb\xbf" + text.encode()),
        lambda text: gzip.compress(text.encode("utf-16")),
        lambda text: zstd(text.encode()),
        lambda text: zstd(text[:9].encode()) + zstd(text[9:].encode()),
        lambda text: as_zip(("names.csv", text.encode()), ("__MACOSX/._names.csv", b"\0")),
    ],
    ids=[
        "plain",
        "bom",
        "crlf",
        "utf-16",
        "gzip",
        "gzip with bom",
        "gzip with utf-16",
        "zstd",
        "zstd in two frames",
        "zip",
    ],
)
def test_encodings_and_compression(tmp_path, encode):
    path = tmp_path / "names.csv"
    path.write_bytes(encode(TEXT))
    assert read(path) == [(2, ["1", "plain"]), (3, ["2", "été 🌌 עברית"])]


def test_latin_1_rows_among_utf_8(tmp_path):
    path = tmp_path / "names.csv"
    path.write_bytes(b"id,name\n1,\xe9t\xe9\n2," + "été".encode() + b"\n")
    assert [cells for _, cells in read(path)] == [["1", "été"], ["2", "été"]]


def test_standard_input_and_digest(tmp_path, monkeypatch):
    data = gzip.compress(TEXT.encode())

    class Input:
        buffer = io.BytesIO(data)

    monkeypatch.setattr(sys, "stdin", Input)
    with ExportFile("-", ["id"], "list of names") as file:
        assert next(iter(file.rows())) == (2, ["1", "plain"])
        source = file.source()
    assert (source.name, source.size) == ("standard input", len(data))
    assert source.sha256 == hashlib.sha256(data).hexdigest(), "also of what was not read yet"


def test_a_zip_cannot_come_through_a_pipe(monkeypatch):
    class Input:
        buffer = io.BytesIO(as_zip(("names.csv", TEXT.encode())))

    monkeypatch.setattr(sys, "stdin", Input)
    with pytest.raises(BadInput, match="which cannot be read from a pipe; give the file's path"):
        ExportFile("-", ["id"], "list of names")


def test_a_cell_of_ten_megabytes(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text('id,name\n1,"' + "x" * 10_000_000 + '"\n')
    [(_, cells)] = read(path)
    assert len(cells[1]) == 10_000_000


def test_rows_of_another_width_are_problems_with_their_number(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text('id,name\n1,a\n2\n3,b,c\n\n4,d\n5,"cut')
    items = read(path)
    assert [item for item in items if not isinstance(item, Problem)] == [
        (2, ["1", "a"]),
        (6, ["4", "d"]),
        (7, ["5", "cut"]),
    ]
    problems = [str(item) for item in items if isinstance(item, Problem)]
    assert problems == [
        "row 3: wrong number of columns: expected 2 as in the header, got 1; "
        "the row was cut off or edited, download the file again",
        "row 4: wrong number of columns: expected 2 as in the header, got 3; "
        "the row was cut off or edited, download the file again",
    ]


@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_truncated_download_keeps_what_came(tmp_path, pack):
    path = tmp_path / "names.csv.gz"
    whole = pack(b"id,name\n" + b"".join(b"%d,%x\n" % (i, i**9) for i in range(50_000)))
    path.write_bytes(whole[: len(whole) // 2])
    *rows, last = read(path)
    assert 10_000 < len(rows) < 40_000
    assert isinstance(last, Problem)
    assert last.cause == "file cut off"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names.csv: expected a list of names, the file is empty; download it again"),
        (
            b"id;name\n1;a\n",
            "names.csv: columns 'id', 'name' missing from the list of names; found: id;name; "
            "its columns are not separated by commas, give the list of names as it was downloaded",
        ),
        (
            b"id,title\n1,a\n",
            "names.csv: column 'name' missing from the list of names; found: id, title; "
            "give the list of names as it was downloaded",
        ),
        (
            b"PK\x03\x04whatever",
            "names.csv: expected a list of names, got a zip that is damaged (File is not a zip "
            "file); download it again",
        ),
        (
            as_zip(("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<workbook/>")),
            "names.csv: expected a list of names as CSV, got an Excel workbook, whatever its name "
            "says; Excel may have changed ids and dates, so download the export again",
        ),
        (
            b"\xd0\xcf\x11\xe0 Excel of 1997",
            "names.csv: expected a list of names as CSV, got an Excel workbook",
        ),
        (
            as_zip(("a.csv", b"id,name\n"), ("b.csv", b"id,name\n")),
            "names.csv: expected a zip with one list of names, found 2 files: a.csv, b.csv; "
            "unpack it and give the CSV",
        ),
        (
            b"\x1f\x8b\x08\x00rubbish rubbish",
            "names.csv: expected gzip data, got: Error -3 while decompressing data",
        ),
    ],
)
def test_no_export_at_all(tmp_path, content, message):
    path = tmp_path / "names.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read(path)
    assert str(caught.value).startswith(message)


def test_absent_file(tmp_path):
    with pytest.raises(BadInput, match="cannot open it: No such file or directory"):
        read(tmp_path / "nowhere.csv")
