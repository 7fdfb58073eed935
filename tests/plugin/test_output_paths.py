from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_plugin.output_paths import check_folder_takes_files, temporary_beside, writing


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "make room there"), (errno.EACCES, "where you may write")],
)
def test_what_the_system_refuses_is_named_with_a_remedy(tmp_path, number, remedy):
    def refused():
        raise OSError(number, "said by a library", "temporary-name")

    words = rf"table\.parquet: cannot be written: .*; .*{remedy}"
    with pytest.raises(BadInput, match=words), writing(tmp_path / "table.parquet"):
        refused()


def test_errors_that_are_none_of_writing_pass(tmp_path):
    with pytest.raises(ZeroDivisionError), writing(tmp_path):
        1 / 0  # noqa: B018


def test_a_missing_folder_is_asked_for_its_parent(tmp_path):
    check_folder_takes_files(tmp_path / "a" / "b")
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(BadInput, match="found a file"):
        check_folder_takes_files(tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_only_what_dead_processes_left_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    kept = [".x[1].p.note", ".x1.p.1", f".x[1].p.{2**70}"]
    (tmp_path / f".x[1].p.{ended.pid}").mkdir()
    for name in kept:
        (tmp_path / name).write_bytes(b"")
    temporary = temporary_beside(tmp_path / "x[1].p")
    assert temporary.parent == tmp_path
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_bundled_models_are_found_without_importing_their_room():
    script = (
        "import sys; from zooassist_plugin.bundled import bundled_folders;"
        "assert all((path / 'model.json').is_file() for path in bundled_folders().values());"
        "assert len(bundled_folders()) == 2; assert 'zooassist_serving' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
