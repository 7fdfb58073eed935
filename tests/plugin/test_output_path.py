"""An output's folder is looked at before the work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_plugin.output_path import check_parent


def test_a_folder_that_is_there_passes(tmp_path, monkeypatch):
    check_parent(tmp_path / "new.csv")
    monkeypatch.chdir(tmp_path)
    check_parent(Path("new.csv"))


def test_a_missing_folder_and_a_file_in_its_place_are_named(tmp_path):
    with pytest.raises(BadInput, match=r"nowhere: expected a folder to write x\.csv into.*make it"):
        check_parent(tmp_path / "nowhere" / "x.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"file: expected a folder .* found a file"):
        check_parent(tmp_path / "file" / "x.csv")


def test_a_read_only_folder_is_named(tmp_path, monkeypatch):
    # Root may write anywhere, so the system's answer is given here.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(BadInput, match=r"may not write x\.csv there; choose another folder"):
        check_parent(tmp_path / "x.csv")
