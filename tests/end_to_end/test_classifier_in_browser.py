"""A browser on another origin does what the classifier does: shows, edits and posts proposals.

The page is our stand-in for the Zooniverse classifier (see its first comment): it proves that the
sandbox serves a browser, under CORS, in the shapes of the observed contract.
"""

from __future__ import annotations

import csv
import functools
import http.server
import io
import json
import shutil
import threading
from pathlib import Path
from urllib.parse import urlencode

import pytest
from eight_tools import SHAPES, TYPES, eight_tools_project
from prefill_project import galaxy_png

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed"),
]

# What a browser logs by itself. The anonymous classifier asks who it is and is told 401.
LOGGED = "Failed to load resource: the server responded with a status of "
NOBODY = f"{LOGGED}401 (UNAUTHORIZED)"
NOT_PUBLIC = f"{LOGGED}404 (NOT FOUND)"


@pytest.fixture
def pages():
    """Serve this folder on a port of its own: another origin than the sandbox."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(Path(__file__).parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/classifier_page.html"
        server.shutdown()
        thread.join()


@pytest.fixture
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def prefilled(tmp_path):
    with eight_tools_project(tmp_path, [galaxy_png(seed, 256) for seed in range(3)]) as project:
        yield project


def open_page(browser, pages: str, project, logged=(NOBODY,)):
    page = browser.new_page(viewport={"width": 1100, "height": 860})
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    query = urlencode(
        {
            "panoptes": project.server.url,
            "caesar": project.server.url,
            "project": project.project_id,
            "workflow": project.workflow_id,
        }
    )
    page.goto(f"{pages}?{query}")
    page.wait_for_load_state("networkidle")
    assert problems == list(logged)
    assert "proposals" in page.inner_text("#status")
    return page


def press_done(page) -> int:
    page.click("#done")
    page.wait_for_function("/saved|refused/.test(document.querySelector('#status').textContent)")
    status = page.inner_text("#status")
    assert status.startswith("saved "), status
    return int(status.split()[1])


def exported_row(project, classification_id: int, folder: Path) -> dict[str, str]:
    out = project.panoptes.export(
        "classifications", folder / "export.csv", workflow_id=project.workflow_id
    )
    rows = list(csv.DictReader(io.StringIO(out.read_text(encoding="utf-8"))))
    (row,) = [row for row in rows if int(row["classification_id"]) == classification_id]
    return row


def test_all_eight_tools_and_a_subtask_arrive_and_return(browser, pages, prefilled, tmp_path):
    page = open_page(browser, pages, prefilled)
    assert page.inner_text("#title") == "Correct the outlines"
    assert sorted(
        page.eval_on_selector_all(".mark", "nodes => nodes.map(n => n.dataset.tool)")
    ) == sorted(TYPES)
    assert page.inner_text("#subtasks legend") == "Which kind?"
    assert page.eval_on_selector_all("#subtasks input", "nodes => nodes.map(n => n.checked)") == [
        False,
        True,
    ]

    handle = page.locator(".handle").first.bounding_box()
    page.mouse.move(handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2)
    page.mouse.down()
    page.mouse.move(handle["x"] - 30, handle["y"] - 25)
    page.mouse.up()
    page.screenshot(path=str(tmp_path / "classifier.png"))

    row = exported_row(prefilled, press_done(page), tmp_path)
    drawing, subtask = json.loads(row["annotations"])
    assert [mark["toolType"] for mark in drawing["value"]] == TYPES
    assert {mark["toolIndex"] for mark in drawing["value"]} == {0}, "the classifier loses the tool"
    by_type = {mark["toolType"]: mark for mark in drawing["value"]}
    assert by_type["ellipse"]["angle"] == 30
    assert len(by_type["freehandLine"]["pathX"]) >= 20
    moved, *others = by_type["polygon"]["points"]
    assert moved["x"] < 180
    assert moved["y"] < 150
    assert others == [{"x": x, "y": y} for x, y in SHAPES[5].points[1:]]
    assert subtask == {"task": "T0.1.0", "taskType": "single", "value": 1, "markIndex": 1}
    assert row["user_name"].startswith("not-logged-in-")


def test_flag_off_means_no_query_and_no_marks(browser, pages, prefilled):
    prefilled.panoptes.configure(prefilled.workflow_id, {"enable_caesar_data_fetching": False})
    page = open_page(browser, pages, prefilled)
    assert page.inner_text("#status") == "0 proposals"
    press_done(page)


def test_private_reductions_leave_the_page_usable(browser, pages, prefilled):
    prefilled.caesar.update_workflow(prefilled.workflow_id, public_reductions=False)
    page = open_page(browser, pages, prefilled, (NOBODY, NOT_PUBLIC))
    assert page.inner_text("#status") == "0 proposals"
    press_done(page)
