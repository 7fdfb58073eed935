"""Files that other tools made, and files that nobody should have made."""

import json

import numpy as np
import pytest
from PIL import Image

from zooassist_exporters.conversion import convert_back
from zooassist_exporters.formats import FORMATS
from zooassist_exporters.formats.format import Notes
from zooassist_exporters.splits import split_of
from zooassist_exporters.training_set import read_training_set
from zooassist_exporters.votes_csv import subject_id_of
from zooassist_plugin.errors import BadInput


def picture(path, size=(10, 8), value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0]), value, np.uint8)).save(path)
    return path


def back(source, name):
    out = source.parent / "set"
    made = convert_back(source, name, out)
    return read_training_set(out), made.notes


def shapes(data):
    return [
        (row["subject_id"], row["label"], row["tool_type"], json.loads(row["geometry"]))
        for row in data.marks.to_pylist()
    ]


@pytest.fixture
def coco(tmp_path):
    folder = tmp_path / "coco"
    picture(folder / "images" / "000000000139.png")
    picture(folder / "images" / "val" / "cat.png")
    (folder / "annotations").mkdir()

    def write(name="instances_val2017", **changes):
        content = {
            "images": [
                {"id": 139, "file_name": "000000000139.png", "width": 10, "height": 8},
                {"id": 7, "file_name": "cat.png", "width": 10, "height": 8},
            ],
            "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "cat"}],
            "annotations": [
                {"id": 1, "image_id": 139, "category_id": 3, "bbox": [1, 2, 4, 2]},
                {
                    "id": 2,
                    "image_id": 139,
                    "category_id": 18,
                    "bbox": [0, 0, 9, 9],
                    "segmentation": [[0, 0, 1, 0, 1, 1], [2, 2, 9, 2, 9, 9, 2, 9]],
                },
                {
                    "id": 3,
                    "image_id": 7,
                    "category_id": 18,
                    "iscrowd": 1,
                    "segmentation": {"size": [8, 10], "counts": [8, 3, 69]},
                },
                {
                    "id": 4,
                    "image_id": 7,
                    "category_id": 3,
                    "segmentation": {"size": [8, 10], "counts": "`08h1"},
                },
            ],
        } | changes
        (folder / "annotations" / f"{name}.json").write_text(json.dumps(content))
        return folder

    return write


def test_coco_of_others(coco):
    data, notes = back(coco(), "coco")
    cat = subject_id_of("cat")
    assert data.subject_ids.tolist() == [139, cat]
    assert data.subjects["split"].to_pylist() == ["validation"] * 2
    assert data.has_image(0)
    assert data.has_image(1), "found in the split's folder"
    assert shapes(data) == [
        (139, "cat", "rectangle", {"x_center": 3, "y_center": 3, "width": 4, "height": 2}),
        (139, "dog", "polygon", {"points": [[2, 2], [9, 2], [9, 9], [2, 9]]}),
    ]
    assert notes == ("1 objects of several parts: the largest part was kept",)
    with Image.open(data.mask_path(cat)) as mask:
        labels = np.asarray(mask)
    with Image.open(data.mask_path(cat, 0, "instances")) as mask:
        numbers = np.asarray(mask)
    assert data.mask_classes == {1: "dog", 2: "cat"}
    assert labels[:3, 1].tolist() == [1, 1, 1]
    assert numbers[:3, 1].tolist() == [0, 0, 0], "a crowd is no object"
    assert set(numbers[labels == 2].tolist()) == {2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [{"id": 1}]}, "not in COCO's form; problem at KeyError"),
        ({"categories": 5}, "not in COCO's form"),
        (
            {"annotations": [{"image_id": 7, "category_id": 99, "bbox": [1, 1, 1, 1]}]},
            "not in COCO's form; problem at KeyError",
        ),
    ],
)
def test_broken_coco_is_refused(coco, changes, message):
    with pytest.raises(BadInput, match=message):
        back(coco(**changes | {"annotations": changes.get("annotations", [{}])}), "coco")


def test_coco_does_not_read_the_reader_s_files(coco, tmp_path):
    secret = picture(tmp_path / "secret.png")
    for name in ("../../secret.png", str(secret), "../secret.png"):
        source = coco(images=[{"id": 1, "file_name": name}], annotations=[])
        made = convert_back(source, "coco", tmp_path / "set", overwrite=True)
        assert not read_training_set(tmp_path / "set").has_image(0)
        assert made.notes == ("1 images are not there",)


def test_annotations_that_say_nothing_are_noted(coco):
    odd = [
        {"id": 1, "image_id": 7, "category_id": 3},
        {"id": 2, "image_id": 7, "category_id": 3, "bbox": [1, 2, "wide", 2]},
        {"id": 3, "image_id": 7, "category_id": 3, "bbox": [1, 2, float("nan"), 2]},
    ]
    data, notes = back(coco(annotations=odd), "coco")
    assert data.marks is None
    assert [note for note in notes if note.startswith("3 annotations left out")]


def test_two_files_of_one_subject_are_refused(coco):
    coco(name="instances_train")
    with pytest.raises(BadInput, match="subject 139 was there before"):
        back(coco(name="instances_val"), "coco")


def test_yolo_of_others(tmp_path):
    folder = tmp_path / "yolo"
    picture(folder / "train" / "images" / "a.png")
    (folder / "train" / "labels").mkdir()
    (folder / "train" / "labels" / "a.txt").write_text(
        "1 0.5 0.5 0.2 0.5\n\n0 0 0 1 0 1 1\n7 0.5 0.5 0.1 0.1\nno numbers\n0 1 2 3\n"
    )
    (folder / "data.yaml").write_text("train: train/images\nnc: 2\nnames: ['a b', ц]\n")
    data, notes = back(folder, "yolo-detect")
    number = subject_id_of("a")
    assert shapes(data) == [
        (number, "ц", "rectangle", {"x_center": 5, "y_center": 4, "width": 2, "height": 4}),
        (number, "a b", "polygon", {"points": [[0, 0], [10, 0], [10, 8]]}),
    ]
    assert notes == ("3 lines left out: expected a known class and a box or an outline",)
    assert data.subjects["split"].to_pylist() == ["train"]


def test_yolo_folders_outside_are_refused(tmp_path):
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "data.yaml").write_text("train: ../other\nnames: [a]\n")
    (tmp_path / "other").mkdir()
    with pytest.raises(BadInput, match=r"train: expected a folder beside it, got '\.\./other'"):
        back(tmp_path / "yolo", "yolo-detect")


def test_voc_of_others(tmp_path):
    folder = tmp_path / "voc"
    picture(folder / "JPEGImages" / "2007_000027.png")
    (folder / "Annotations").mkdir()
    (folder / "Annotations" / "2007_000027.xml").write_text(
        "<annotation><filename>../../etc/passwd</filename><object><name>person</name>"
        "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax>"
        "</bndbox></part><bndbox><ymin>2</ymin><xmin>1.5</xmin><xmax>4</xmax><ymax>8</ymax>"
        "</bndbox></object></annotation>"
    )
    data, _ = back(folder, "voc")
    box = {"x_center": 2.25, "y_center": 4.5, "width": 3.5, "height": 7.0}
    assert shapes(data) == [(subject_id_of("2007_000027"), "person", "rectangle", box)]
    assert data.has_image(0), "by the annotation's own name"
    (folder / "Annotations" / "3.xml").write_text("<annotation><object/></annotation>")
    with pytest.raises(BadInput, match=r"3\.xml: not in Pascal VOC's form"):
        convert_back(folder, "voc", tmp_path / "other")


def test_exploding_xml_is_refused(tmp_path):
    folder = tmp_path / "voc"
    (folder / "Annotations").mkdir(parents=True)
    layers = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    (folder / "Annotations" / "1.xml").write_text(
        f'<!DOCTYPE a [<!ENTITY e0 "{"x" * 1000}">{layers}]><annotation>&e11;</annotation>'
    )
    with pytest.raises(BadInput, match="not in Pascal VOC's form"):
        back(folder, "voc")


def test_masks_without_folders_of_splits(tmp_path):
    folder = tmp_path / "masks"
    picture(folder / "images" / "5.png")
    picture(folder / "masks" / "5.png", value=3)
    picture(folder / "masks" / "6.tif", value=200)
    data, _ = back(folder, "png-masks")
    with Image.open(data.mask_path(6)) as mask:
        assert mask.format == "PNG"
        assert set(np.asarray(mask).ravel().tolist()) == {200}
    assert data.subject_ids.tolist() == [5, 6]
    assert data.subjects["split"].to_pylist() == [split_of(5), split_of(6)]
    assert [data.has_image(row) for row in (0, 1)] == [True, False]
    Image.fromarray(np.full((2, 2), 300, np.uint16)).save(folder / "masks" / "7.png")
    with pytest.raises(BadInput, match="expected class numbers from 0 to 255, got 300"):
        convert_back(folder, "png-masks", tmp_path / "other")


def test_image_folder_without_splits(tmp_path):
    folder = tmp_path / "pets"
    picture(folder / "cat" / "1.png")
    picture(folder / "big dog" / "rex.png")
    data, _ = back(folder, "image-folder")
    (question,) = data.schema.questions
    assert [answer.label for answer in question.answers] == ["big dog", "cat"]
    rows = dict(zip(data.subject_ids.tolist(), data.counts.tolist(), strict=True))
    assert rows == {1: [0, 1], subject_id_of("rex"): [1, 0]}


def test_zoobot_s_own_schema_is_read(tmp_path):
    folder = tmp_path / "zoobot"
    picture(folder / "images" / "9.png")
    pairs = {"smooth": ["_yes", "_no"], "bar": ["_strong", "_none"]}
    content = {"question_answer_pairs": pairs, "dependencies": {"smooth": None, "bar": "smooth_no"}}
    (folder / "schema.json").write_text(json.dumps(content))
    (folder / "catalogue.csv").write_text(
        "id_str,file_loc,smooth_yes,smooth_no,bar_strong,bar_none,ra\n"
        "9,/somewhere/else/9.png,3,4,0,4,1.5\n"
    )
    data, _ = back(folder, "zoobot")
    assert data.counts.tolist() == [[3, 4, 0, 4]]
    assert data.totals.tolist() == [[7, 4]]
    assert data.schema.question("bar").asked_after == ("smooth_no",)
    assert data.has_image(0), "found by name when the folder has moved"
    (folder / "catalogue.csv").write_text("id_str,file_loc,smooth_yes\n9,x,3\n")
    with pytest.raises(BadInput, match="expected id_str, file_loc and whole numbers"):
        convert_back(folder, "kade", tmp_path / "other")


@pytest.mark.parametrize("name", [name for name, each in FORMATS.items() if each.read])
@pytest.mark.parametrize("content", ["nothing", "rubbish"])
def test_what_is_no_such_format_is_refused(name, content, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    if content == "rubbish":
        for file in ("data.yaml", "schema.json", "catalogue.csv", "votes.csv", "votes.parquet"):
            (source / file).write_text("{rubbish")
        for file in ("annotations/a.json", "Annotations/a.xml", "data/train.parquet"):
            (source / file).parent.mkdir()
            (source / file).write_text("{rubbish")
        (source / "label-schema.json").write_text('{"questions": []}')
    with pytest.raises(BadInput):
        FORMATS[name].read(source, tmp_path, Notes())
    with pytest.raises(BadInput):
        convert_back(source, name, tmp_path / "set")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_names_of_others_with_underscores_are_subjects_of_their_own(tmp_path):
    folder = tmp_path / "pets"
    for name in ("2007_1", "2007_2", "12"):
        picture(folder / "images" / f"{name}.png")
        picture(folder / "masks" / f"{name}.png", value=1)
    picture(folder / "masks" / "12_3.png", value=2)
    data, _ = back(folder, "png-masks")
    numbers = [12, subject_id_of("2007_1"), subject_id_of("2007_2")]
    assert data.subject_ids.tolist() == sorted(numbers)
    assert data.has_mask(12, 3), "a mask without an image of its own is a further frame"
    assert [data.has_mask(number) for number in numbers] == [True] * 3
