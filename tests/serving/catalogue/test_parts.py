from __future__ import annotations

import pyarrow as pa
import pytest

from zooassist_plugin.errors import BadInput
from zooassist_serving.catalogue.parts import Parts, parts_folder

IDENTITY = {"model": "tiny", "model_version": "0123456789abcdef", "embedding": None}


def part(i):
    return pa.record_batch({"name": [f"{i}.png", f"{i}b.png"], "value": [i, i]})


@pytest.fixture
def out(tmp_path):
    return tmp_path / "p.parquet"


@pytest.fixture
def begun(out):
    """A run that was stopped after its first and third part."""
    with Parts(out, IDENTITY) as parts:
        parts.write(0, "d0", part(0))
        parts.write(2, "d2", part(2))
    return out


def test_parts_outlive_the_run_and_come_in_order(begun):
    with Parts(begun, IDENTITY) as parts:
        assert len(parts) == 2
        assert [i in parts for i in range(3)] == [True, False, True]
        parts.write(1, "d1", part(1))
        parts.check(0, "d0", 0, "0.png")
        parts.check_length(3)
        assert [each.column("value")[0].as_py() for each in parts] == [0, 1, 2]
        parts.remove()
    assert list(begun.parent.iterdir()) == []


def test_a_run_that_finished_nothing_leaves_nothing(out):
    with Parts(out, IDENTITY):
        pass
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_version": "other"}, "had model_version '0123456789abcdef', this one has 'other'"),
        ({"embedding": 3}, "had embedding None, this one has 3"),
    ],
)
def test_another_model_or_option_is_refused_with_the_difference(begun, changed, message):
    with pytest.raises(BadInput, match=message), Parts(begun, IDENTITY | changed):
        pass
    with Parts(begun, IDENTITY) as parts:
        assert len(parts) == 2, "the refusal took the parts away"


def test_another_list_is_refused_with_the_difference(begun):
    with Parts(begun, IDENTITY) as parts:
        with pytest.raises(BadInput, match=r"rows 513 to 514, from '2.png' on; this list has 'x'"):
            parts.check(2, "other", 512, "x")
        with pytest.raises(BadInput, match="longer list"):
            parts.check_length(2)


def test_restart_and_resume(begun, tmp_path):
    with Parts(begun, IDENTITY | {"embedding": 3}, resume=False) as parts:
        assert len(parts) == 0
    with pytest.raises(BadInput, match="found none"), Parts(begun, IDENTITY, resume=True):
        pass


def test_one_process_at_a_time(begun):
    with (
        Parts(begun, IDENTITY),
        pytest.raises(BadInput, match="another process"),
        Parts(begun, IDENTITY),
    ):
        pass


def test_half_written_and_damaged_parts(begun):
    folder = parts_folder(begun)
    (folder / "000000001-d1.arrow.new").write_bytes(b"half")
    with Parts(begun, IDENTITY) as parts:
        assert 1 not in parts
    (folder / "000000002-d2.arrow").write_bytes(b"damaged")
    with (
        Parts(begun, IDENTITY) as parts,
        pytest.raises(BadInput, match=r"000000002-d2.arrow: damaged part .* remove that file"),
    ):
        list(parts)


def test_a_damaged_state(begun):
    (parts_folder(begun) / "state.json").write_text("{")
    with pytest.raises(BadInput, match="--restart"), Parts(begun, IDENTITY):
        pass


def test_parts_that_outlived_their_output_are_not_taken_for_an_earlier_run(begun):
    """Killed between the output's appearance and the folder's end."""
    folder = parts_folder(begun)
    (folder / "joined").touch()
    with Parts(begun, IDENTITY) as parts:
        assert len(parts) == 2, "without the output they are still needed"
    (folder / "joined").touch()
    begun.write_bytes(b"whole")
    with Parts(begun, IDENTITY) as parts:
        assert len(parts) == 0


def test_publishing(begun):
    finished = begun.with_name("temporary")
    finished.write_bytes(b"whole")
    with Parts(begun, IDENTITY) as parts:
        parts.publish(finished)
    assert [path.name for path in begun.parent.iterdir()] == [begun.name]
