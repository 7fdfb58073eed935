"""Zooniverse's own JavaScript libraries, unchanged, and the classifier's models against a sandbox.

The libraries come from npm (``npm ci`` in ``javascript/``, which `.ci/run` does); the models are
the classifier's field names and types in our own words, in ``javascript/contract/``.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from eight_tools import SHAPES, TASKS, TYPES, eight_tools_project
from prefill_project import galaxy_png
from tls_proxy import tls_proxy

from zooassist_plugin.marks import SubtaskAnswer

FOLDER = Path(__file__).parent / "javascript"
NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
]
WWW = "https://www.zooniverse.org"
HOST = "www.zooniverse.org"
pytestmark = [
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (FOLDER / "node_modules").is_dir(),
        reason=f"npm's packages are missing: run npm ci in {FOLDER}",
    ),
]

# Every kind of subtask, answered beforehand, on the polygon.
DETAILS = [
    {
        "type": "single",
        "question": "State?",
        "required": True,
        "answers": [{"label": "whole"}, {"label": "cut"}],
    },
    {"type": "multiple", "question": "What?", "answers": [{"label": "bar"}, {"label": "ring"}]},
    {"type": "text", "instruction": "Anything else?", "help": ""},
]
ANSWERS = (
    SubtaskAnswer(task="T0.5.0", task_type="single", value=1),
    SubtaskAnswer(task="T0.5.1", task_type="multiple", value=(0, 1)),
    SubtaskAnswer(task="T0.5.2", task_type="text", value="merger?"),
)
POLYGON = TYPES.index("polygon")


def asking_tasks():
    tasks = copy.deepcopy(TASKS)
    tasks["T0"]["tools"][POLYGON]["details"] = DETAILS
    return tasks | {
        "T1": {
            "type": "single",
            "question": "Anything missing?",
            "answers": [{"label": "Yes"}, {"label": "No"}],
        }
    }


def attach(panoptes, path, image):
    """Attach a file that lies elsewhere; return its number."""
    media = {"content_type": "image/png", "external_link": True, "src": image}
    body, _ = panoptes.call("POST", path, json={"media": media})
    return body["media"][0]["id"]


def furnish(project):
    """Give the project what a finished one has: pictures, a tutorial and a field guide."""
    panoptes, links = project.panoptes, {"project": str(project.project_id)}
    for kind in ("avatar", "background"):
        attach(
            panoptes, f"/projects/{project.project_id}/{kind}", f"https://example.org/{kind}.png"
        )
    tutorial = {"language": "en", "kind": "tutorial", "display_name": "How to"}
    tutorial |= {"steps": [{"content": "Look", "media": "0"}]}
    tutorial["links"] = links | {"workflows": [str(project.workflow_id)]}
    guide = {"language": "en", "links": links}
    guide["items"] = [{"title": "Bars", "content": "Long", "icon": "0"}]
    for name, body in (("tutorials", tutorial), ("field_guides", guide)):
        made, etag = panoptes.call("POST", f"/{name}", json={name: body})
        path = f"/{name}/{made[name][0]['id']}"
        number = attach(panoptes, f"{path}/attached_images", "https://example.org/step.png")
        first = "steps" if name == "tutorials" else "items"
        body[first][0]["media" if name == "tutorials" else "icon"] = number
        change = {name: {first: body[first]}}
        panoptes.call("PUT", path, json=change, etag=etag)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A furnished project with proposals, on a sandbox that stands in for www.zooniverse.org."""
    with eight_tools_project(
        tmp_path_factory.mktemp("javascript"),
        [galaxy_png(seed, 256) for seed in range(4)],
        tasks=asking_tasks(),
        answers={POLYGON: ANSWERS},
        server_options={"public_url": WWW, "export_interval": 0},
    ) as made:
        furnish(made)
        yield made


def slug(project):
    body, _ = project.panoptes.resource("projects", project.project_id)
    return body["slug"]


def run_node(script, arguments, folder, **environment):
    """Run one driver; return its report."""
    report = folder / f"{script}.json"
    command = [str(NODE), str(FOLDER / script), *map(str, arguments), str(report)]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(report.read_text())


def broken(report):
    return {name: said for name, said in report["checks"].items() if said != "ok"}


@pytest.fixture(scope="module")
def page_report(project, tmp_path_factory):
    arguments = [project.server.url, slug(project), project.workflow_id]
    return run_node("project_page.mjs", arguments, tmp_path_factory.mktemp("reports"))


def test_every_answer_fits_the_models(page_report):
    assert broken(page_report) == {}
    assert len(page_report["checks"]) >= 17


def test_every_proposal_becomes_the_mark_it_is(page_report):
    marks = page_report["facts"]["marks"]
    assert [mark["toolType"] for mark in marks] == TYPES
    assert [mark["tool"] for mark in marks] == list(range(len(TYPES)))
    assert all(mark["kept"] for mark in marks), "too small to survive 'Done'"
    assert page_report["facts"]["named"], "step, task and tool of each, for older classifiers"
    assert page_report["facts"]["unknown"] == [], "keys that the classifier drops"
    assert [(p["x"], p["y"]) for p in marks[POLYGON]["points"]] == list(SHAPES[POLYGON].points)
    given = [(a["task"], a["value"]) for a in marks[POLYGON]["annotations"].values()]
    assert given == [("T0.5.0", 1), ("T0.5.1", [0, 1]), ("T0.5.2", "merger?")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"r": "30"}, '"/r" value `"30"` is not assignable'),
        ({"toolIndex": 8}, "T0 has no tool 8"),
        ({"toolIndex": 1}, "circle on a tool of type ellipse"),
        ({"stepKey": "S7"}, "no step S7"),
        ({"taskIndex": 1}, "Cannot read properties of undefined"),
        ({"frame": None}, '"/frame" value `null` is not assignable'),
        ({"annotations": [{"task": "T0.0.0", "taskType": "single", "value": 1}]}, "no subtask"),
    ],
)
def test_a_bad_proposal_does_not_fit_the_models(project, change, words, tmp_path):
    """The models are no rubber stamp: what the classifier chokes on, they refuse."""
    circle = {"toolIndex": 0, "toolType": "circle", "x_center": 60, "y_center": 60, "r": 30}

    def write(payload):
        for subject in project.subject_ids:
            project.caesar.put_reduction(project.workflow_id, subject, payload)

    good = project.caesar.reductions(project.workflow_id, project.subject_ids[0])[0].data
    write({"data": [circle | change]})
    try:
        arguments = [project.server.url, slug(project), project.workflow_id]
        report = run_node("project_page.mjs", arguments, tmp_path)
    finally:
        write(good)
    assert list(broken(report)) == ["proposals become marks"]
    assert words in broken(report)["proposals become marks"]


def test_somebody_signs_in_classifies_and_signs_out(project, tmp_path):
    report = run_node(
        "sign_in.mjs",
        ["volunteer1", project.project_id, project.workflow_id],
        tmp_path,
        PANOPTES_API_HOST=project.server.url,
    )
    assert broken(report) == {}
    assert len(report["checks"]) == 10


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The libraries as one script for a page, built as a production build is."""
    out = tmp_path_factory.mktemp("bundle") / "libraries.js"
    command = [str(NODE), str(FOLDER / "bundle.mjs"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return out.read_bytes()


@pytest.fixture(scope="module")
def browser_and_proxy(project, bundle, tmp_path_factory):
    """Chromium, for which all of zooniverse.org lies behind a TLS proxy to the sandbox."""
    if CHROMIUM is None:
        pytest.skip("Debian's chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    page = b'<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
    page += b'<title>libraries</title><script src="/libraries.js"></script><body>'
    pages = {
        "/": ("text/html", page),
        "/libraries.js": ("text/javascript", bundle),
    }
    with tls_proxy(project.server.url, tmp_path_factory.mktemp("tls"), pages) as proxy:
        rule = f"--host-resolver-rules=MAP *.zooniverse.org 127.0.0.1:{proxy.port}"
        with playwright.sync_playwright() as driver:
            running = driver.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, rule])
            yield running, proxy
            running.close()


@pytest.fixture
def page(browser_and_proxy):
    """A fresh page below zooniverse.org, in the environment that a built classifier has."""
    browser, _ = browser_and_proxy
    context = browser.new_context(ignore_https_errors=True)
    shown = context.new_page()
    shown.goto("https://local.zooniverse.org/?env=production")
    yield shown
    context.close()


@pytest.fixture
def proxy(browser_and_proxy):
    proxy = browser_and_proxy[1]
    proxy.seen.clear()
    return proxy


def exported_row(project, classification_id, folder):
    # To the client the last export is old; the sandbox is set to make any number of them.
    options = {"now": lambda: datetime.now(UTC) + timedelta(days=2), "poll": 0.2}
    out = project.panoptes.export(
        "classifications", folder / "export.csv", workflow_id=project.workflow_id, **options
    )
    rows = csv.DictReader(io.StringIO(out.read_text(encoding="utf-8")))
    (row,) = [row for row in rows if row["classification_id"] == str(classification_id)]
    return row


@pytest.mark.browser
@pytest.mark.parametrize("login", [None, "volunteer2"])
def test_a_page_classifies_through_the_libraries(
    page, proxy, project, page_report, login, tmp_path
):
    """What is posted are the proposals as the models post them; it comes back in the export."""
    posted = page_report["facts"]["posted"]
    done = page.evaluate(
        "asked => window.libraries.classify(asked)",
        {
            "projectId": project.project_id,
            "workflowId": project.workflow_id,
            "login": login,
            "annotations": posted,
        },
    )
    assert done["status"] == 201
    assert done["url"].startswith(f"{WWW}/media/subject_location/")
    assert done["picture"] == [256, 256]
    assert done["proposals"] == len(TYPES)
    row = exported_row(project, done["id"], tmp_path)
    drawing, *subtasks = json.loads(row["annotations"])
    for mark in drawing["value"]:
        # An export adds the label of tool 0: the classifier's loss of the tool shows here.
        assert mark.pop("tool_label") == TYPES[0]
    assert drawing["value"] == posted[0]["value"]
    assert subtasks == posted[1:], "the pre-answered subtasks follow the marks"
    assert proxy.statuses(HOST, "POST", "/api/classifications") == [201]
    assert proxy.statuses("caesar.zooniverse.org", "POST", "/graphql") == [200]
    if login is None:
        assert row["user_name"].startswith("not-logged-in-")
        return
    assert row["user_name"] == login
    assert done["tried"] == {
        "roles": [],
        "hadPreferences": False,
        "preferences": {"tutorials_completed_at": {"1": "now"}},
        "newEtag": True,
        "after": None,
    }
    assert proxy.statuses(HOST, "DELETE", "/users/sign_out") == [204]


@pytest.mark.browser
def test_a_session_lasts_over_a_reload_and_renews_its_token(page):
    login = "async () => (await window.libraries.auth.checkCurrent())?.login ?? null"
    assert page.evaluate(login) is None
    who = "{ login: 'volunteer3', password: 'sandbox' }"
    page.evaluate(f"async () => {{ await window.libraries.auth.signIn({who}) }}")
    page.reload()
    assert page.evaluate(login) == "volunteer3"
    found = page.evaluate("() => window.libraries.renewed()")
    assert found["changed"]
    # It is not signed by Zooniverse's key; the pages then ask /me, which the reload above did.
    assert found["user"] is None


DEV_PAGE = "7532a403edf16f31fb2a210b8a49f59553d45064e6c292679c3eac53631d73d1"
INIT = f"async () => (await window.libraries.oauth.init('{DEV_PAGE}'))?.access_token ?? null"


@pytest.mark.browser
def test_the_development_page_signs_in_by_redirection(page):
    """`oauth` as the classifier's development page uses it: init, a form, back with a token."""
    assert page.evaluate(INIT) is None, "nobody is signed in, and the page goes on"
    page.evaluate("() => { window.libraries.oauth.signIn(window.location.origin) }")
    page.wait_for_url("https://www.zooniverse.org/users/sign_in")
    page.fill('input[name="user[login]"]', "volunteer4")
    page.fill('input[name="user[password]"]', "wrong")
    page.click("button")
    assert page.inner_text('[role="alert"]') == "Invalid email or password."
    page.fill('input[name="user[password]"]', "sandbox")
    page.click("button")
    home = "https://local.zooniverse.org/"
    page.wait_for_url(f"{home}#access_token=*")
    page.evaluate(f"() => {{ window.libraries.oauth.init('{DEV_PAGE}') }}")
    page.wait_for_url(home)
    token = page.evaluate(INIT)
    assert token.count(".") == 2
    assert page.evaluate("async () => (await window.libraries.oauth.checkCurrent()).login") == (
        "volunteer4"
    )
    page.evaluate("async () => { await window.libraries.oauth.signOut() }")
    assert page.evaluate("async () => await window.libraries.oauth.checkCurrent()") is None
