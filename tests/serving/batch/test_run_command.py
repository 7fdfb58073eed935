"""`zooassist batch run` on folders of this machine and on S3 (moto)."""

from __future__ import annotations

import pyarrow as pa
import pytest
from click.testing import CliRunner

from zooassist_serving.batch.command import batch
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.results import read_results
from zooassist_serving.batch.stores.opening import Stores
from zooassist_serving.batch.stores.s3 import S3Options


@pytest.fixture
def images(tmp_path, make_png):
    folder = tmp_path / "images"
    (folder / "deep").mkdir(parents=True)
    for number in range(23):
        (folder / "deep" / f"{number:02}.png").write_bytes(make_png(number * 10))
    (folder / "README.txt").write_text("no image")
    return folder


def run(*arguments):
    return CliRunner().invoke(batch, ["run", *map(str, arguments)])


def rows(place, url=None):
    store = Stores(lambda: S3Options(endpoint_url=url))
    return read_results(store, Place.parse(str(place)))


def test_a_folder(images, tiny_folder, tmp_path):
    out = tmp_path / "out"
    done = run(images, "--model", tiny_folder.path, "--out", out, "--shard-rows", 5)
    assert done.exit_code == 0, done.output
    assert "23 of 23 images predicted" in done.output
    assert len(list(out.rglob("part-*.parquet"))) == 5
    assert sorted(rows(out)["image"].to_pylist()) == sorted(map(str, images.rglob("*.png")))


def test_a_run_goes_on_where_it_was(images, tiny_folder, tmp_path):
    out = tmp_path / "out"
    arguments = (images, "--model", tiny_folder.path, "--out", out, "--shard-rows", 5)
    run(*arguments)
    first = {path: path.stat().st_mtime_ns for path in out.rglob("part-*.parquet")}
    gone = sorted(first)[2]
    gone.unlink()
    for done in out.rglob("_SUCCESS"):
        done.unlink()
    again = run(*arguments)
    assert "18 of them by another run" in again.output
    after = {path: path.stat().st_mtime_ns for path in out.rglob("part-*.parquet")}
    assert {p for p in first if first[p] != after[p]} == {gone}
    assert rows(out).num_rows == 23


def test_a_folder_that_changed_is_another_job(images, tiny_folder, tmp_path, make_png):
    out = tmp_path / "out"
    arguments = (images, "--model", tiny_folder.path, "--out", out)
    run(*arguments)
    (images / "new.png").write_bytes(make_png(7))
    assert "24 of 24 images predicted" in run(*arguments).output
    assert len(list(out.rglob("_SUCCESS"))) == 2
    assert rows(out).num_rows == 24, "the newest state of a folder is what readers see"


def test_bad_images_are_said_and_the_exit_code_is_1(images, tiny_folder, tmp_path):
    (images / "bad.png").write_bytes(b"nope")
    done = run(images, "--model", tiny_folder.path, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "bad.png: expected a JPEG" in done.output
    assert "23 of 24 images predicted" in done.output


def test_children_of_an_array_share_the_shards(images, tiny_folder, tmp_path):
    out = tmp_path / "out"
    arguments = (images, "--model", tiny_folder.path, "--out", out, "--shard-rows", 5)
    for index in (2, 0):
        done = run(*arguments, "--array-index", index, "--array-size", 3)
        assert done.exit_code == 0, done.output
        assert "other runs have parts to do yet" in done.output
    last = run(*arguments, "--array-index", 1, "--array-size", 3)
    assert "23 of 23 images predicted" in last.output
    assert rows(out).num_rows == 23


def test_the_array_of_aws_batch_is_found_in_the_environment(
    images, tiny_folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_INDEX", "7")
    monkeypatch.setenv("AWS_BATCH_JOB_ARRAY_SIZE", "8")
    arguments = (images, "--model", tiny_folder.path, "--out", tmp_path / "out")
    done = run(*arguments, "--shard-rows", 5)
    assert done.output.startswith("0 images predicted"), "there are five shards"
    monkeypatch.delenv("AWS_BATCH_JOB_ARRAY_SIZE")
    assert run(*arguments).exception is not None


def test_s3_to_s3(moto, s3, bucket, images, tiny_folder):
    for path in images.rglob("*.png"):
        s3.put_object(Bucket=bucket, Key=f"in/{path.name}", Body=path.read_bytes())
    out = f"s3://{bucket}/out/"
    arguments = ("--model", tiny_folder.path, "--out", out, "--endpoint-url", moto)
    done = run(f"s3://{bucket}/in/", *arguments, "--shard-rows", 10)
    assert done.exit_code == 0, done.output
    assert "23 of 23 images predicted" in done.output
    assert rows(out, moto).num_rows == 23


def test_a_model_in_s3(moto, s3, bucket, images, tiny_folder, tmp_path):
    for path in tiny_folder.path.iterdir():
        s3.put_object(Bucket=bucket, Key=f"models/tiny/{path.name}", Body=path.read_bytes())
    model = f"s3://{bucket}/models/tiny"
    done = run(images, "--model", model, "--out", tmp_path / "out", "--endpoint-url", moto)
    assert done.exit_code == 0, done.output


def test_nothing_there(tmp_path, tiny_folder):
    done = run(tmp_path / "none", "--model", tiny_folder.path, "--out", tmp_path / "out")
    assert "found none" in str(done.exception)


def test_embeddings(images, tiny_folder, tmp_path):
    out = tmp_path / "out"
    run(images, "--model", tiny_folder.path, "--out", out, "--embedding")
    assert rows(out).schema.field("embedding").type == pa.list_(pa.float32(), 3)
