"""Two Ray workers of this machine give the rows that one process gives, byte for byte."""

from __future__ import annotations

import pyarrow as pa
import pytest
from click.testing import CliRunner

pytest.importorskip("ray", reason="needs zooassist[ray]")

from zooassist_serving.batch.command import batch
from zooassist_serving.batch.places import Place
from zooassist_serving.batch.results import read_results
from zooassist_serving.batch.stores.local import LocalStore


def rows(place):
    table = read_results(LocalStore(), Place("", str(place))).sort_by("image")
    return table.combine_chunks()


def as_bytes(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.slow
def test_ray_gives_the_same_rows(tiny_folder, tmp_path, make_png):
    images = tmp_path / "images"
    images.mkdir()
    for number in range(40):
        (images / f"{number:02}.png").write_bytes(make_png(number * 6, 255 - number))
    (images / "bad.png").write_bytes(b"nope")
    common = ["run", str(images), "--model", str(tiny_folder.path), "--shard-rows", "9"]
    plain = CliRunner().invoke(batch, [*common, "--out", str(tmp_path / "plain")])
    assert plain.exit_code == 1, plain.output
    on_ray = ["--out", str(tmp_path / "ray"), "--ray", "local", "--ray-workers", "2"]
    shared = CliRunner().invoke(batch, [*common, *on_ray])
    assert shared.exit_code == 1, (shared.output, shared.exception)
    assert "40 of 41 images predicted" in shared.output
    assert as_bytes(rows(tmp_path / "ray")) == as_bytes(rows(tmp_path / "plain"))
    parts = {path.name: path.read_bytes() for path in (tmp_path / "plain").rglob("part-*.parquet")}
    for path in (tmp_path / "ray").rglob("part-*.parquet"):
        assert path.read_bytes() == parts[path.name], "the same shards in the same files"
    again = CliRunner().invoke(batch, [*common, *on_ray])
    assert "41 of them by another run" in again.output
