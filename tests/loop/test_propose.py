"""Propose against a sandbox: what volunteers get, what is skipped, what bad input does."""

from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from prefill_model import model_folder
from prefill_project import SMOOTH_TASKS, Prefill, galaxy_png, prefill_project

from zooassist_loop.enable_command import record_probe
from zooassist_loop.ledger import Ledger
from zooassist_loop.propose.hosts import csv_host
from zooassist_loop.propose.pipeline import Order, Outcome, Sides, propose_subjects
from zooassist_loop.propose.publishing import choose_sample, waiting_time
from zooassist_loop.propose.report import is_complete, note_lines, outcome_lines
from zooassist_loop.propose.selection import Selection, Tally
from zooassist_plugin.enable import Wanted, enable
from zooassist_plugin.errors import BadInput, ItemFailed, Refused
from zooassist_plugin.presenters.machine_learnt import canonical
from zooassist_plugin.project_building import (
    NewSubject,
    add_subjects,
    create_subject_set,
    create_workflow,
    upload_subjects,
)
from zooassist_plugin.records import Subject
from zooassist_serving.dataplane import DataPlane
from zooassist_serving.model_folder import ModelFolder

COUNT = 7


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> list[ModelFolder]:
    folder = tmp_path_factory.mktemp("models")
    return [model_folder(folder / f"v{tilt}", tilt) for tilt in (0, 3)]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory) -> Iterator[Prefill]:
    images = [galaxy_png(seed) for seed in range(COUNT)]
    with prefill_project(tmp_path_factory.mktemp("sandbox"), images) as prefill:
        yield prefill


@pytest.fixture
def sides(sandbox, tmp_path) -> Iterator[Sides]:
    with Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        host = csv_host("local", sandbox.settings)
        yield Sides(sandbox.panoptes, sandbox.caesar, ledger, host)


def new_workflow(sandbox: Prefill, sides: Sides, folder: ModelFolder, **attributes: Any) -> int:
    """A workflow over the same subjects, switched on as `zooassist enable` does it."""
    workflow_id = create_workflow(
        sandbox.panoptes,
        sandbox.project_id,
        "Outline",
        SMOOTH_TASKS,
        "T0",
        subject_set_ids=[sandbox.subject_set_id],
        **attributes,
    ).workflow_id
    wanted = Wanted(workflow_id, folder.card)
    report = enable(sandbox.panoptes, sandbox.caesar, wanted, host=sides.host, wait=20)
    assert report.passed
    record_probe(sides.ledger, workflow_id, report)
    return workflow_id


def run(
    sandbox: Prefill, sides: Sides, workflow_id: int, folder: ModelFolder, **options
) -> Outcome:
    subject_set_id = options.pop("subject_set_id", sandbox.subject_set_id)
    csv = options.pop("csv", None)
    order = Order(
        Wanted(workflow_id, folder.card), subject_set_id, **{"wait": 20.0, "batch": 3, **options}
    )
    return propose_subjects(sides, order, DataPlane([folder], threads=1), csv=csv)


def classify(sandbox: Prefill, workflow_id: int, subject_id: int) -> None:
    moment = "2026-06-01T10:00:00.000Z"
    metadata = {
        "classifier_version": "2.0",
        "started_at": moment,
        "finished_at": moment,
        "user_agent": "test",
        "user_language": "en",
        "workflow_version": "1.1",
    }
    links = {
        "project": str(sandbox.project_id),
        "workflow": str(workflow_id),
        "subjects": [str(subject_id)],
    }
    annotations = [{"task": "T0", "taskType": "drawing", "value": []}]
    content = {
        "annotations": annotations,
        "completed": True,
        "metadata": metadata,
        "links": links,
    }
    sandbox.panoptes.call("POST", "/classifications", json={"classifications": content})


def visible(sandbox: Prefill, workflow_id: int) -> dict[int, Any]:
    found = {}
    for subject_id in sandbox.subject_ids:
        answer = sandbox.caesar.visible_proposals(workflow_id, subject_id)
        assert not answer.problem
        found[subject_id] = answer.payloads
    return found


def test_every_subject_gets_a_proposal_that_a_volunteer_sees(sandbox, sides, models, tmp_path):
    workflow_id = new_workflow(sandbox, sides, models[0])
    csv = tmp_path / "kept.csv"
    outcome = run(sandbox, sides, workflow_id, models[0], sample=None, csv=csv)
    assert outcome.proposed == COUNT
    assert outcome.failed == ()
    assert (outcome.published.read_back, outcome.published.equal) == (COUNT, COUNT)
    assert sides.ledger.counts(workflow_id)["presented"] == COUNT + 1  # and enable's own
    shown = visible(sandbox, workflow_id)
    for entry in sides.ledger.entries(workflow_id):
        if entry.model == models[0].card.name:
            assert canonical(list(shown[entry.subject_id])) == canonical([entry.payload])
            [mark] = entry.payload["data"]
            assert mark["toolType"] == "ellipse"
            assert mark["annotations"] == [{"task": "T0.0.0", "taskType": "single", "value": 0}]
            assert entry.workflow_version == "1.1"
    assert csv.read_text(encoding="utf-8").count("\n") == COUNT + 1


def test_a_second_run_proposes_nothing_and_writes_nothing(sandbox, sides, models):
    workflow_id = new_workflow(sandbox, sides, models[0])
    run(sandbox, sides, workflow_id, models[0])
    before = list(sides.ledger.entries(workflow_id))
    again = run(sandbox, sides, workflow_id, models[0])
    assert (again.proposed, again.skipped["proposed"]) == (0, COUNT)
    assert again.published.rows == 0
    assert list(sides.ledger.entries(workflow_id)) == before
    assert outcome_lines(again)[-1] == "nothing to import"


def test_a_limit_is_per_run(sandbox, sides, models):
    workflow_id = new_workflow(sandbox, sides, models[0])
    assert run(sandbox, sides, workflow_id, models[0], limit=0).proposed == 0
    first = run(sandbox, sides, workflow_id, models[0], limit=4)
    assert (first.proposed, first.left) == (4, COUNT - 4)
    assert "3 subjects of the set are left for the next run (--limit)" in outcome_lines(first)
    rest = run(sandbox, sides, workflow_id, models[0], limit=99)
    assert (rest.proposed, rest.left) == (COUNT - 4, 0)
    assert not any("left for the next run" in line for line in outcome_lines(rest))


def test_an_empty_or_unlinked_set_is_said(sandbox, sides, models):
    panoptes = sandbox.panoptes
    workflow_id = new_workflow(sandbox, sides, models[0])
    assert run(sandbox, sides, workflow_id, models[0], limit=0).notes == ()
    subject_set_id = create_subject_set(panoptes, sandbox.project_id, "on its own")
    options = {"subject_set_id": subject_set_id}
    empty = run(sandbox, sides, workflow_id, models[0], **options)
    assert any(line.startswith("the subject set is empty") for line in outcome_lines(empty))
    add_subjects(panoptes, subject_set_id, sandbox.subject_ids[:1])
    outcome = run(sandbox, sides, workflow_id, models[0], **options)
    assert outcome.proposed == 1
    assert f"set {subject_set_id} is not linked to workflow {workflow_id}" in outcome.notes[0]
    assert is_complete(outcome), "it can be linked later"
    assert not any("empty" in line for line in outcome_lines(outcome))


def test_a_new_version_replaces_what_is_visible_but_not_under_answers(sandbox, sides, models):
    old, new = models
    workflow_id = new_workflow(sandbox, sides, old)
    run(sandbox, sides, workflow_id, old, sample=None)
    retired, classified = sandbox.subject_ids[0], sandbox.subject_ids[1]
    sandbox.panoptes.retire_subjects(workflow_id, [retired], "consensus")
    classify(sandbox, workflow_id, classified)
    _until_status(sandbox, workflow_id, {retired, classified})

    outcome = run(sandbox, sides, workflow_id, new, sample=1)
    assert outcome.skipped == {"proposed": 0, "retired": 1, "classified": 1}
    # All replaced ones are read back, whatever the sample.
    assert (outcome.proposed, outcome.published.equal) == (COUNT - 2, COUNT - 2)
    versions = {
        subject_id: payloads[0]["model_version"]
        for subject_id, payloads in visible(sandbox, workflow_id).items()
    }
    untouched = {retired, classified}
    assert {each for each in versions if versions[each] == old.card.version} == untouched

    insisted = run(sandbox, sides, workflow_id, new, replace=True)
    assert (insisted.proposed, insisted.skipped["retired"]) == (1, 1)
    shown = visible(sandbox, workflow_id)
    assert shown[classified][0]["model_version"] == new.card.version
    assert shown[retired][0]["model_version"] == old.card.version


def _until_status(sandbox: Prefill, workflow_id: int, subject_ids: set[int]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = list(sandbox.panoptes.statuses(workflow_id))
        settled = {s.subject_id for s in found if s.retired_at or s.classifications_count}
        if subject_ids <= settled:
            return
        time.sleep(0.05)
    raise AssertionError("the sandbox did not settle")


class Nowhere:
    """A host at which Caesar finds nothing."""

    def __init__(self, path: Path) -> None:
        pass

    def __enter__(self) -> str:
        return "http://127.0.0.1:1/none.csv"

    def __exit__(self, *error: object) -> None:
        pass


def test_what_caesar_keeps_is_written_over_directly(sandbox, sides, models, tmp_path):
    # Some versions of Caesar's first_extract keep data that is there although the import brought
    # other data; an import that never comes looks the same. The ledger is another machine's, so
    # nothing is known of the older proposals, and one look finds out for all.
    old, new = models
    workflow_id = new_workflow(sandbox, sides, old)
    run(sandbox, sides, workflow_id, old, sample=None)
    with Ledger(f"sqlite:///{tmp_path / 'elsewhere.sqlite'}") as elsewhere:
        lost = replace(sides, ledger=elsewhere, host=Nowhere)
        outcome = run(sandbox, lost, workflow_id, new, sample=1, wait=0.5)
    assert (outcome.published.read_back, outcome.published.equal) == (COUNT, COUNT)
    shown = visible(sandbox, workflow_id)
    assert {each[0]["model_version"] for each in shown.values()} == {new.card.version}


def test_proposing_before_enable_says_what_to_run(sandbox, sides, models):
    workflow_id = create_workflow(
        sandbox.panoptes, sandbox.project_id, "Off", SMOOTH_TASKS, "T0"
    ).workflow_id
    with pytest.raises(ItemFailed, match=r"fetching switched on.*run `zooassist enable`"):
        run(sandbox, sides, workflow_id, models[0])


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ({"T0": {"type": "single", "question": "?", "answers": []}}, "a drawing tool"),
        (
            {"T0": {"type": "drawing", "tools": [{"type": "ellipse", "details": []}]}},
            "the model's questions",
        ),
    ],
    ids=["no drawing tool", "model does not fit"],
)
def test_a_workflow_that_does_not_fit_is_one_line(sandbox, sides, models, tasks, expected):
    workflow_id = create_workflow(
        sandbox.panoptes, sandbox.project_id, "Odd", tasks, "T0"
    ).workflow_id
    with pytest.raises(ItemFailed) as caught:
        run(sandbox, sides, workflow_id, models[0])
    assert str(caught.value).startswith(f"workflow {workflow_id}: {expected}")
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


def test_a_subject_set_that_is_not_there_is_refused(sandbox, sides, models):
    workflow_id = new_workflow(sandbox, sides, models[0])
    with pytest.raises(Refused, match="404 to GET /subject_sets/98765"):
        run(sandbox, sides, workflow_id, models[0], subject_set_id=98_765)


def _huge_png() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def _text_png() -> bytes:
    return b"this is not a picture"


def test_bad_subjects_are_one_line_each_and_the_rest_goes_on(sandbox, sides, models):
    panoptes = sandbox.panoptes
    subject_set_id = create_subject_set(panoptes, sandbox.project_id, "mixed")
    good, corrupt = galaxy_png(20), galaxy_png(21)[:300]
    files = {"good": good, "corrupt": corrupt, "huge": _huge_png(), "text": _text_png()}
    new = [NewSubject(name, (("image/png", content),)) for name, content in files.items()]
    uploaded, failed = upload_subjects(panoptes, sandbox.project_id, new)
    assert not failed
    ids = dict(zip(files, (subject.subject_id for subject in uploaded), strict=True))
    links = {"project": str(sandbox.project_id)}
    for name, locations in {
        "unreachable": [{"image/png": "http://127.0.0.1:1/g.png"}],
        "no location": [],
        "not an image": [{"video/mp4": f"{sandbox.server.url}/media/v.mp4"}],
    }.items():
        content = {"locations": locations, "metadata": {}, "links": links}
        body, _ = panoptes.call("POST", "/subjects", json={"subjects": content})
        ids[name] = int(body["subjects"][0]["id"])
    add_subjects(panoptes, subject_set_id, list(ids.values()))

    workflow_id = new_workflow(sandbox, sides, models[0])
    outcome = run(sandbox, sides, workflow_id, models[0], subject_set_id=subject_set_id)
    assert outcome.proposed == 1
    assert outcome.published.equal == 1
    assert not is_complete(outcome)
    by_item = {failure.item: str(failure) for failure in outcome.failed}
    assert set(by_item) == {f"subject {ids[name]}" for name in ids if name != "good"}
    assert all("\n" not in line and "; " in line for line in by_item.values())
    assert "damaged" in by_item[f"subject {ids['corrupt']}"]
    assert "50000 x 50000" in by_item[f"subject {ids['huge']}"]
    assert "127.0.0.1:1/g.png" in by_item[f"subject {ids['unreachable']}"]
    assert "no location" in by_item[f"subject {ids['no location']}"]
    assert "video/mp4" in by_item[f"subject {ids['not an image']}"]
    # Failed subjects are kept with their reason and tried again by the next run.
    assert sides.ledger.counts(workflow_id)["failed"] == 6
    again = run(sandbox, sides, workflow_id, models[0], subject_set_id=subject_set_id)
    assert (again.proposed, len(again.failed)) == (0, 6)
    assert sides.ledger.counts(workflow_id)["failed"] == 6


def test_a_picture_without_an_object_is_proposed_without_a_mark(sandbox, sides, models):
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), (9, 9, 9)).save(buffer, "PNG")
    [blank], _ = upload_subjects(
        sandbox.panoptes,
        sandbox.project_id,
        [NewSubject("blank", (("image/png", buffer.getvalue()),))],
    )
    subject_set_id = create_subject_set(sandbox.panoptes, sandbox.project_id, "blank")
    add_subjects(sandbox.panoptes, subject_set_id, [blank.subject_id])
    workflow_id = new_workflow(sandbox, sides, models[0])
    outcome = run(sandbox, sides, workflow_id, models[0], subject_set_id=subject_set_id)
    assert is_complete(outcome)
    [payload] = sandbox.caesar.visible_proposals(workflow_id, blank.subject_id).payloads
    assert payload["data"] == []
    assert payload["model_version"] == models[0].card.version
    assert note_lines(outcome)


def test_an_import_that_is_never_seen_stays_submitted(sandbox, sides, models):
    workflow_id = new_workflow(sandbox, sides, models[0])

    lost = replace(sides, host=Nowhere)
    outcome = run(sandbox, lost, workflow_id, models[0], wait=0.5, sample=None)
    assert len(outcome.published.missing) == COUNT - 1, "the probed one is written directly"
    assert not is_complete(outcome)
    assert "run the same command again" in outcome_lines(outcome)[-1]
    assert sides.ledger.counts(workflow_id)["submitted"] == COUNT - 1
    assert is_complete(run(sandbox, sides, workflow_id, models[0], sample=None))
    assert sides.ledger.counts(workflow_id)["submitted"] == 0


# The pure parts -----------------------------------------------------------------------------------


def test_who_is_skipped_and_why():
    selection = Selection(
        known=frozenset({1}),
        retired=frozenset({1, 2}),
        classified=frozenset({2, 3, 4}),
        shown=frozenset({3}),
    )
    reasons = {each: selection.reason_to_skip(each) for each in (1, 2, 3, 4, 5)}
    assert reasons == {1: "proposed", 2: "retired", 3: "classified", 4: "", 5: ""}
    assert replace(selection, replace=True).reason_to_skip(3) == ""
    tally = Tally()
    twice = [Subject(5), Subject(5), Subject(2)]
    assert [subject.subject_id for subject in tally.choose(iter(twice), selection)] == [5]
    assert tally.skipped == {"proposed": 0, "retired": 1, "classified": 0}


def test_a_sample_always_holds_the_replaced_ones():
    assert choose_sample(range(100), [3, 500], None) == frozenset(range(100))
    sample = choose_sample(range(100), [3, 500], 5, seed=1)
    assert 3 in sample
    assert len(sample) == 6
    assert sample == choose_sample(range(100), [3, 500], 5, seed=1)
    assert choose_sample(range(3), [], 20) == frozenset({0, 1, 2})
    assert waiting_time(900) > 600


def test_an_order_that_makes_no_sense_is_named(models):
    with pytest.raises(BadInput, match="--batch"):
        Order(Wanted(1), 2, batch=0)
    with pytest.raises(BadInput, match="--limit"):
        Order(Wanted(1), 2, limit=-1)
    with pytest.raises(BadInput, match="--model"):
        _ = Order(Wanted(1), 2).card
