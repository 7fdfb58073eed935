"""Progress: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from zooassist_plugin import progress as module
from zooassist_plugin.progress import progress, stages, tracked


@pytest.mark.parametrize(
    ("total", "lines"),
    [(3, ["images: 3 of 3"]), (None, [])],
)
def test_lines_when_nobody_watches(caplog, total, lines):
    caplog.set_level(logging.INFO)
    with progress() as start:
        one_more = start("images", total)
        for _ in range(3):
            one_more()
    assert caplog.messages == lines, "nothing in between: it took less than ten seconds"


def test_a_line_now_and_then(caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    clock = iter(range(0, 1000, 4))
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    with progress() as start:
        one_more = start("classifications", None)
        for _ in range(7):
            one_more()
    assert caplog.messages == ["classifications: 3", "classifications: 6"]


def test_bars_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress() as start:
        first, second = start("classifications", None), start("images", 2)
        for one_more in (first, second, second):
            one_more()
        shown = sys.stderr
    assert "images" in shown.getvalue()
    assert "2/2" in shown.getvalue()


def test_tracked_passes_everything_on(caplog):
    caplog.set_level(logging.INFO)
    assert list(tracked(iter("abc"), "predict", 3)) == ["a", "b", "c"]
    assert caplog.messages == ["predict: 3 of 3"]


def test_stages_are_told_apart(caplog):
    caplog.set_level(logging.INFO)
    with stages() as show:
        show("propose", 64, 64)
        show("read back", 20, 20)
    assert caplog.messages == ["propose: 64 of 64", "read back: 20 of 20"]
