"""Messages about folders of this machine: the rules, without queue or S3."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from zooassist_plugin.errors import BadInput
from zooassist_serving.batch.assembling import open_tools
from zooassist_serving.batch.config import BatchConfig
from zooassist_serving.batch.events import ShardOrder
from zooassist_serving.batch.outcomes import Abandoned, Poison, Superseded
from zooassist_serving.batch.places import Place, Seen
from zooassist_serving.batch.processing import Outcome, handle
from zooassist_serving.batch.results import finished_jobs, read_results


def go_on():
    """Nobody takes the work away."""


class Inbox:
    """A folder with images, the messages that were sent, and what they are worked on with."""

    def __init__(self, tmp_path, model, **route):
        self.folder, self.out = tmp_path / "in", tmp_path / "out"
        self.folder.mkdir()
        settings = {"from": f"{self.folder}/", "to": f"{self.out}/", "model": str(model)}
        self.config = BatchConfig.model_validate(
            {"threads": 2, "route": [settings | {"shard_rows": 4} | route]}
        )
        self.sent: list[str] = []
        self.tools = open_tools(self.config, self.sent.extend)

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def event(self, name, **said):
        record = {
            "eventSource": "ceph:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": {"name": ""},
                "object": {"key": str(self.folder / name)} | said,
            },
        }
        return json.dumps({"Records": [record]})

    def tell(self, name, attempt=1, **said):
        return handle(self.event(name, **said), self.tools, go_on, attempt)

    def drain(self):
        """Do what was sent, and what that sends."""
        outcome = Outcome()
        while self.sent:
            outcome += handle(self.sent.pop(), self.tools, go_on)
        return outcome

    def results(self):
        return read_results(self.tools.store, Place("", str(self.out)))

    def names(self):
        return Counter(
            name.removeprefix(f"{self.folder}/") for name in self.results()["image"].to_pylist()
        )

    def close(self):
        self.tools.models.__exit__(None, None, None)
        self.tools.fetching.__exit__(None, None, None)


@pytest.fixture
def inbox(tmp_path, tiny_folder):
    made = Inbox(tmp_path, tiny_folder.path)
    yield made
    made.close()


@pytest.fixture
def make_inbox(tmp_path):
    made = []

    def make(model, **route):
        made.append(Inbox(tmp_path, model, **route))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_one_image(inbox, make_png):
    inbox.write("a b+é.png", make_png(200))
    assert inbox.tell("a b+é.png") == Outcome(rows=1)
    [row] = inbox.results().to_pylist()
    assert row["image"].endswith("a b+é.png")
    assert row["error"] is None
    assert 0 < row["smooth-or-featured_smooth_fraction"] < 1
    assert inbox.sent == []


def test_told_twice_it_is_done_once(inbox, make_png):
    inbox.write("a.png", make_png(200))
    inbox.tell("a.png")
    before = sorted(path.stat().st_mtime_ns for path in inbox.out.rglob("*.parquet"))
    assert inbox.tell("a.png", attempt=2) == Outcome()
    assert sorted(path.stat().st_mtime_ns for path in inbox.out.rglob("*.parquet")) == before


@pytest.mark.parametrize("content", [b"", b"nope"])
def test_a_bad_image_is_a_bad_row(inbox, content):
    inbox.write("a.png", content)
    assert inbox.tell("a.png") == Outcome(rows=1, failed=1)
    [row] = inbox.results().to_pylist()
    assert "expected a JPEG" in row["error"]
    assert row["uncertainty"] is None


def test_an_image_that_is_gone_is_a_bad_row(inbox):
    assert inbox.tell("never.png", eTag="e") == Outcome(rows=1, failed=1)
    assert "deleted or never written" in inbox.results()["error"][0].as_py()


def test_an_image_that_was_replaced_has_another_event(inbox, make_png):
    inbox.write("a.png", make_png(200))
    with pytest.raises(Superseded, match="replaced"):
        inbox.tell("a.png", eTag="of-the-first-content")
    assert list(inbox.out.rglob("*.parquet")) == []


def manifest(inbox, make_png, count, name="m.csv", bad=()):
    for number in range(count):
        content = b"nope" if number in bad else make_png(number, 100)
        inbox.write(f"images/{number}.png", content)
    lines = [f"images/{number}.png,{number}" for number in range(count)]
    inbox.write(name, "\n".join(["image,subject_id", *lines]).encode())


def test_a_manifest_becomes_shards(inbox, make_png):
    manifest(inbox, make_png, 10)
    assert inbox.tell("m.csv") == Outcome(shards=3)
    assert len(inbox.sent) == 3
    assert finished_jobs(inbox.tools.store, Place("", str(inbox.out))) == []
    assert inbox.drain() == Outcome(rows=10)
    assert inbox.names() == Counter(f"images/{n}.png" for n in range(10))
    assert inbox.results()["subject_id"].to_pylist() == list(range(10))


def test_shards_in_any_order_and_twice(inbox, make_png):
    manifest(inbox, make_png, 10)
    inbox.tell("m.csv")
    first = list(inbox.sent)
    inbox.tell("m.csv", attempt=2)
    inbox.sent[:] = [*first[::-1], *inbox.sent, *first]
    assert inbox.drain() == Outcome(rows=10)
    assert inbox.names() == Counter(f"images/{n}.png" for n in range(10))


def test_rows_that_repeat_are_left_out(inbox, make_png):
    inbox.write("a.png", make_png(3))
    inbox.write("m.csv", b"image\na.png\na.png\n./a.png\n")
    inbox.tell("m.csv")
    [job] = finished_jobs(inbox.tools.store, Place("", str(inbox.out)))
    assert (job.rows, job.content["duplicates"]) == (1, 2), "./ means the same"


def test_bad_rows_stay_rows(inbox, make_png):
    manifest(inbox, make_png, 10, bad={1, 7})
    inbox.tell("m.csv")
    assert inbox.drain() == Outcome(rows=10, failed=2)
    errors = inbox.results()["error"].to_pylist()
    assert [n for n, error in enumerate(errors) if error is not None] == [1, 7]


def test_a_poison_shard_is_not_written(make_inbox, tiny_folder, make_png):
    inbox = make_inbox(tiny_folder.path, shard_rows=20, failure_budget=0.5)
    manifest(inbox, make_png, 40, bad=set(range(20, 31)))
    inbox.tell("m.csv")
    good, poison = inbox.sent
    assert handle(good, inbox.tools, go_on) == Outcome(rows=20)
    with pytest.raises(Poison, match="shard 1: 11 of 20 images failed, the budget is 50%"):
        handle(poison, inbox.tools, go_on)
    assert len(list(inbox.out.rglob("*.parquet"))) == 1
    with pytest.raises(BadInput, match="found none"):
        inbox.results()
    for number in range(20, 31):
        inbox.write(f"images/{number}.png", make_png(number))
    assert handle(poison, inbox.tools, go_on) == Outcome(rows=20)
    assert len(inbox.names()) == 40


@pytest.mark.parametrize("name", ["m.csv", "m.json", "m.parquet", "i.zip", "s.tif"])
@pytest.mark.parametrize("content", [b"", b"\x00nonsense"])
def test_what_cannot_be_opened_is_poison(inbox, name, content):
    inbox.write(name, content)
    with pytest.raises(Poison, match=name.replace(".", r"\.")):
        inbox.tell(name)


def test_a_list_without_images_is_poison(inbox):
    inbox.write("m.csv", b"image\n")
    with pytest.raises(Poison, match="expected images, got none"):
        inbox.tell("m.csv")


def test_an_archive(inbox, make_png):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for number in range(6):
            file.writestr(f"x/{number}.png", make_png(number))
        file.writestr("../evil.png", make_png(9))
    inbox.write("i.zip", target.getvalue())
    inbox.tell("i.zip")
    assert inbox.drain() == Outcome(rows=7, failed=1)
    assert inbox.names() == Counter(
        [*(f"i.zip#x/{number}.png" for number in range(6)), "i.zip#../evil.png"]
    )


def test_pages_of_a_stack(inbox):
    pages = [Image.fromarray(np.full((8, 8), 40 * n, dtype=np.uint8)) for n in range(5)]
    target = io.BytesIO()
    pages[0].save(target, "TIFF", save_all=True, append_images=pages[1:])
    inbox.write("s.tif", target.getvalue())
    inbox.tell("s.tif")
    assert inbox.drain() == Outcome(rows=5)
    rows = inbox.results().to_pylist()
    assert [row["frame"] for row in rows] == [0, 1, 2, 3, 4]
    smooth = [row["smooth-or-featured_smooth_fraction"] for row in rows]
    assert len(set(smooth)) == 5, "each page is seen"


def test_a_tiff_of_one_page_is_an_image(inbox):
    target = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(target, "TIFF")
    inbox.write("s.tif", target.getvalue())
    assert inbox.tell("s.tif") == Outcome(rows=1)


def test_a_volume_for_a_model_of_images_is_a_bad_row(inbox):
    inbox.write("v.nii.gz", b"x")
    assert inbox.tell("v.nii.gz") == Outcome(rows=1, failed=1)
    assert "kind 'volume'" in inbox.results()["error"][0].as_py()


def test_work_that_is_not_ours_any_more_is_not_written(inbox, make_png):
    inbox.write("a.png", make_png(1))

    def not_ours():
        raise Abandoned("another worker has it")

    with pytest.raises(Abandoned):
        handle(inbox.event("a.png"), inbox.tools, not_ours)
    assert list(inbox.out.rglob("*.parquet")) == []


def test_messages_that_are_not_ours_are_poison(inbox):
    with pytest.raises(Poison, match="look who else"):
        handle("hello", inbox.tools, go_on)


def test_objects_that_no_route_takes_ask_for_nothing(inbox, tmp_path):
    body = inbox.event("x.png").replace(str(inbox.folder), str(tmp_path / "elsewhere"))
    assert handle(body, inbox.tools, go_on) == Outcome()


def test_a_shard_that_is_in_no_plan_is_poison(inbox):
    order = ShardOrder(Seen(Place("", f"{inbox.folder}/m.csv"), "e"), 3)
    with pytest.raises(Poison, match="in no plan"):
        handle(order.to_text(), inbox.tools, go_on)


def test_an_object_that_was_replaced_is_read_anew_and_the_old_is_not_shown(inbox, make_png):
    inbox.write("a.png", make_png(10))
    inbox.tell("a.png")
    inbox.write("a.png", make_png(250, 200))
    inbox.tell("a.png")
    assert len(list(inbox.out.rglob("_SUCCESS"))) == 2
    [row] = inbox.results().to_pylist()
    assert row["smooth-or-featured_featured_fraction"] > 0.3


def test_a_damaged_part_is_refused_by_readers(inbox, make_png):
    inbox.write("a.png", make_png(10))
    inbox.tell("a.png")
    [part] = inbox.out.rglob("*.parquet")
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    with pytest.raises(BadInput, match="sha256"):
        inbox.results()


def test_catalogue_and_command_follow(make_inbox, tiny_folder, make_png, tmp_path):
    import pyarrow.parquet as pq

    inbox = make_inbox(
        tiny_folder.path,
        next={
            "catalogue": f"{tmp_path}/{{name}}.parquet",
            "command": ["sh", "-c", f'echo "$ZOOASSIST_SUCCESS" >> {tmp_path}/told'],
        },
    )
    manifest(inbox, make_png, 10)
    inbox.tell("m.csv")
    inbox.drain()
    assert pq.read_table(tmp_path / "m.csv.parquet").num_rows == 10
    [success] = inbox.out.rglob("_SUCCESS")
    assert (tmp_path / "told").read_text().split() == [str(success)]
    inbox.tell("m.csv", attempt=2)
    inbox.drain()
    assert (tmp_path / "told").read_text().count("\n") == 1, "taken once"


def test_a_step_whose_worker_died_is_taken_by_the_next(make_inbox, tiny_folder, make_png, tmp_path):
    inbox = make_inbox(tiny_folder.path, next={"command": ["touch", f"{tmp_path}/told"]})
    inbox.write("a.png", make_png(10))
    inbox.tell("a.png")
    [done] = inbox.out.rglob("_NEXT")
    done.unlink()
    (tmp_path / "told").unlink()
    inbox.tell("a.png", attempt=2)
    assert (tmp_path / "told").exists()


def test_a_step_that_fails_is_tried_again_later(make_inbox, tiny_folder, make_png, tmp_path):
    from zooassist_serving.batch.stores.store import Busy

    inbox = make_inbox(tiny_folder.path, next={"command": ["sh", "-c", "echo no >&2; exit 3"]})
    inbox.write("a.png", make_png(10))
    with pytest.raises(Busy, match=r"exit code 0, got 3 \(no\)"):
        inbox.tell("a.png")
    assert inbox.results().num_rows == 1
    assert list(inbox.out.rglob("_NEXT")) == []


def test_times_are_arguments(inbox, make_png):
    import dataclasses

    then = datetime(2031, 5, 17, tzinfo=UTC)
    inbox.tools = dataclasses.replace(inbox.tools, now=lambda: then)
    inbox.write("a.png", make_png(10))
    inbox.tell("a.png")
    [job] = finished_jobs(inbox.tools.store, Place("", str(inbox.out)))
    assert job.content["created_at"] == then.isoformat()
