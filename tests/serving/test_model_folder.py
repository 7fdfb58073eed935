from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zooassist_plugin.errors import BadInput
from zooassist_serving import model_folder
from zooassist_serving.model_folder import (
    check_model_place,
    load_model_folder,
    write_model_folder,
)
from zooassist_serving.onnx_proto import read_onnx


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(tiny_folder.path, tmp_path / "copy")


def repack(folder, model: onnx.ModelProto, make_card, **changes):
    """Another graph with a card that has its digest, as an attacker would make it."""
    data = model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    make_card(data, **changes).write(folder)
    return folder


def test_round_trip(tiny_folder):
    again = load_model_folder(tiny_folder.path)
    assert again == tiny_folder
    assert again.card.label_schema.columns[0] == "smooth-or-featured_smooth"
    content = json.loads((again.path / "model.json").read_text())
    assert content["encoding-type"] == "zooassist-model"
    assert sorted(path.name for path in again.path.iterdir()) == ["model.json", "model.onnx"]


def test_bundled_name_and_its_shadow(tiny_folder, monkeypatch):
    monkeypatch.setitem(model_folder.BUNDLED, "galaxy-zoo", tiny_folder.path)
    assert load_model_folder("galaxy-zoo").path == tiny_folder.path
    with pytest.raises(BadInput, match="nothing there"):
        load_model_folder("./galaxy-zoo")


@pytest.mark.parametrize("name", sorted(model_folder.BUNDLED))
def test_bundled_models_are_sound_and_small(name):
    folder = load_model_folder(name)
    assert folder.card.name == name
    assert folder.onnx_path.stat().st_size <= 6_000_000


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("no-such", "nothing there"),
        ("s3://bucket/m", "copy the model folder here"),
        (__file__, "a file"),
    ],
)
def test_arguments_that_are_no_folder(argument, message):
    with pytest.raises(BadInput, match=message):
        load_model_folder(argument)


def test_changed_graph(folder):
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(BadInput, match="changed or damaged"):
        load_model_folder(folder)


def test_missing_graph_and_missing_card(folder):
    (folder / "model.onnx").unlink()
    with pytest.raises(BadInput, match=r"expected model\.onnx .* copy the folder whole"):
        load_model_folder(folder)
    (folder / "model.json").unlink()
    with pytest.raises(BadInput, match=r"found no model\.json"):
        load_model_folder(folder)


@pytest.mark.parametrize("name", ["w.pt", "a.pkl", "deep/last.CKPT", "ops.so", "x.dll", "run.py"])
def test_pickles_and_libraries(folder, name):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    with pytest.raises(BadInput, match="does not belong"):
        load_model_folder(folder)


def test_link_out_of_the_folder(folder, tmp_path):
    (tmp_path / "elsewhere.onnx").write_bytes((folder / "model.onnx").read_bytes())
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
    with pytest.raises(BadInput, match="link that leaves"):
        load_model_folder(folder)


def test_external_data(folder, make_card):
    model = onnx.load(folder / "model.onnx")
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    with pytest.raises(BadInput, match="without external data"):
        load_model_folder(repack(folder, model, make_card))


def test_external_data_hidden_in_a_branch(folder, make_card):
    model = onnx.load(folder / "model.onnx")
    tensor = numpy_helper.from_array(np.zeros(3, dtype=np.float32), "hidden")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="x")
    out = helper.make_tensor_value_info("o", TensorProto.FLOAT, [3])
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["o"], value=tensor)], "b", [], [out]
    )
    model.graph.node.append(
        helper.make_node("If", ["c"], ["r"], then_branch=branch, else_branch=branch)
    )
    with pytest.raises(BadInput, match="without external data"):
        load_model_folder(repack(folder, model, make_card))


def test_operators_from_outside(folder, make_card):
    model = onnx.load(folder / "model.onnx")
    model.graph.node[0].domain = "com.evil"
    with pytest.raises(BadInput, match=r"com\.evil"):
        load_model_folder(repack(folder, model, make_card))


def test_schema_of_another_size(folder, make_card, make_onnx):
    data = make_onnx(answers=4)
    outputs = make_card(data).outputs
    outputs = (outputs[0].model_copy(update={"shape": ("batch", 1, 4)}), outputs[1])
    with pytest.raises(BadInput, match="5 columns"):
        load_model_folder(repack(folder, onnx.load_from_string(data), make_card, outputs=outputs))


def test_card_that_misnames_or_missizes_an_output(folder, make_card):
    model = onnx.load(folder / "model.onnx")
    outputs = make_card(b"").outputs
    renamed = (outputs[0], outputs[1].model_copy(update={"name": "features"}))
    with pytest.raises(BadInput, match="features"):
        load_model_folder(repack(folder, model, make_card, outputs=renamed))
    resized = (outputs[0], outputs[1].model_copy(update={"shape": ("batch", 9)}))
    with pytest.raises(BadInput, match="the shape"):
        load_model_folder(repack(folder, model, make_card, outputs=resized))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a zip", b"\xff" * 64, b"\x3a\xff\xff\xff\x7f"])
def test_bytes_that_are_no_onnx(data):
    with pytest.raises(BadInput, match="expected an ONNX model"):
        read_onnx(data)


def test_walker_sees_what_onnx_sees(make_onnx):
    contents = read_onnx(make_onnx(samples=3))
    assert [tensor.name for tensor in contents.inputs] == ["image"]
    assert contents.inputs[0].dtype == "uint8"
    assert contents.outputs[0].shape == ("batch", 3, 5)
    assert contents.domains == {""}


def test_nothing_is_left_when_writing_fails(tmp_path, make_card, make_onnx):
    data = make_onnx()
    with pytest.raises(BadInput, match="changed or damaged"):
        write_model_folder(data + b"x", make_card(data), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_existing_folders_are_kept_unless_asked(tmp_path, make_card, make_onnx):
    data, other = make_onnx(), make_onnx(samples=2)
    out = tmp_path / "out"
    write_model_folder(data, make_card(data), out, files={"recipe.json": b"{}"})
    with pytest.raises(BadInput, match="a model is there already"):
        write_model_folder(other, make_card(other, 2), out)
    write_model_folder(other, make_card(other, 2), out, overwrite=True)
    assert load_model_folder(out).card.outputs[0].shape[1] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    foreign = tmp_path / "photos"
    foreign.mkdir()
    (foreign / "a.jpg").write_bytes(b"x")
    with pytest.raises(BadInput, match="is no model folder, so it is left as it is"):
        write_model_folder(data, make_card(data), foreign, overwrite=True)
    assert (foreign / "a.jpg").exists()


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("-", "expected a name"),
        (".", "expected a name"),
        ("file", "found a file"),
        ("file/model", "expected a folder to write into, found a file|Not a directory"),
        ("/proc/model", "/proc: cannot be written"),
    ],
)
def test_places_where_no_model_can_be(tmp_path, monkeypatch, out, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(BadInput, match=message):
        check_model_place(Path(out), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_empty_folder_becomes_the_model(tmp_path, make_card, make_onnx):
    data = make_onnx()
    (tmp_path / "out").mkdir()
    left = tmp_path / f".out.{2**22 + 7}"  # no process can have this number
    left.mkdir()
    write_model_folder(data, make_card(data), tmp_path / "out")
    assert load_model_folder(tmp_path / "out").card.name == "tiny"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b"])
def test_further_files_stay_inside(tmp_path, make_card, make_onnx, name):
    data = make_onnx()
    with pytest.raises(BadInput, match="plain file name"):
        write_model_folder(data, make_card(data), tmp_path / "out", files={name: b""})
