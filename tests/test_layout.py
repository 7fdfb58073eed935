"""The rules of the house, one test per rule and per file."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WHEEL = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
ROOMS: list[str] = WHEEL["dev-mode-dirs"]
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
BANNED_NAMES = {"utils.py", "helpers.py", "common.py", "base.py", "misc.py"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_wheel_lists_exactly_one_package_per_room():
    assert WHEEL["packages"] == [f"{room}/zooassist_{room}" for room in ROOMS]


@pytest.mark.parametrize("room", ROOMS)
def test_room_has_package_marker_types_and_readme(room):
    package = ROOT / room / f"zooassist_{room}"
    assert (package / "__init__.py").is_file()
    assert (package / "py.typed").is_file()
    assert (ROOT / room / "README.md").is_file()
    assert not (ROOT / room / "__init__.py").exists(), "rooms are folders, not packages"


@pytest.mark.parametrize("room", ROOMS)
def test_mypy_and_import_linter_see_the_room(room):
    tools = PYPROJECT["tool"]
    assert room in tools["mypy"]["mypy_path"].split(":")
    assert f"zooassist_{room}" in tools["mypy"]["packages"]
    assert f"zooassist_{room}" in tools["importlinter"]["root_packages"]
    assert room in tools["ruff"]["src"]


def test_tests_are_no_packages():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_module_says_what_question_it_answers(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{relative(path)} has no module docstring"
    assert len(docstring.splitlines()[0]) <= 100


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_module_is_short_and_has_a_telling_name(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{relative(path)} has {lines} lines: split it"
    assert path.name not in BANNED_NAMES


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_package_folder_has_an_init(path):
    package_root = next(p for p in path.parents if p.name.startswith("zooassist_"))
    folder = path.parent
    while folder != package_root.parent:
        assert (folder / "__init__.py").is_file(), f"{relative(folder)} lacks __init__.py"
        folder = folder.parent


def test_decisions_are_numbered_without_gaps():
    names = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert [name[:4] for name in names] == [f"{i:04d}" for i in range(1, len(names) + 1)]
