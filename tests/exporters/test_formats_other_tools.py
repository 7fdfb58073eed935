"""Other people's tools read what was converted: pycocotools, datasets, and specifications."""

import base64
import csv
import hashlib
import json
from xml.etree import ElementTree

import datasets
import numpy as np
import pyarrow as pa
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO
from random_training_sets import random_set

from zooassist_exporters.conversion import convert
from zooassist_exporters.formats.format import Notes, Options
from zooassist_exporters.formats.pictures import pictures
from zooassist_exporters.mask_patch import Size
from zooassist_exporters.rasterise import rasterise
from zooassist_exporters.training_set import SubjectRow, read_training_set, write_training_set
from zooassist_exporters.training_set_layout import MARKS_SCHEMA
from zooassist_plugin.trees import TREES

ALL = Options(behind="all")
SEEDS = range(50)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Return random sets that were read."""
    made = [random_set(tmp_path_factory.mktemp("set"), seed) for seed in SEEDS]
    return [read_training_set(path) for path in made]


def test_coco_loads_in_pycocotools_and_its_masks_are_ours(sets, tmp_path, capsys):
    compared = 0
    for number, data in enumerate(sets):
        convert(data.path, "coco", tmp_path / str(number), ALL)
        wanted = {}
        for picture in pictures(data, ALL, Notes()):
            wanted[picture.subject_id, picture.frame] = picture
        for file in sorted((tmp_path / str(number) / "annotations").iterdir()):
            coco = COCO(str(file))
            for image in coco.loadImgs(coco.getImgIds()):
                picture = wanted[image["zooassist"]["subject_id"], image["zooassist"]["frame"]]
                entries = coco.loadAnns(coco.getAnnIds(image["id"]))
                masks = [each for each in entries if isinstance(each["segmentation"], dict)]
                regions = picture.regions()
                assert len(entries) == len(regions) + len(picture.drawn)
                for entry, region in zip(masks, regions, strict=True):
                    name = coco.loadCats(entry["category_id"])[0]["name"]
                    assert name == picture.class_name(region)
                    assert np.array_equal(coco.annToMask(entry), region.pixels())
                    compared += 1
                for entry in entries:
                    assert {"id", "image_id", "category_id", "bbox", "area", "iscrowd"} <= set(
                        entry
                    )
                    if "width" in image:
                        assert coco.annToMask(entry).shape == (image["height"], image["width"])
                        left, _, width, height = entry["bbox"]
                        assert width >= 0
                        assert height >= 0
                        if width and height:
                            assert left >= 0
                            assert left + width <= image["width"] + 1e-9
    assert compared > 100
    assert "index created" in capsys.readouterr().out


def test_outlines_cover_in_pycocotools_what_they_cover_here(tmp_path):
    data = one_picture(tmp_path, "ellipse", {"x_center": 50, "y_center": 40, "rx": 30, "ry": 20})
    convert(data.path, "coco", tmp_path / "coco", ALL)
    coco = COCO(str(tmp_path / "coco" / "annotations" / "instances_train.json"))
    theirs = coco.annToMask(coco.loadAnns(coco.getAnnIds())[0]).astype(bool)
    mark = next(pictures(data, ALL, Notes())).drawn[0]
    ours = rasterise(mark.shape, Size(100, 80)).in_frame(Size(100, 80))
    assert (theirs & ours).sum() / (theirs | ours).sum() > 0.97  # 64 vertices, and their own fill


def one_picture(folder, tool, geometry, **changes):
    Image.fromarray(np.zeros((80, 100, 3), np.uint8)).save(folder / "7.png")
    mark = {
        "subject_id": 7,
        "frame": 0,
        "task": "T0",
        "tool_index": 0,
        "tool_type": tool,
        "tool_label": "Cell",
        "label": "cell",
        "geometry": json.dumps(geometry),
        "count": 3,
        "agreement": 0.9,
        "action": None,
        "classification_id": None,
    } | changes
    path = write_training_set(
        folder / "set",
        [SubjectRow(7, folder / "7.png", split="train")],
        np.zeros((1, 37)),
        TREES["gz2"],
        marks=pa.Table.from_pylist([mark], schema=MARKS_SCHEMA),
    )
    return read_training_set(path)


def yolo_by_specification(folder, split):
    """Read a YOLO data set as the specification has it; yields image, size and its lines.

    Written from the description of the format alone: https://docs.ultralytics.com/datasets/
    """
    content = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))
    classes = content["names"]
    assert list(classes) == list(range(len(classes)))
    images = folder / content[split]
    for image in sorted(images.iterdir()):
        before, _, after = str(image).rpartition("/images/")
        label = (type(image)(before) / "labels" / after).with_suffix(".txt")
        lines = []
        for line in label.read_text().splitlines():
            words = line.split(" ")
            values = [float(word) for word in words[1:]]
            assert classes[int(words[0])] is not None
            assert all(0 <= value <= 1 for value in values)
            lines.append((classes[int(words[0])], values))
        with Image.open(image) as picture:
            yield image, picture.size, lines


@pytest.mark.parametrize("form", ["yolo-detect", "yolo-segment"])
def test_yolo_is_as_its_specification_says(form, sets, tmp_path):
    objects = 0
    for number, data in enumerate(sets):
        folder = tmp_path / str(number)
        convert(data.path, form, folder, ALL)
        with_image = 0
        for split in ("train", "val", "test"):
            for _, _, lines in yolo_by_specification(folder, split):
                with_image += 1
                for _, values in lines:
                    objects += 1
                    if form == "yolo-detect":
                        x, y, width, height = values
                        assert width > 0
                        assert height > 0
                        assert x - width / 2 > -1e-8
                        assert y + height / 2 < 1 + 1e-8
                    else:
                        assert len(values) >= 6
                        assert len(values) % 2 == 0
        assert with_image == sum(data.has_image(row) for row in range(len(data)))
    assert objects > 50


def test_yolo_numbers_by_hand(tmp_path):
    data = one_picture(
        tmp_path, "rectangle", {"x_center": 90, "y_center": 40, "width": 40, "height": 20}
    )
    convert(data.path, "yolo-detect", tmp_path / "boxes", ALL)
    ((_, size, lines),) = yolo_by_specification(tmp_path / "boxes", "train")
    assert size == (100, 80)
    assert lines == [("cell", [0.85, 0.5, 0.3, 0.25])], "70 to 110 is cut at 100"
    convert(data.path, "yolo-segment", tmp_path / "outlines", ALL)
    ((_, _, lines),) = yolo_by_specification(tmp_path / "outlines", "train")
    assert sorted(zip(lines[0][1][::2], lines[0][1][1::2], strict=True)) == [
        (0.7, 0.375),
        (0.7, 0.625),
        (1.0, 0.375),
        (1.0, 0.625),
    ]


def test_voc_boxes_by_hand(tmp_path):
    data = one_picture(
        tmp_path,
        "rectangle",
        {"x_center": 90, "y_center": 40, "width": 40, "height": 20},
        label="<b>cell</b> & co",
    )
    convert(data.path, "voc", tmp_path / "voc", ALL)
    root = ElementTree.parse(tmp_path / "voc" / "Annotations" / "7.xml").getroot()
    assert root.findtext("filename") == "7.png"
    assert [root.findtext(f"size/{key}") for key in ("width", "height")] == ["100", "80"]
    assert root.findtext("object/name") == "<b>cell</b> & co"
    assert root.findtext("object/truncated") == "1"
    ends = [root.findtext(f"object/bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")]
    assert ends == ["71", "31", "100", "50"]
    assert (tmp_path / "voc" / "ImageSets" / "Main" / "train.txt").read_text() == "7\n"


def test_hugging_face_loads_in_datasets(sets, tmp_path):
    datasets.disable_progress_bars()
    # `datasets` itself loads no data set without a row.
    for number, data in enumerate([each for each in sets if len(each)][:8]):
        folder = tmp_path / str(number)
        convert(data.path, "huggingface", folder, ALL)
        loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
        rows = {row["subject_id"]: row for split in loaded.values() for row in split}
        assert sorted(rows) == data.subject_ids.tolist()
        for place, subject_id in enumerate(data.subject_ids.tolist()):
            row = rows[subject_id]
            split = data.subjects["split"][place].as_py()
            assert subject_id in loaded[split]["subject_id"]
            assert [row[name] for name in data.schema.columns] == data.counts[place].tolist()
            assert (row["image"] is None) == (not data.has_image(place))
            if data.has_image(place):
                with Image.open(data.image_path(place)) as image:
                    assert row["image"].size == image.size
            if data.marks is not None:
                marks = [m for m in data.marks.to_pylist() if m["subject_id"] == subject_id]
                assert [thing["label"] for thing in row["objects"]] == [m["label"] for m in marks]
                assert all(len(thing["bbox"]) == 4 for thing in row["objects"])
            for mask in row.get("masks") or ():
                with Image.open(data.mask_path(subject_id, mask["frame"])) as image:
                    assert np.array_equal(np.asarray(mask["mask"]), np.asarray(image))
        feature = loaded[next(iter(loaded))].features["image"]
        assert isinstance(feature, datasets.Image)


@pytest.fixture
def galaxies_set(tmp_path):
    schema = TREES["gz-decals"]
    rng = np.random.default_rng(1)
    rows = []
    for subject_id in (3, 5, 8, 11):
        path = tmp_path / f"{subject_id}.png"
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(path)
        rows.append(SubjectRow(subject_id, path, split="train" if subject_id < 9 else "test"))
    votes = rng.integers(0, 20, (4, len(schema.columns)))
    path = write_training_set(tmp_path / "galaxies", rows, votes, schema)
    return read_training_set(path)


def test_zoobot_catalogue_has_the_columns_zoobot_asks_for(galaxies_set, tmp_path):
    convert(galaxies_set.path, "zoobot", tmp_path / "zoobot", ALL)
    content = json.loads((tmp_path / "zoobot" / "schema.json").read_text())
    pairs, dependencies = content["question_answer_pairs"], content["dependencies"]
    # As Zoobot makes its label columns: question and answer, nothing between.
    label_columns = [question + answer for question in pairs for answer in pairs[question]]
    assert label_columns == list(galaxies_set.schema.columns)
    assert set(dependencies) == set(pairs)
    assert {parent for parent in dependencies.values() if parent} <= set(label_columns)
    with (tmp_path / "zoobot" / "train_catalogue.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id_str"] for row in rows] == ["3", "5", "8"]
    for place, row in enumerate(rows):
        assert [int(row[name]) for name in label_columns] == galaxies_set.counts[place].tolist()
        with Image.open(row["file_loc"]) as image:  # as it is, from whatever folder
            assert image.size == (8, 8)


def test_kade_catalogue_is_one_file_of_its_columns(galaxies_set, tmp_path):
    options = Options(prefix="/training/images", images="none")
    convert(galaxies_set.path, "kade", tmp_path / "kade", options)
    with (tmp_path / "kade" / "catalogue.csv").open(newline="") as stream:
        head, *rows = list(csv.reader(stream))
    assert head == ["id_str", "file_loc", *galaxies_set.schema.columns]
    assert [row[:2] for row in rows] == [
        [str(each), f"/training/images/{each}.png"] for each in (3, 5, 8, 11)
    ]
    assert not (tmp_path / "kade" / "images").exists()


def test_hamlet_lists_media_and_labels(galaxies_set, tmp_path):
    options = Options(
        prefix="https://panoptes-uploads.example/a b/",
        bucket="gs://bucket/galaxies/",
        question="smooth-or-featured",
    )
    convert(galaxies_set.path, "hamlet", tmp_path / "hamlet", options)
    head, *lines = (tmp_path / "hamlet" / "media.tsv").read_text().splitlines()
    assert head == "TsvHttpData-1.0"
    content = galaxies_set.image_path(0).read_bytes()
    digest = base64.b64encode(hashlib.md5(content).digest()).decode()
    address = "https://panoptes-uploads.example/a b/3.png"
    assert lines[0].split("\t") == [address, str(len(content)), digest]
    with (tmp_path / "hamlet" / "labels.csv").open(newline="") as stream:
        labels = list(csv.reader(stream))
    question = galaxies_set.schema.questions[0]
    best = galaxies_set.counts[0, galaxies_set.schema.slices[question.name]].argmax()
    assert labels[0] == [
        "gs://bucket/galaxies/panoptes-uploads.example/a b/3.png",
        question.answers[best].label,
    ]
    assert len(labels) == len(lines) == 4


def test_image_folder_loads_in_datasets(galaxies_set, tmp_path):
    options = Options(question="smooth-or-featured")
    convert(galaxies_set.path, "image-folder", tmp_path / "folder", options)
    loaded = datasets.load_dataset(
        "imagefolder",
        data_dir=str(tmp_path / "folder"),
        cache_dir=str(tmp_path / "cache"),
        drop_labels=False,
    )
    assert {name: len(split) for name, split in loaded.items()} == {"train": 3, "test": 1}
