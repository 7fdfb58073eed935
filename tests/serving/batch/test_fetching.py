import os

import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch import fetching as module
from zooassist_serving.batch.fetching import Fetching, ShardReader
from zooassist_serving.batch.shard_rows import ShardRow
from zooassist_serving.batch.stage_times import StageTimes
from zooassist_serving.batch.stores.local import LocalStore


@pytest.fixture
def fetching():
    with Fetching(LocalStore(), 4, 1000, 10**6) as made:
        yield made


def files(folder, *contents):
    paths = [folder / f"{number}.png" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def rows_of(paths):
    return [ShardRow(str(path)) for path in paths]


def test_files_are_read_ahead_and_a_problem_stays_with_its_file(fetching, tmp_path):
    paths = files(tmp_path, b"a", b"x" * 1001, b"c", b"d")
    rows = [*rows_of(paths), ShardRow("nowhere", error="it says why")]
    paths[2].unlink()
    with ShardReader(fetching, StageTimes()) as reader:
        items = reader.items(rows)
        assert items[0].data() == b"a"  # the task that read it has read the others, too
        paths[3].unlink()
        for number, text in ((1, "at most 1,000 bytes"), (2, "deleted"), (4, "it says why")):
            with pytest.raises(BadInput, match=text):
                items[number].data()
        assert items[3].data() == b"d"
        assert reader.trouble is None


def test_no_more_is_read_ahead_than_memory_is_meant_for(fetching, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "AHEAD", 5)
    paths = files(tmp_path, b"aaa", b"bbb", b"ccc")
    with ShardReader(fetching, StageTimes()) as reader:
        items = reader.items(rows_of(paths))
        assert items[1].data() == b"bbb"
        paths[2].write_bytes(b"new")
        assert [items[2].data(), items[0].data()] == [b"new", b"aaa"]


def test_an_item_that_is_asked_for_again_is_read_again(fetching, tmp_path):
    [path] = files(tmp_path, b"a")
    with ShardReader(fetching, StageTimes()) as reader:
        [item] = reader.items(rows_of([path]))
        assert item.data() == b"a"
        path.write_bytes(b"b")
        os.utime(path)
        assert item.data() == b"b"
