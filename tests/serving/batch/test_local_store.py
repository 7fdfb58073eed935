import os
import threading

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.stores.local import LocalStore
from zooassist_serving.batch.stores.store import ObjectProblem


@pytest.fixture
def store():
    return LocalStore()


def test_only_one_of_many_writers_wins(store, tmp_path):
    place = Place("", str(tmp_path / "deep" / "part"))
    won = []
    barrier = threading.Barrier(8)

    def write(number):
        barrier.wait()
        if store.put_new(place, bytes([number]) * 1000, {}):
            won.append(number)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(won) == 1
    assert store.read(Seen(place), 10**6) == bytes(won) * 1000
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["part"]


def test_a_file_that_was_replaced_is_not_read_as_the_old_one(store, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    seen = store.look(Place("", str(path))).seen
    assert store.read(seen, 10) == b"old"
    path.write_bytes(b"newer")
    with pytest.raises(ObjectProblem, match="was replaced") as caught:
        store.read(seen, 10)
    assert caught.value.trouble == "changed"


def test_what_is_not_there(store, tmp_path):
    place = Place("", str(tmp_path / "none.png"))
    assert store.look(place) is None
    with pytest.raises(ObjectProblem, match="deleted or never written") as caught:
        store.read(Seen(place), 10)
    assert caught.value.trouble == "gone"


def test_limits(store, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"x" * 11)
    with pytest.raises(ObjectProblem, match="at most 10 bytes, got 11"):
        store.read(Seen(Place("", str(path))), 10)
    with pytest.raises(ObjectProblem, match="at most 10 bytes, got 11"):
        store.download(Seen(Place("", str(path))), tmp_path / "copy", 10)


def test_lists_leave_out_what_is_hidden(store, tmp_path):
    for name in ("b/1.png", "a.png", ".hidden/c.png", "b/.tmp.png", "bb.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nothing")

    def names(prefix):
        return [os.path.relpath(s.place.key, tmp_path) for s in store.list(Place("", prefix))]

    assert names(str(tmp_path)) == ["a.png", "b/1.png", "bb.png", "dangling.png"]
    assert names(f"{tmp_path}/b") == ["b/1.png"], "a folder is a folder"
    assert names(f"{tmp_path}/bb") == ["bb.png"], "and anything else a beginning"
    assert names(f"{tmp_path}/nowhere/x") == []


def test_a_place_that_takes_no_files(store, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(BadInput, match="cannot be written"):
        store.put_new(Place("", str(file / "part")), b"x", {})
