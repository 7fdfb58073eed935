"""Bad images and masks are named, one line each; the rest is learnt from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mask_sets import draw_image, draw_volume, write_mask_set, write_nifti, write_volume_pairs
from PIL import Image

from zooassist_exporters.training_set import SubjectRow, write_training_set
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.model_card import MaskClass, Preprocessing
from zooassist_training.segmentation.sources import number_of, open_source

SPEC = Preprocessing(size=32)
ALL = ("train", "validation", "test")


def masks_with(folder: Path, change) -> Path:
    """A set of four images; `change` gets paths of the first one's image and mask."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    rows, masks = [], {}
    for subject in range(4):
        image, labels = draw_image(random)
        paths = folder / f"{subject}.png", folder / f"{subject}_mask.png"
        Image.fromarray(image).save(paths[0])
        Image.fromarray(labels).save(paths[1])
        if subject == 0:
            change(*paths)
        rows.append(SubjectRow(subject, paths[0], split="train"))
        masks[subject, 0] = paths[1]
    votes = np.zeros((4, 0), dtype=np.int64)
    schema = LabelSchema(())
    return write_training_set(
        folder / "set", rows, votes, schema, masks=masks, mask_classes={1: "disc"}
    )


def save(array: np.ndarray):
    return lambda image, mask: Image.fromarray(array).save(mask)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (save(np.zeros((48, 39), np.uint8)), "expected a mask of 40 x 48 px as its image, got 39"),
        (save(np.full((48, 40), 7, np.uint8)), "expected labels 0 (background) and 1, got 7"),
        (save(np.zeros((48, 40), np.uint16)), "expected 8 bits, got uint16"),
        (lambda image, mask: mask.write_bytes(b"\x89PNG nothing"), "cannot be read"),
        (lambda image, mask: image.write_bytes(b"nothing"), "expected a JPEG, PNG"),
    ],
)
def test_an_image_that_cannot_be_used_is_one_line(change, expected, tmp_path):
    source = open_source(masks_with(tmp_path / "a", change), "mask")
    stacks = source.read(["train"], SPEC)
    assert stacks.names == ("subject 1", "subject 2", "subject 3")
    (problem,) = stacks.problems
    assert str(problem).startswith("subject 0: ")
    assert expected in str(problem)
    assert "\n" not in str(problem)
    assert problem.remedy


def with_objects(objects: np.ndarray):
    def change(image, mask):
        Image.fromarray(np.zeros((*objects.shape, 3), np.uint8)).save(image)
        Image.fromarray((objects > 0).astype(np.uint8)).save(mask)
        Image.fromarray(objects).save(mask.with_name(f"{mask.stem}.instances.png"))

    return change


def test_objects_that_touch_come_apart_where_the_set_knows_them(tmp_path):
    objects = np.zeros((48, 40), np.uint16)
    objects[4:20, 4:12], objects[4:20, 12:20] = 1, 2
    folder = masks_with(tmp_path / "a", with_objects(objects))
    whole, apart = (open_source(folder, "mask", gap=gap).read(["train"], SPEC) for gap in (0, 1))
    assert not apart.problems
    assert np.array_equal(np.array(whole.labels[0])[0], objects > 0)
    # One more class, the last, on both sides of the border, and where it ends.
    expected = (objects > 0).astype(np.uint8)
    expected[3:21, 11:13] = 2
    expected[[3, 20], 11:13] = 2
    assert np.array_equal(np.array(apart.labels[0])[0], expected)
    # The other images' objects are not known: they are learnt as they are.
    assert np.array_equal(np.array(apart.labels[1]), np.array(whole.labels[1]))


def test_a_seam_is_as_wide_in_a_larger_image(tmp_path):
    objects = np.zeros((48, 40), np.uint16)
    objects[4:20, 4:12], objects[4:20, 14:20] = 1, 2
    folder = masks_with(tmp_path / "a", with_objects(objects))
    twice = Preprocessing(size=32, scale=2.0)
    stacks = open_source(folder, "mask", gap=2).read(["train"], twice)
    assert stacks.images[0].shape == (1, 96, 80, 3)
    seam = np.array(stacks.labels[0])[0] == 2
    # Of 4 pixels between the objects all have both within 4.
    assert set(np.flatnonzero(seam[20])) == set(range(24, 28))


def test_labels_of_no_class_are_refused_with_seams_too(tmp_path):
    def change(image, mask):
        labels = np.zeros((48, 40), np.uint8)
        labels[:, 20:] = 255
        Image.fromarray(labels).save(mask)

    (problem,) = (
        open_source(masks_with(tmp_path / "a", change), "mask", gap=1)
        .read(["train"], SPEC)
        .problems
    )
    assert "expected labels 0 (background) and 1" in str(problem)


def test_a_set_is_read_with_its_classes_and_splits(tmp_path):
    source = open_source(write_mask_set(tmp_path, classes=2), "mask")
    assert [each.name for each in source.classes] == ["disc", "bar"]
    parts = [source.read([split], SPEC) for split in ALL]
    assert [len(part) for part in parts] == [8, 4, 4]
    assert all(image.shape[0] == 1 and image.shape[-1] == 3 for image in parts[0].images)
    assert {int(n) for labels in parts[0].labels for n in np.unique(labels)} == {0, 1, 2}


def test_label_maps_are_resized_to_the_nearest_pixel(tmp_path):
    """Between the classes 1 and 3 there is no 2."""

    def change(image, mask):
        labels = np.zeros((48, 40), np.uint8)
        labels[:, 20:] = 1
        Image.fromarray(labels).save(mask)

    source = open_source(masks_with(tmp_path / "a", change), "mask")
    stacks = source.read(["train"], Preprocessing(size=32, scale=0.4))
    assert stacks.images[0].shape == (1, 19, 16, 3)
    labels = stacks.labels[0][0]
    assert labels.shape == (19, 16)
    assert not labels[:, :8].any()
    assert labels[:, 8:].all()


def test_volumes_in_pairs_keep_their_splits_and_are_reported(tmp_path):
    folder = write_volume_pairs(tmp_path / "v", 12)
    values, labels = draw_volume(np.random.default_rng(1))
    write_nifti(folder / "labels" / "scan_0.nii", labels[:-1])
    (folder / "labels" / "scan_1.nii").unlink()
    broken = values.astype(np.float32)
    broken[2] = np.nan
    write_nifti(folder / "images" / "scan_2.nii", broken)
    write_nifti(folder / "images" / "scan_3.nii", np.stack([values] * 2, -1))
    write_nifti(folder / "labels" / "scan_3.nii", labels)
    source = open_source(folder, "volume", (MaskClass(number=2, name="b"),))
    stacks = source.read(ALL, SPEC, channels=1)
    said = {problem.item: str(problem) for problem in stacks.problems}
    # The first label is of no class, now that only 2 has a name: all others fail.
    assert sum("labels 0 (background) and 2, got 1" in line for line in said.values()) == 9
    assert "expected a mask of" in said["scan_0"]
    assert "slices of" in said["scan_0"]
    assert "expected labels of the same name" in said["scan_1"]
    assert "NaN" in said["scan_2"]
    source = open_source(folder, "volume")
    assert [each.name for each in source.classes] == ["1", "2"]
    stacks = source.read(ALL, SPEC, channels=1)
    assert len(stacks) == 8
    assert "expected 1 modalities as the others have, got 2" in str(stacks.problems[-1])
    fewer = open_source(write_volume_pairs(tmp_path / "w", 9), "volume").read(["test"], SPEC)
    more = open_source(write_volume_pairs(tmp_path / "x", 12), "volume").read(["test"], SPEC)
    assert set(fewer.names) <= set(more.names)
    assert number_of("scan_1") == number_of("scan_1") != number_of("scan_2")


def volume_set(folder: Path, masks_of: range) -> Path:
    """A training set with one volume of 9 slices and masks of some of them."""
    folder.mkdir()
    values, labels = draw_volume(np.random.default_rng(0))
    path = write_nifti(folder / "5.nii", values)
    masks = {}
    for frame in masks_of:
        masks[5, frame] = folder / f"{frame}.png"
        Image.fromarray(labels[frame]).save(masks[5, frame])
    return write_training_set(
        folder / "set",
        [SubjectRow(5, path, split="train")],
        np.zeros((1, 0), dtype=np.int64),
        LabelSchema(()),
        masks=masks,
        mask_classes={1: "a", 2: "b"},
    )


def test_a_training_set_of_volumes_needs_a_mask_of_every_slice(tmp_path):
    whole = open_source(volume_set(tmp_path / "a", range(9)), "volume").read(["train"], SPEC)
    assert whole.images[0].shape == (9, 20, 24, 1)
    assert set(np.unique(whole.labels[0])) == {0, 1, 2}
    part = open_source(volume_set(tmp_path / "b", range(1, 7)), "volume").read(["train"], SPEC)
    assert "each of its 9 slices, 3 have none (the first is slice 0)" in str(part.problems[0])


def test_folders_without_masks_are_refused(tmp_path, training_set):
    with pytest.raises(BadInput, match="with masks, found none"):
        open_source(training_set, "mask")
    with pytest.raises(BadInput, match=r"holding training-set.json"):
        open_source(tmp_path, "volume")
    (tmp_path / "images").mkdir()
    with pytest.raises(BadInput, match="expected a folder of volumes"):
        open_source(tmp_path, "volume")
    (tmp_path / "labels").mkdir()
    with pytest.raises(BadInput, match="found none"):
        open_source(tmp_path, "volume")
