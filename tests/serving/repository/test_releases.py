from __future__ import annotations

import json
import logging
import shutil
import threading

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.dataplane import DataPlane, Item
from zooassist_serving.repository import changes
from zooassist_serving.repository.following import Follower
from zooassist_serving.repository.release import place_of
from zooassist_serving.repository.released_model import ModelGone
from zooassist_serving.repository.releases import ReleasedPlane, Releases


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def names(versions):
    return [folder.card.version for folder in versions]


@pytest.fixture
def make(store):
    made = []

    def _make(**options):
        maker, quiet = DataPlane([], threads=1), DataPlane([], threads=1)
        plane = ReleasedPlane([], threads=1)
        releases = Releases(store, plane, maker=maker, quiet=quiet, **options)
        made.append(releases)
        return releases

    yield _make
    for releases in made:
        releases.shadows.close()


@pytest.fixture
def item(png):
    return lambda subject=None, colour="red": Item(f"{subject}.png", png(colour), subject)


def said(model, item):
    """Version and first fraction; each version of the tiny model says another."""
    (prediction,) = model.predict([item])
    assert prediction.error is None
    return prediction.model_version, float(prediction.fractions[0])


def test_what_is_active_answers(store, names, make, item):
    releases = make()
    assert not releases.follow(), "nothing is active yet"
    assert not releases.plane.ready()
    changes.activate(store, "tiny", names[0])
    assert releases.follow()
    assert releases.plane.ready()
    assert not releases.follow(), "nothing has changed"
    before = releases.plane.at("tiny")
    first = said(before, item())
    changes.activate(store, "tiny", names[1])
    assert releases.follow()
    second = said(releases.plane.at("tiny"), item())
    assert (first[0], second[0]) == (names[0], names[1])
    assert first[1] != second[1]
    assert releases.plane.metadata("tiny").version == names[1]
    changes.roll_back(store, "tiny")
    releases.follow()
    assert said(releases.plane.at("tiny"), item()) == first


def test_a_request_goes_on_with_the_version_it_began_with(store, names, make, item):
    changes.activate(store, "tiny", names[0])
    releases = make(budget=1_000_000)
    releases.follow()
    model = releases.plane.at("tiny")
    going = model.predict(item() for _ in range(100))
    first = next(going)
    changes.activate(store, "tiny", names[1])
    releases.follow()
    assert {p.model_version for p in [first, *going]} == {names[0]}
    assert model.predict_one(item()).model_version == names[0], "who holds it has it"
    releases.follow()
    assert [key.version for key in releases.pool.loaded] == [names[1]]


def test_a_release_that_cannot_be_served_leaves_what_is(store, names, make, item, caplog):
    clock = Clock()
    changes.activate(store, "tiny", names[0])
    releases = make(clock=clock)
    releases.follow()
    changes.activate(store, "tiny", names[1])
    graph = store.folder("tiny", names[1]).onnx_path
    sound = graph.read_bytes()
    graph.write_bytes(b"damaged after it was activated")
    assert not releases.follow()
    assert said(releases.plane.at("tiny"), item())[0] == names[0]
    ((name, reason),) = releases.problems
    assert name == "tiny"
    assert "expected sha256" in reason
    assert "is not served" in caplog.text
    graph.write_bytes(sound)
    assert not releases.follow(), "it is left alone for a while"
    clock.now = 2.0
    assert releases.follow()
    assert releases.problems == ()
    assert said(releases.plane.at("tiny"), item())[0] == names[1]


def test_a_folder_damaged_while_it_is_served(store, names, make, item):
    changes.activate(store, "tiny", names[0])
    releases = make()
    releases.follow()
    store.folder("tiny", names[0]).onnx_path.write_bytes(b"damaged")
    assert said(releases.plane.at("tiny"), item())[0] == names[0], "it is in memory"
    releases.pool.keep_only(set())
    with pytest.raises(ModelGone, match="cannot be used at the moment"):
        releases.plane.at("tiny").predict_one(item())
    with pytest.raises(ModelGone):
        list(releases.plane.at("tiny").predict([item()]))


def test_models_come_and_stay(store, names, make, make_version, item):
    clock = Clock()
    changes.activate(store, "tiny", names[0])
    releases = make(clock=clock)
    releases.follow()
    other = make_version(1, "other")
    store.add(other)
    changes.activate(store, "other", other.card.version)
    clock.now = 11.0
    assert releases.follow()
    assert set(releases.plane.names) == {"tiny", "other"}
    shutil.rmtree(store.folder("other", other.card.version).path.parent)
    clock.now = 22.0
    releases.follow()
    assert said(releases.plane.at("other"), item())[0] == other.card.version


def test_only_the_models_that_were_asked_for(store, names, make, make_version):
    changes.activate(store, "tiny", names[0])
    other = make_version(1, "other")
    store.add(other)
    changes.activate(store, "other", other.card.version)
    releases = make(only=("other",))
    releases.follow()
    assert releases.plane.names == ("other",)


def test_shares_are_answered_by_subject_and_in_order(store, names, make, item):
    changes.activate(store, "tiny", names[0])
    changes.share(store, "tiny", {names[1]: 0.3, names[2]: 0.3})
    releases = make()
    releases.follow()
    model = releases.plane.at("tiny")
    found = list(model.predict(item(subject) for subject in range(1, 101)))
    assert [p.subject_id for p in found] == list(range(1, 101))
    for prediction in found:
        place = place_of("tiny", prediction.subject_id)
        expected = names[1] if place < 0.3 else names[2] if place < 0.6 else names[0]
        assert prediction.model_version == expected
        assert model.predict_one(item(prediction.subject_id)).model_version == expected
    assert said(model, item(None))[0] == names[0], "of no subject: the active version"


def test_a_bad_image_among_shares_stays_in_its_place(store, names, make, item):
    changes.activate(store, "tiny", names[0])
    changes.share(store, "tiny", {names[1]: 0.5})
    releases = make()
    releases.follow()
    items = [item(1), Item("2", b"no image", 2), item(3)]
    found = list(releases.plane.at("tiny").predict(items))
    assert [(p.subject_id, p.error is None) for p in found] == [(1, True), (2, False), (3, True)]


def test_a_damaged_share_answers_nobody_and_is_told(store, names, make, item):
    changes.activate(store, "tiny", names[0])
    changes.share(store, "tiny", {names[1]: 0.9})
    store.folder("tiny", names[1]).onnx_path.write_bytes(b"damaged")
    releases = make()
    releases.follow()
    found = releases.plane.at("tiny").predict(item(subject) for subject in range(1, 20))
    assert {p.model_version for p in found} == {names[0]}
    ((_, problem),) = releases.problems
    assert f"version {names[1]} answers nobody" in problem


def test_the_shadow_looks_too_and_only_the_log_knows(store, names, make, item, caplog):
    changes.activate(store, "tiny", names[0])
    changes.shadow(store, "tiny", names[2])
    releases = make()
    releases.follow()
    model = releases.plane.at("tiny")
    fetched = []

    def fetch():
        fetched.append(1)
        return item(None, "blue").data

    with caplog.at_level(logging.INFO, "zooassist_serving.shadow"):
        found = [*model.predict([item(1), Item("b", fetch, 2)]), model.predict_one(item(3))]
        releases.shadows.drain()
    assert {p.model_version for p in found} == {names[0]}
    assert fetched == [1], "an image is fetched once"
    lines = [r.getMessage() for r in caplog.records if r.name == "zooassist_serving.shadow"]
    told = [json.loads(line.removeprefix("shadow ")) for line in lines]
    assert [line["item"] for line in told] == ["subject 1", "subject 2", "subject 3"]
    assert {line["shadow_version"] for line in told} == {names[2]}
    assert all(line["difference"] > 0 for line in told)
    (tally,) = releases.shadows.tallies.values()
    assert (tally.compared, tally.failed, tally.left_out) == (3, 0, 0)


def test_a_shadow_that_fails_harms_nobody(store, names, make, item):
    changes.activate(store, "tiny", names[0])
    changes.shadow(store, "tiny", names[1])
    store.folder("tiny", names[1]).onnx_path.write_bytes(b"damaged")
    releases = make()
    releases.follow()
    assert said(releases.plane.at("tiny"), item(1))[0] == names[0]
    releases.shadows.drain()
    (tally,) = releases.shadows.tallies.values()
    assert (tally.compared, tally.failed) == (0, 1)


def test_a_shadow_that_is_slow_keeps_nobody_waiting(store, names, make, item):
    changes.activate(store, "tiny", names[0])
    changes.shadow(store, "tiny", names[1])
    releases = make()
    releases.follow()
    releases.shadows.close()
    gate = threading.Event()
    lease = releases.shadows.lease

    def slow(key):
        gate.wait()
        return lease(key)

    releases.shadows.lease = slow
    model = releases.plane.at("tiny")
    for subject in range(1, 101):
        model.predict_one(item(subject))
    gate.set()
    releases.shadows.drain()
    (tally,) = releases.shadows.tallies.values()
    assert tally.compared + tally.left_out == 100
    assert tally.left_out >= 100 - 65


def test_the_budget_lets_the_least_recently_used_go(store, names, make, make_version, item):
    folders = [make_version(n, name) for n, name in enumerate(("one", "two", "three"), start=1)]
    for folder in folders:
        store.add(folder)
        changes.activate(store, folder.card.name, folder.card.version)
    sizes = [folder.onnx_path.stat().st_size for folder in folders]
    releases = make(budget=sum(sizes) - 1, only=("one", "two", "three"))
    releases.follow()
    assert [key.name for key in releases.pool.loaded] == ["two", "three"]
    assert releases.plane.ready(), "one that left comes back when asked"
    said(releases.plane.at("two"), item())
    said(releases.plane.at("one"), item())
    assert [key.name for key in releases.pool.loaded] == ["two", "one"]
    assert releases.pool.size == sizes[0] + sizes[1]


def test_what_is_in_use_never_leaves(store, make, make_version, item):
    folders = [make_version(n, name) for n, name in enumerate(("one", "two"), start=1)]
    for folder in folders:
        store.add(folder)
        changes.activate(store, folder.card.name, folder.card.version)
    largest = max(folder.onnx_path.stat().st_size for folder in folders)
    releases = make(budget=largest, only=("one", "two"))
    releases.follow()
    going = releases.plane.at("one").predict(item() for _ in range(3))
    next(going)
    said(releases.plane.at("two"), item())
    assert {key.name for key in releases.pool.loaded} == {"one"}, "the one in use stays"
    assert len(list(going)) == 2


def test_a_model_larger_than_the_budget(store, names, make):
    changes.activate(store, "tiny", names[0])
    releases = make(budget=10)
    releases.follow()
    assert releases.plane.names == ()
    assert "raise --model-memory" in releases.problems[0][1]
    with pytest.raises(BadInput, match="expected 1 byte or more"):
        make(budget=0)


def test_threads_that_ask_for_one_model_load_it_once(store, names, make, item):
    loads = []
    changes.activate(store, "tiny", names[0])
    releases = make()
    releases.follow()
    releases.pool.keep_only(set())
    load = releases.pool._load
    releases.pool._load = lambda *about: loads.append(1) or load(*about)
    model = releases.plane.at("tiny")
    threads = [threading.Thread(target=model.predict_one, args=(item(),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == [1]


def test_proposals_are_made_by_the_subjects_version(store, names, make, item):
    from zooassist_plugin.label_match import LabelMatch
    from zooassist_plugin.workflow import Workflow

    workflow = Workflow(1, 1, "w", "1.1", "T0", {"T0": {"type": "drawing", "tools": []}})
    changes.activate(store, "tiny", names[0])
    changes.share(store, "tiny", {names[1]: 0.5})
    changes.shadow(store, "tiny", names[2])
    releases = make()
    releases.follow()
    model = releases.plane.at("tiny")
    items = [item(subject) for subject in range(1, 11)]
    found = list(model.propose(items, workflow, LabelMatch((), ())))
    assert [each.proposal.subject_id for each in found] == list(range(1, 11))
    for each in found:
        expected = model.release.version_for("tiny", each.proposal.subject_id)
        assert each.proposal.model_version == expected
    releases.shadows.drain()
    (tally,) = releases.shadows.tallies.values()
    assert (tally.compared, tally.failed) == (10, 0)


def test_a_running_server_follows_by_itself(store, names, make, item):
    changes.activate(store, "tiny", names[0])
    releases = make()
    releases.follow()
    followed = threading.Event()
    swap = releases.plane.swap

    def swapping(*about):
        try:
            return swap(*about)
        finally:
            followed.set()

    releases.plane.swap = swapping
    with Follower(releases, period=30.0) as follower:
        changes.activate(store, "tiny", names[1])
        follower.wake()
        assert followed.wait(30)
    assert said(releases.plane.at("tiny"), item())[0] == names[1]
