"""A thousand random training sets: written, read, converted to each format and back.

Each format gets its share of the thousand; ZOOASSIST_SETS sets how many each gets instead. What the
table of formats calls carried must come back equal, what it says nothing of must be gone, and
what is carried in part must be what the part says.
"""

import os
from functools import partial

import numpy as np
import pytest
from random_training_sets import NAMES, SHAPE, parts_of, pixels, random_given, random_set

from zooassist_exporters.conversion import convert, convert_back
from zooassist_exporters.formats import FORMATS
from zooassist_exporters.formats.format import PARTS, Notes, Options
from zooassist_exporters.formats.image_folder import answers_to_folders, folder_to_label
from zooassist_exporters.formats.pictures import pictures
from zooassist_exporters.formats.png_masks import marks_to_maps
from zooassist_exporters.formats.png_masks import takes_marks as masks_are_drawn
from zooassist_exporters.formats.shape_outlines import (
    clip_box,
    clip_ring,
    shape_to_box,
    shape_to_ring,
)
from zooassist_exporters.formats.voc import UNWRITABLE
from zooassist_exporters.training_set import read_training_set
from zooassist_plugin.pixel_outlines import pixels_to_rings
from zooassist_plugin.shapes import make_shape

BACK = [name for name, each in FORMATS.items() if each.read is not None]
SETS = int(os.environ.get("ZOOASSIST_SETS", "0")) or -(-1000 // len(BACK))
ALL = Options(behind="all")
# What is left of a part that a format does not carry.
GONE = {
    "votes": ([], []),
    "questions": {"questions": []},
    "sampling": 1.0,
    "metadata": {},
    "shapes": [],
    "masks": {},
    "instances": {},
    "agreement": {},
}


def seeds(name):
    start = BACK.index(name)
    return range(start, start + SETS * len(BACK), len(BACK))


def options_for(name, data):
    if name == "image-folder":
        return Options(question=data.schema.questions[0].name)
    return ALL


def round_trip(name, folder, seed, **kinds):
    """Return the set before and after, or None where the format needs a question and has none."""
    before = random_set(folder, seed, **kinds)
    data = read_training_set(before)
    if name == "image-folder" and not data.schema.questions:
        return None
    convert(before, name, folder / "there", options_for(name, data))
    convert_back(folder / "there", name, folder / "back")
    return data, read_training_set(folder / "back")


@pytest.mark.parametrize("name", BACK)
def test_comes_back_as_the_table_says(name, tmp_path_factory):
    for seed in seeds(name):
        pair = round_trip(name, tmp_path_factory.mktemp("set"), seed)
        if pair is None:
            continue
        before, after = (parts_of(each) for each in pair)
        survivors = SURVIVORS.get(FORMATS[name].carries["subjects"], every)(*pair)
        assert after["subjects"] == survivors, (name, seed)
        for part in PARTS:
            how = FORMATS[name].carries.get(part)
            where = (name, seed, part)
            if part in ("boxes", "subjects") or (part == "splits" and how is None):
                continue
            drawn = name == "png-masks" and masks_are_drawn(pair[0], ALL)
            if drawn and part in ("masks", "instances"):
                continue  # drawn from the marks: see check_drawn_masks
            if how == "yes":
                assert after[part] == only(before[part], survivors), where
            elif how is None and part in ("votes", "sampling", "metadata"):
                assert all(value == GONE[part] for value in after[part].values()), where
            elif how is None and part in GONE and not is_partly(name, part):
                assert after[part] == GONE[part], where
        if name in PARTLY:
            PARTLY[name](*pair)


def is_partly(name, part):
    """Say whether the part holds what another part turned into: boxes that are rectangles now."""
    return part == "shapes" and "boxes" in FORMATS[name].carries


def only(part, survivors):
    """Keep what belongs to the subjects that are left."""
    if isinstance(part, dict) and part.keys() and "questions" not in part:
        kept = {}
        for key, value in part.items():
            if (key[0] if isinstance(key, tuple) else key) in survivors:
                kept[key] = value
        return kept
    return part


def every(before, after):
    return before.subject_ids.tolist()


def with_image(before, after):
    return [each for row, each in enumerate(before.subject_ids.tolist()) if before.has_image(row)]


def with_image_or_mask(before, after):
    drawn = masks_are_drawn(before, ALL)
    masked = {
        picture.subject_id
        for picture in pictures(before, ALL, Notes())
        if picture.mask is not None or (drawn and picture.drawn and picture.size is not None)
    }
    return sorted(masked | set(with_image(before, after)))


def with_image_and_votes(before, after):
    question = before.schema.questions[0]
    voted = before.counts[:, before.schema.slices[question.name]].sum(axis=1) > 0
    return [each for each in with_image(before, after) if voted[row_of(before, each)]]


def row_of(data, subject_id):
    return data.subject_ids.tolist().index(subject_id)


def takes_marks(data):
    return data.masks is None or (data.marks is not None and data.marks.num_rows > 0)


SURVIVORS = {
    "yes": every,
    "those with an image": with_image,
    "those with an image or mask": with_image_or_mask,
    "those with an image and votes": with_image_and_votes,
}


def shapes_of(data):
    rows = [] if data.marks is None else data.marks.to_pylist()
    parts = parts_of(data)["shapes"]
    return [
        (row["subject_id"], row["label"], make_shape(row["tool_type"], part[-1]))
        for row, part in zip(rows, parts, strict=True)
    ]


def objects(before):
    """Return (picture, class, box, ring) of the objects that a format without masks takes."""
    for picture in pictures(before, ALL, Notes()):
        if picture.image is None:
            continue
        if takes_marks(before):
            for mark in picture.drawn:
                yield picture, mark.label, shape_to_box(mark.shape), shape_to_ring(mark.shape)
        else:
            for region in picture.regions():
                ring = pixels_to_rings(region.pixels())[0]
                yield picture, picture.class_name(region), region.box(), ring


def check_boxes(before, after):
    expected = [
        (picture.subject_id, label, clipped)
        for picture, label, box, _ in objects(before)
        if (clipped := clip_box(box, picture.size)) is not None
    ]
    found = [(number, label, shape_to_box(shape)) for number, label, shape in shapes_of(after)]
    assert [each[:2] for each in found] == [each[:2] for each in expected]
    for (_, _, box), (_, _, wanted) in zip(found, expected, strict=True):
        assert box == pytest.approx(wanted, abs=1e-6)


def check_outlines(before, after):
    expected = [
        (picture.subject_id, label, clipped)
        for picture, label, _, ring in objects(before)
        if ring is not None and (clipped := clip_ring(ring, picture.size)) is not None
    ]
    found = [(number, label, list(shape.points)) for number, label, shape in shapes_of(after)]
    assert [each[:2] for each in found] == [each[:2] for each in expected]
    for (_, _, ring), (_, _, wanted) in zip(found, expected, strict=True):
        assert np.allclose(ring, wanted, atol=1e-6, rtol=0)


def check_whole_boxes(before, after):
    expected = [
        (
            picture.subject_id,
            UNWRITABLE.sub("\ufffd", label),
            tuple(np.floor(clipped[:2])) + tuple(np.ceil(clipped[2:])),
        )
        for picture, label, box, _ in objects(before)
        if (clipped := clip_box(box, picture.size)) is not None
    ]
    found = [(number, label, shape_to_box(shape)) for number, label, shape in shapes_of(after)]
    by_subject = partial(sorted, key=lambda each: each[0])  # files are read in order of names
    assert by_subject(found) == by_subject(expected)


def check_drawn_masks(before, after):
    found = parts_of(after)
    if not masks_are_drawn(before, ALL):
        assert found["classes"] == before.mask_classes
        return
    names = after.mask_classes
    for picture in pictures(before, ALL, Notes()):
        place = (picture.subject_id, picture.frame)
        if picture.size is None:
            assert place not in found["masks"]
            continue
        labels = sorted({row["label"] for row in before.marks.to_pylist()})
        numbers = {label: number for number, label in enumerate(labels, start=1)}
        drawn, numbered = marks_to_maps(picture.drawn, numbers, picture.size)
        assert found["masks"][place] == drawn.tolist()
        assert found["instances"][place] == numbered.tolist()
        assert {number: names.get(number, "") for number in numbers.values()} == {
            number: label for label, number in numbers.items()
        }


def check_majority(before, after):
    question = before.schema.questions[0]
    labels = [answer.label for answer in question.answers]
    folders = [folder_to_label(folder) for folder in answers_to_folders(labels)]
    for row, subject_id in enumerate(after.subject_ids.tolist()):
        place = row_of(before, subject_id)
        counts = before.counts[place, before.schema.slices[question.name]]
        chosen = after.schema.questions[0].answers[int(np.argmax(after.counts[row]))].label
        assert after.counts[row].sum() == 1
        assert chosen == folders[int(np.argmax(counts))]


def check_counts(before, after):
    for row, subject_id in enumerate(after.subject_ids.tolist()):
        assert after.counts[row].tolist() == before.counts[row_of(before, subject_id)].tolist()


PARTLY = {
    "yolo-detect": check_boxes,
    "yolo-segment": check_outlines,
    "voc": check_whole_boxes,
    "png-masks": check_drawn_masks,
    "image-folder": check_majority,
    "kade": check_counts,
}


@pytest.mark.parametrize("seed", range(60))
def test_a_set_reads_as_it_was_written(seed, tmp_path):
    import random

    given = random_given(tmp_path, random.Random(seed))
    parts = parts_of(random_set(tmp_path, seed))
    order = sorted(range(len(given.rows)), key=lambda row: given.rows[row].subject_id)
    assert parts["subjects"] == [given.rows[row].subject_id for row in order]
    assert [parts["metadata"][each] for each in parts["subjects"]] == [
        given.rows[row].metadata for row in order
    ]
    assert [parts["votes"][each] for each in parts["subjects"]] == [
        (given.votes[row].tolist(), given.totals[row].tolist()) for row in order
    ]
    assert parts["questions"] == given.schema.to_json()
    marks = sorted(given.marks or [], key=lambda mark: (mark["subject_id"], mark["frame"]))
    assert [each[:-1] for each in parts["shapes"]] == [
        tuple(mark[key] for key in SHAPE) for mark in marks
    ]
    assert parts["mark details"] == [
        {key: value for key, value in mark.items() if key not in (*SHAPE, "geometry")}
        for mark in marks
    ]
    assert parts["masks"] == {place: pixels(path) for place, path in (given.masks or {}).items()}
    assert parts["classes"] == given.mask_classes


@pytest.mark.parametrize("name", [name for name in BACK if "masks" in FORMATS[name].carries])
def test_sets_of_masks_alone_come_back(name, tmp_path_factory):
    for seed in range(8):
        pair = round_trip(name, tmp_path_factory.mktemp("set"), seed, marks=False, masks=True)
        before, after = (parts_of(each) for each in pair)
        if FORMATS[name].carries["masks"] == "yes":
            assert after["masks"] == before["masks"]
            assert after["instances"] == before["instances"]
            assert after["classes"] == before["classes"]
        else:
            check_outlines(*pair)


@pytest.mark.parametrize("name", BACK)
def test_empty_sets_come_back_empty(name, tmp_path):
    from zooassist_exporters.training_set import write_training_set
    from zooassist_plugin.label_schema import Answer, LabelSchema, Question

    schema = LabelSchema((Question("q", "T0", "single", (), (Answer("a", 0, "q_a"),)),))
    before = write_training_set(tmp_path / "set", [], np.zeros((0, 1)), schema)
    convert(before, name, tmp_path / "there", ALL)
    convert_back(tmp_path / "there", name, tmp_path / "back")
    after = read_training_set(tmp_path / "back")
    assert len(after) == 0
    if FORMATS[name].carries.get("questions") == "yes":
        assert after.schema == schema


def test_folders_of_answers_are_distinct_and_safe():
    folders = answers_to_folders(list(NAMES))
    assert len({folder.casefold() for folder in folders}) == len(NAMES)
    assert all(folder.strip(" .") == folder for folder in folders)
    assert not any(set(folder) & set('/\\:*?"<>|\n\r\t\x07') for folder in folders)
    assert all(0 < len(folder.encode()) <= 255 for folder in folders)
    assert [folder_to_label(folder) for folder in answers_to_folders(["a/b", "two words"])] == [
        "a/b",
        "two words",
    ]
