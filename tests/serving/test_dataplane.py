from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest

from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.label_match import match_labels
from zooassist_plugin.label_schema import schema_from_tasks
from zooassist_plugin.workflow import Workflow
from zooassist_serving.dataplane import DataPlane, Item

TASKS = {
    "T0": {
        "type": "drawing",
        "instruction": "Outline the galaxy",
        "tools": [
            {
                "type": "ellipse",
                "label": "Galaxy",
                "details": [
                    {
                        "type": "single",
                        "question": "Is there a bar?",
                        "answers": [{"label": "No"}, {"label": "Yes"}],
                    }
                ],
            }
        ],
    }
}


@pytest.fixture(scope="module")
def plane(tiny_folder, sampled_folder):
    return DataPlane([tiny_folder, sampled_folder], threads=2, batch_size=4)


def test_metadata_and_readiness(tiny_folder):
    plane = DataPlane([tiny_folder], threads=1)
    assert plane.live()
    assert not plane.ready()
    plane.warm_up()
    assert plane.ready()
    assert plane.names == ("tiny",)
    assert plane.metadata("tiny") is tiny_folder.card
    with pytest.raises(BadInput, match="expected one of tiny"):
        plane.metadata("other")
    with pytest.raises(BadInput, match="two models are named"):
        DataPlane([tiny_folder, tiny_folder])


def test_one_image(plane, png):
    (prediction,) = plane.predict("tiny", [Item("red.png", png("red"))])
    assert prediction.image == "red.png"
    assert prediction.error is None
    # Mean colour (1, 0, 0): concentrations 32, 2, 1 and 11, 4.
    np.testing.assert_allclose(
        prediction.fractions, [32 / 35, 2 / 35, 1 / 35, 11 / 15, 4 / 15], 1e-5
    )
    np.testing.assert_allclose(prediction.asked, [1, 2 / 35], 1e-5)
    np.testing.assert_allclose(prediction.embedding, [1, 0, 0], atol=1e-6)


def test_bad_items_are_rows_and_the_rest_goes_on(plane, png):
    def unreachable():
        raise ItemFailed("b", "answered 404", "check the link")

    def absent():
        raise FileNotFoundError(2, "No such file or directory")

    items = [
        Item("a", png("red")),
        Item("b", unreachable),
        Item("c", b""),
        Item("d", png("blue")),
        Item("e", absent),
        Item("f", b"text"),
        Item("g", lambda: png("red")),
    ]
    rows = list(plane.predict("tiny", items))
    assert [row.image for row in rows] == list("abcdefg")
    assert [row.error is None for row in rows] == [True, False, False, True, False, False, True]
    assert "404" in rows[1].error
    assert "0 bytes" in rows[2].error
    assert "No such file" in rows[4].error
    np.testing.assert_array_equal(rows[0].fractions, rows[6].fractions)
    assert rows[3].fractions[0] < rows[0].fractions[0]


def test_only_bad_items(plane):
    rows = list(plane.predict("tiny", [Item(str(i), b"") for i in range(9)]))
    assert len(rows) == 9
    assert all(row.error for row in rows)


def test_items_are_read_as_needed(plane, png):
    taken = []

    def endless():
        i = 0
        while True:
            taken.append(i)
            yield Item(str(i), png("red"))
            i += 1

    rows = plane.predict("tiny", endless())
    for _ in range(10):
        next(rows)
    rows.close()
    assert len(taken) <= 16, "read more than one batch ahead"


def test_several_samples_give_information(plane, png):
    (prediction,) = plane.predict("sampled", [Item("x", png("blue"))])
    assert prediction.uncertainty > 0


def test_threads_share_a_session_and_agree(plane, png, monkeypatch):
    made = []
    original = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda *a, **k: (made.append(1), original(*a, **k))[1],
    )
    items = [Item(str(i), png((i * 9, 0, 200))) for i in range(20)]
    alone = [row.fractions for row in plane.predict("tiny", items)]
    with ThreadPoolExecutor(6) as pool:
        results = pool.map(lambda _: list(plane.predict("tiny", items)), range(12))
        for rows in results:
            np.testing.assert_allclose([row.fractions for row in rows], alone, rtol=1e-5)
    assert len(made) <= 1


def test_answers_that_are_not_finite_are_errors(tmp_path, make_onnx, make_card, png):
    import onnx

    from zooassist_serving.model_folder import write_model_folder

    model = onnx.load_from_string(make_onnx())
    scale = next(t for t in model.graph.initializer if t.name == "scale")
    scale.raw_data = np.array(np.nan, dtype=np.float32).tobytes()
    data = model.SerializeToString()
    plane = DataPlane([write_model_folder(data, make_card(data), tmp_path / "nan")], threads=1)
    (row,) = plane.predict("tiny", [Item("x", png("red"))])
    assert "not finite" in row.error


def test_proposals(plane, encode, tiny_folder):
    workflow = Workflow(
        workflow_id=12,
        project_id=1,
        display_name="Galaxies",
        version="3.4",
        first_task="T0",
        tasks=TASKS,
    )
    match = match_labels(tiny_folder.card.label_schema, schema_from_tasks(TASKS, "T0"))
    image = np.zeros((80, 100, 3), dtype=np.uint8)
    image[30:50, 30:70] = (250, 40, 30)
    items = [Item("", encode(image), subject_id=7, frame=2), Item("", b"", subject_id=8)]
    good, bad = plane.propose("tiny", items, workflow, match)
    assert good.sizes == (None, None, (100, 80))
    assert good.proposal.subject_id == 7
    assert good.proposal.marks[0].frame == 2
    assert good.proposal.marks[0].shape.x_center == pytest.approx(50, abs=1)
    assert len(good.proposal.answers["T0.0.0"]) == 2
    assert bad.proposal is None
    assert bad.prediction.item == "subject 8"
    assert "0 bytes" in bad.prediction.error
