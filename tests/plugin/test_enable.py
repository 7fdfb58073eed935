"""Enable on each broken precondition: reported, mended where that is allowed, then read back."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prefill_model import SMOOTH, model_card
from prefill_project import SMOOTH_TASKS, Prefill, galaxy_png, prefill_project

from zooassist_plugin.caesar import Caesar, ReadBack
from zooassist_plugin.enable import Check, EnableReport, Wanted, disable, enable, status
from zooassist_plugin.enable.caesar_rules import ACCOUNT_RULES, CAESAR_RULES, REDUCER
from zooassist_plugin.enable.read_back import PROBE
from zooassist_plugin.enable.situation import FLAG, Situation, check_rules
from zooassist_plugin.enable.workflow_rules import WORKFLOW_RULES
from zooassist_plugin.errors import BadInput, Refused
from zooassist_plugin.extracts_csv import EXTRACTOR_KEY
from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.panoptes import connect
from zooassist_plugin.presenters.machine_learnt import REDUCER_KEY
from zooassist_plugin.project_building import create_workflow
from zooassist_plugin.workflow import Workflow


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory) -> Iterator[Prefill]:
    with prefill_project(tmp_path_factory.mktemp("sandbox"), [galaxy_png(1)]) as prefill:
        yield prefill


def new_workflow(sandbox: Prefill, tasks: Any = SMOOTH_TASKS, **attributes: Any) -> int:
    return create_workflow(
        sandbox.panoptes,
        sandbox.project_id,
        "Another",
        tasks,
        next(iter(tasks)),
        subject_set_ids=[sandbox.subject_set_id],
        **attributes,
    ).workflow_id


def run(sandbox: Prefill, workflow_id: int, **options: Any) -> EnableReport:
    wanted = {"card": model_card(), **options.pop("wanted", {})}
    return enable(
        sandbox.panoptes,
        sandbox.caesar,
        Wanted(workflow_id, **wanted),
        host=served,
        wait=20,
        **options,
    )


@contextmanager
def served(path: Path) -> Iterator[str]:
    """A host of the test's own: enable takes any."""
    import functools
    import http.server
    import threading

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    handler = functools.partial(Handler, directory=path.parent)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{path.name}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def failed(report: EnableReport) -> list[str]:
    return [check.name for check in report.checks if not check.passed]


def test_a_new_workflow_is_set_up_and_read_back(sandbox):
    workflow_id = new_workflow(sandbox, configuration={"theirs": 1})
    report = run(sandbox, workflow_id)
    assert failed(report) == []
    assert "an empty proposal was written and read back" in report.checks[-1].detail
    assert report.probed_subject_id == sandbox.subject_ids[0]
    assert sandbox.panoptes.workflow(workflow_id).configuration == {"theirs": 1, FLAG: True}
    answer = sandbox.caesar.visible_proposals(workflow_id, sandbox.subject_ids[0])
    assert answer.payloads == (PROBE,)


def test_a_second_run_changes_nothing(sandbox):
    workflow_id = new_workflow(sandbox)
    run(sandbox, workflow_id)
    row, etag = sandbox.panoptes.resource("workflows", workflow_id)
    again = run(sandbox, workflow_id)
    assert failed(again) == []
    assert again.calls == ()
    assert sandbox.panoptes.resource("workflows", workflow_id) == (row, etag)
    assert len(sandbox.caesar.reducers(workflow_id)) == 1


def test_dry_run_lists_the_calls_and_makes_none(sandbox):
    workflow_id = new_workflow(sandbox)
    report = run(sandbox, workflow_id, dry_run=True)
    assert [call.split(" ")[:2] for call in report.calls] == [
        ["Panoptes", "PUT"],
        ["Caesar", "POST"],
        ["Caesar", "POST"],
    ]
    assert sandbox.panoptes.workflow(workflow_id).configuration == {}
    assert sandbox.caesar.workflow(workflow_id) is None
    assert report.passed, "what enable mends by itself is no failure of a dry run"
    mended = [each.name for each in report.checks if each.detail.endswith("enable` mends it")]
    assert mended == ["fetching switched on", "Caesar follows it", "a reducer for proposals"]
    assert not any(each.checked for each in report.checks if each.name in mended)


def test_a_dry_run_of_what_is_on_already_reads_back(sandbox):
    workflow_id = new_workflow(sandbox)
    run(sandbox, workflow_id)
    report = run(sandbox, workflow_id, dry_run=True)
    assert report.passed
    assert report.calls == ()
    assert report.checks[-1].checked


def test_without_a_login_that_is_what_is_said(sandbox):
    workflow_id = new_workflow(sandbox)
    settings = replace(sandbox.settings, username=None, password=None)
    # The project is private; a public one is read without a login.
    _, etag = sandbox.panoptes.resource("projects", sandbox.project_id)
    path, public = f"/projects/{sandbox.project_id}", {"projects": {"private": False}}
    sandbox.panoptes.call("PUT", path, json=public, etag=etag)
    with connect(settings) as anonymous, Caesar(settings, anonymous) as caesar:
        seen = status(anonymous, caesar, Wanted(workflow_id))
        tried = enable(anonymous, caesar, Wanted(workflow_id, model_card()), host=served)
    assert failed(seen)[0] == failed(tried)[0] == "logged in"
    assert "PANOPTES_PASSWORD" in seen.checks[0].remedy
    assert failed(tried) == ["logged in"]
    assert tried.calls == ()
    assert "run `zooassist enable` as an owner" not in str(seen.checks)


@pytest.mark.parametrize("command", [enable, status])
def test_a_caesar_in_trouble_is_exit_code_3_and_says_wait(sandbox, command):
    workflow_id = new_workflow(sandbox)
    run(sandbox, workflow_id)

    class InTrouble(Caesar):
        def visible_proposals(self, workflow_id, subject_id):
            return ReadBack(problem="Caesar answered 503 to the query", in_trouble=True)

    with InTrouble(sandbox.settings, sandbox.panoptes) as caesar:
        report = command(sandbox.panoptes, caesar, Wanted(workflow_id))
    assert failed(report) == ["read back as a volunteer"]
    assert "503" in report.checks[-1].detail
    assert report.checks[-1].remedy.startswith("wait a few minutes")
    assert report.exit_code == 3


def test_a_workflow_that_has_no_english_texts_is_reported(sandbox):
    tasks = copy.deepcopy(SMOOTH_TASKS)
    workflow_id = new_workflow(sandbox, tasks, primary_language="fr")
    report = run(sandbox, workflow_id)
    assert failed(report) == ["texts in English"]
    strings = {"display_name": "Another"}
    content = {"translations": {"language": "en", "strings": strings}}
    path = f"/translations?translated_type=workflow&translated_id={workflow_id}"
    sandbox.panoptes.call("POST", path, json=content)
    assert failed(run(sandbox, workflow_id)) == []


def test_disable_switches_off_and_enable_finds_everything_again(sandbox):
    workflow_id = new_workflow(sandbox)
    run(sandbox, workflow_id)
    assert disable(sandbox.panoptes, workflow_id, dry_run=True)
    assert disable(sandbox.panoptes, workflow_id)
    assert not disable(sandbox.panoptes, workflow_id)
    assert sandbox.panoptes.workflow(workflow_id).configuration[FLAG] is False
    seen = status(sandbox.panoptes, sandbox.caesar, Wanted(workflow_id))
    assert failed(seen) == ["fetching switched on"]
    assert len(run(sandbox, workflow_id).calls) == 1


def _flag_off(sandbox: Prefill, workflow_id: int) -> None:
    sandbox.panoptes.configure(workflow_id, {FLAG: False})


def _not_public(sandbox: Prefill, workflow_id: int) -> None:
    sandbox.caesar.update_workflow(workflow_id, public_reductions=False)


def _no_reducer(sandbox: Prefill, workflow_id: int) -> None:
    for reducer in sandbox.caesar.reducers(workflow_id):
        sandbox.caesar.delete_reducer(workflow_id, reducer.reducer_id)


def _wrong_type(sandbox: Prefill, workflow_id: int) -> None:
    _no_reducer(sandbox, workflow_id)
    sandbox.caesar.create_reducer(workflow_id, {"type": "count", "key": REDUCER_KEY})


def _wrong_filter(sandbox: Prefill, workflow_id: int) -> None:
    [reducer] = sandbox.caesar.reducers(workflow_id)
    sandbox.caesar.update_reducer(workflow_id, reducer.reducer_id, {"filters": {}})


@pytest.mark.parametrize(
    ("damage", "reported", "calls"),
    [
        (_flag_off, ["fetching switched on"], 1),
        (_not_public, ["reductions are public", "read back as a volunteer"], 1),
        (_no_reducer, ["a reducer for proposals"], 1),
        (_wrong_type, ["a reducer for proposals"], 2),
        (_wrong_filter, ["the reducer's filter"], 1),
    ],
    ids=["flag off", "not public", "reducer missing", "wrong type", "wrong filter"],
)
def test_a_broken_switch_is_reported_repaired_and_read_back(sandbox, damage, reported, calls):
    workflow_id = new_workflow(sandbox)
    run(sandbox, workflow_id)
    damage(sandbox, workflow_id)
    seen = status(sandbox.panoptes, sandbox.caesar, Wanted(workflow_id, model_card()))
    assert failed(seen) == reported
    assert all(check.remedy for check in seen.checks if not check.passed)
    report = run(sandbox, workflow_id)
    assert failed(report) == []
    assert len(report.calls) == calls


def _pages(*groups: list[str]) -> list[Any]:
    return [
        [f"P{place}", {"stepKey": f"P{place}", "taskKeys": tasks}]
        for place, tasks in enumerate(groups)
    ]


QUESTION = {
    "type": "single",
    "question": "Smooth or featured",
    "answers": [{"label": "Smooth"}, {"label": "Featured or disk"}],
}
# What is wrong -> tasks, steps, what enable reports, and how a builder mends it.
STRUCTURE: dict[str, tuple[dict[str, Any], list[Any], str, dict[str, Any]]] = {
    "page-style steps": (SMOOTH_TASKS, _pages(["T0"], ["T1"]), "marks can be shown", {"steps": []}),
    "transcription": (
        {**SMOOTH_TASKS, "T2": {"type": "transcription", "tools": []}},
        [],
        "marks can be shown",
        {"tasks": SMOOTH_TASKS},
    ),
    "wrong tool": (
        {
            **SMOOTH_TASKS,
            "T0": {"type": "drawing", "tools": [{"type": "bezier", "label": "", "details": []}]},
        },
        [],
        "a drawing tool",
        {"tasks": SMOOTH_TASKS},
    ),
    "no drawing tool": ({"T0": QUESTION}, [], "a drawing tool", {"tasks": SMOOTH_TASKS}),
}


@pytest.mark.parametrize("name", STRUCTURE)
def test_a_workflow_that_cannot_show_proposals_is_reported_and_left_alone(sandbox, name):
    tasks, steps, reported, mend = STRUCTURE[name]
    workflow_id = new_workflow(sandbox, tasks, **({"steps": steps} if steps else {}))
    report = run(sandbox, workflow_id)
    assert reported in failed(report)
    assert report.calls == (), "a workflow that would harm its volunteers is not switched on"
    assert FLAG not in sandbox.panoptes.workflow(workflow_id).configuration
    switches = {rule.name for rule in CAESAR_RULES}
    assert not switches & set(failed(report)), "they wait, and tell nobody to run enable"
    assert not report.checks[-1].checked
    # The builder follows the remedy; then everything passes, up to the read-back.
    _, etag = sandbox.panoptes.resource("workflows", workflow_id)
    sandbox.panoptes.call("PUT", f"/workflows/{workflow_id}", json={"workflows": mend}, etag=etag)
    assert failed(run(sandbox, workflow_id)) == []


def test_proposals_that_are_there_are_never_touched(sandbox):
    workflow_id = new_workflow(sandbox)
    subject_id = sandbox.subject_ids[0]
    run(sandbox, workflow_id)
    mark = {"toolType": "ellipse", "x_center": 9, "y_center": 9, "rx": 8, "ry": 7, "angle": 0}
    mark["annotations"] = [{"task": "T0.0.0", "taskType": "single", "value": 1}]
    payload = {"data": [mark], "proposal_id": "p1"}
    sandbox.caesar.put_reduction(workflow_id, subject_id, payload)
    report = run(sandbox, workflow_id)
    assert report.checks[-1] == Check(
        "read back as a volunteer", True, f"subject {subject_id}: 1 mark to see"
    )
    assert sandbox.caesar.visible_proposals(workflow_id, subject_id).payloads == (payload,)


def test_a_reduction_that_crashes_the_page_fails_the_read_back(sandbox):
    workflow_id = new_workflow(sandbox)
    run(sandbox, workflow_id)
    sandbox.caesar.put_reduction(workflow_id, sandbox.subject_ids[0], {"blank": False})
    report = run(sandbox, workflow_id)
    assert failed(report) == ["read back as a volunteer"]
    assert "would crash" in report.checks[-1].detail


def test_a_reducer_of_another_service_is_replaced_only_on_request(sandbox):
    workflow_id = new_workflow(sandbox)
    sandbox.caesar.create_workflow(workflow_id)
    sandbox.caesar.create_reducer(workflow_id, {"type": "placeholder", "key": REDUCER_KEY})
    report = run(sandbox, workflow_id)
    assert failed(report)[:1] == ["a reducer for proposals"]
    assert [reducer.type for reducer in sandbox.caesar.reducers(workflow_id)] == ["placeholder"]
    report = run(sandbox, workflow_id, wanted={"replace_reducer": True})
    assert failed(report) == []
    assert [reducer.type for reducer in sandbox.caesar.reducers(workflow_id)] == ["first_extract"]


def test_a_paused_workflow_is_reported_not_woken(sandbox):
    workflow_id = new_workflow(sandbox)
    run(sandbox, workflow_id)
    sandbox.caesar.update_workflow(workflow_id, status="paused")
    report = run(sandbox, workflow_id)
    assert failed(report) == ["Caesar is active"]
    assert sandbox.caesar.workflow(workflow_id).status == "paused"


def test_a_live_extractor_under_our_key_is_reported(sandbox):
    workflow_id = new_workflow(sandbox)
    run(sandbox, workflow_id)
    sandbox.caesar.create_extractor(
        workflow_id, {"type": "blank", "key": EXTRACTOR_KEY, "task_key": "T0"}
    )
    assert failed(run(sandbox, workflow_id)) == ["a private extractor key"]


def test_without_subjects_there_is_nothing_to_read_back(sandbox):
    workflow_id = create_workflow(
        sandbox.panoptes, sandbox.project_id, "Empty", SMOOTH_TASKS, "T0"
    ).workflow_id
    report = run(sandbox, workflow_id)
    assert failed(report) == ["read back as a volunteer"]
    assert "--subject" in report.checks[-1].remedy


def test_a_workflow_of_somebody_else_is_refused(sandbox):
    with (
        connect(sandbox.settings.__class__(sandbox.server.url, sandbox.server.url)) as anonymous,
        pytest.raises(Refused),
    ):
        enable(anonymous, sandbox.caesar, Wanted(987_654))


def test_an_unknown_presenter_is_named():
    with pytest.raises(BadInput, match="expected one of marks, subtasks, masks, got 'magic'"):
        Wanted(1, presenter="magic")


# The rules alone, on data -----------------------------------------------------------------------


def workflow_of(tasks: dict[str, Any], **resource: Any) -> Workflow:
    return Workflow.from_json(
        {
            "id": "1",
            "version": "1.1",
            "first_task": next(iter(tasks)),
            "tasks": tasks,
            "links": {"project": "1"},
            **resource,
        }
    )


def with_tool(**changes: Any) -> dict[str, Any]:
    tasks = copy.deepcopy(SMOOTH_TASKS)
    tasks["T0"]["tools"][0].update(changes)
    return tasks


def failing(situation: Situation) -> list[str]:
    return [check.name for check in check_rules(WORKFLOW_RULES, situation) if not check.passed]


BAR = {
    "type": "single",
    "question": "Is there a bar",
    "required": True,
    "answers": [{"label": "Yes"}, {"label": "No"}],
}
ELLIPSE = {"type": "ellipse", "label": "", "details": []}
TWO_BARE = {"T0": {"type": "drawing", "tools": [ELLIPSE, ELLIPSE]}}
OTHER_MODEL = LabelSchema(
    (Question("colour", "", "single", (), (Answer("Red", 0, "colour_red"),), "Colour"),)
)


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        (Situation(workflow_of(SMOOTH_TASKS), card=model_card()), []),
        (Situation(workflow_of(SMOOTH_TASKS)), []),
        (
            Situation(workflow_of(SMOOTH_TASKS), "marks", model_card()),
            ["Done stays free"],
        ),
        (
            Situation(workflow_of(with_tool(details=[BAR])), card=model_card()),
            ["Done stays free"],
        ),
        (
            Situation(workflow_of(with_tool(details=[])), card=model_card()),
            ["the model's questions"],
        ),
        (
            Situation(workflow_of(SMOOTH_TASKS), card=model_card(schema=OTHER_MODEL)),
            ["the model's questions", "Done stays free"],
        ),
        (Situation(workflow_of(with_tool(max=0)), card=model_card()), ["room for a proposal"]),
        (Situation(workflow_of(TWO_BARE), "marks", model_card()), ["one class per tool"]),
        (Situation(workflow_of(SMOOTH_TASKS), "marks", model_card("mask", None)),
         ["the model's tool"]),
        (
            Situation(
                workflow_of(SMOOTH_TASKS, configuration={"subject_viewer": "volumetric"}),
                card=model_card(),
            ),
            ["marks can be shown"],
        ),
        (
            Situation(workflow_of(SMOOTH_TASKS, first_task="T9"), card=model_card()),
            ["a first task", "the model's questions"],
        ),
        (
            Situation(workflow_of(SMOOTH_TASKS, first_task=""), card=model_card()),
            ["a first task"],
        ),
        (
            Situation(workflow_of(SMOOTH_TASKS), card=model_card(), in_english=False),
            ["texts in English"],
        ),
        (
            Situation(
                workflow_of(SMOOTH_TASKS, steps=_pages(["T0", "T1"])), card=model_card()
            ),
            [],
        ),
    ],
)  # fmt: skip
def test_rules_on_the_structure(situation, expected):
    assert failing(situation) == expected


def test_a_question_under_other_words_is_matched_by_map():
    tasks = copy.deepcopy(SMOOTH_TASKS)
    tasks["T0"]["tools"][0]["details"][0]["question"] = "What is it?"
    situation = Situation(workflow_of(tasks), card=model_card())
    assert "the model's questions" in failing(situation)
    mapped = Situation(
        workflow_of(tasks), card=model_card(), overrides={"T0.0.0": SMOOTH.questions[0].name}
    )
    assert failing(mapped) == []


def test_tasks_that_cannot_be_read_fail_a_rule_instead_of_the_run():
    tasks = {**SMOOTH_TASKS, "T1": {"type": "single", "question": "?", "answers": []}}
    situation = Situation(workflow_of(tasks), card=model_card())
    [bad] = [
        rule.check(situation) for rule in WORKFLOW_RULES if rule.name == "the model's questions"
    ]
    assert not bad.passed
    assert "expected a single question to have answers" in bad.detail


def test_what_cannot_be_read_fails_once_and_leaves_the_rest_unchecked():
    twice = copy.deepcopy(SMOOTH_TASKS)
    twice["T0"]["tools"][0]["details"] *= 2
    for situation in (
        Situation(workflow_of(twice), card=model_card()),
        Situation(workflow_of(SMOOTH_TASKS), card=model_card(), overrides={"T9": "bar"}),
        Situation(
            workflow_of(with_tool(details=[BAR])),
            card=model_card(),
            overrides={"T0.0.0": SMOOTH.questions[0].name},
        ),
    ):
        checks = {check.name: check for check in check_rules(WORKFLOW_RULES, situation)}
        assert [each for each in checks if not checks[each].passed] == ["the model's questions"]
        assert "--map" not in checks["the model's questions"].remedy
        for name in ("Done stays free", "room for a proposal"):
            assert not checks[name].checked
            assert checks[name].detail == 'not checked, see "the model\'s questions"'


def test_without_a_model_its_checks_are_not_made():
    checks = check_rules(WORKFLOW_RULES, Situation(workflow_of(SMOOTH_TASKS)))
    unchecked = {check.name for check in checks if not check.checked}
    assert unchecked == {"the model's tool", "the model's questions", "Done stays free"}
    assert all("--model" in check.detail for check in checks if not check.checked)
    marks = Situation(workflow_of(SMOOTH_TASKS), "marks", model_card())
    [questions] = [
        check
        for check in check_rules(WORKFLOW_RULES, marks)
        if check.name == "the model's questions"
    ]
    assert not questions.checked


def test_every_rule_has_a_name_of_its_own_and_a_remedy():
    rules = [*ACCOUNT_RULES, *WORKFLOW_RULES, *CAESAR_RULES]
    assert len({rule.name for rule in rules}) == len(rules)
    assert all(rule.remedy for rule in rules)
    assert REDUCER["filters"] == {"extractor_keys": [EXTRACTOR_KEY]}
