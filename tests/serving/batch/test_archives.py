import io
import stat
import tarfile
import zipfile

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch import archives
from zooassist_serving.batch.archives import Archive


def write_zip(path, files, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def write_tar(path, files, mode="w"):
    with tarfile.open(path, mode) as file:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


FILES = {"b/1.png": b"one", "a 2+é.jpg": b"two"}
NOISE = {"README.md": b"x", "__MACOSX/b/._1.png": b"x", "b/.DS_Store": b"x", ".hidden/3.png": b"x"}


@pytest.mark.parametrize("name", ["i.zip", "i.tar", "i.tar.gz", "i.tgz", "i.tar.xz"])
def test_images_of_an_archive(tmp_path, name):
    path = tmp_path / name
    if name.endswith("zip"):
        write_zip(path, FILES | NOISE)
    else:
        modes = {"i.tar.gz": "w:gz", "i.tgz": "w:gz", "i.tar.xz": "w:xz"}
        write_tar(path, FILES | NOISE, modes.get(name, "w"))
    with Archive(path, "s3://b/i", 100) as archive:
        assert [(m.name, m.error) for m in archive.members()] == [(n, None) for n in FILES]
        assert [archive.read(name) for name in FILES] == list(FILES.values())


@pytest.mark.parametrize("name", ["../x.png", "/etc/x.png", "a/../../x.png", "C:\\x.png"])
def test_a_name_that_climbs_out_is_an_error_of_its_row(tmp_path, name):
    path = write_zip(tmp_path / "i.zip", {name: b"x", "good.png": b"x"})
    with Archive(path, "i", 100) as archive:
        bad, good = archive.members()
    assert "climbs out" in bad.error
    assert good.error is None


def test_links_are_not_followed(tmp_path):
    path = tmp_path / "i.tar"
    with tarfile.open(path, "w") as file:
        link = tarfile.TarInfo("x.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    with Archive(path, "i", 100) as archive:
        [member] = archive.members()
    assert "link" in member.error
    zipped = tmp_path / "i.zip"
    with zipfile.ZipFile(zipped, "w") as file:
        info = zipfile.ZipInfo("x.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(info, "/etc/passwd")
    with Archive(zipped, "i", 100) as archive:
        [member] = archive.members()
    assert "link" in member.error


def test_a_member_over_the_limit(tmp_path):
    path = write_zip(tmp_path / "i.zip", {"x.png": b"x" * 101})
    with Archive(path, "i", 100) as archive:
        [member] = archive.members()
        assert "at most 100 bytes" in member.error
        with pytest.raises(BadInput, match="at most 100 bytes"):
            archive.read("x.png")


def test_an_archive_that_explodes_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "RATIO_FROM", 1000)
    zeros = {f"{i}.png": bytes(100_000) for i in range(3)}
    path = write_zip(tmp_path / "i.zip", zeros, zipfile.ZIP_DEFLATED)
    with Archive(path, "s3://b/i.zip", 10**6) as archive, pytest.raises(BadInput, match="unpack"):
        list(archive.members())
    tarred = write_tar(tmp_path / "i.tar.gz", zeros, "w:gz")
    with Archive(tarred, "i", 10**6) as archive, pytest.raises(BadInput, match="unpack"):
        list(archive.members())


@pytest.mark.parametrize("name", ["i.zip", "i.tar", "i.tar.gz"])
def test_damaged_archives(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"nothing like an archive" * 100)
    with pytest.raises(BadInput, match="expected a whole archive"):
        Archive(path, name, 100)


def test_a_damaged_member_is_one_error(tmp_path):
    path = write_zip(tmp_path / "i.zip", {"x.png": b"abcdef", "y.png": b"ghijkl"})
    content = bytearray(path.read_bytes())
    at = content.index(b"abcdef")
    content[at : at + 6] = b"ABCDEF"
    path.write_bytes(content)
    with Archive(path, "i", 100) as archive:
        with pytest.raises(BadInput, match=r"i#x\.png: expected a whole archive"):
            archive.read("x.png")
        assert archive.read("y.png") == b"ghijkl"
