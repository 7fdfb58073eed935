from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from zooassist_plugin.errors import BadInput
from zooassist_plugin.proposed_masks import make_mask, masks_to_text, text_to_masks


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_the_text_gives_back_the_pixels_and_is_what_cocos_own_tool_writes(pixels):
    [read] = text_to_masks(masks_to_text([make_mask(pixels, label="a", frame=2, score=0.5)]))
    assert (read.pixels() == pixels).all()
    assert (read.label, read.frame, read.score) == ("a", 2, 0.5)
    theirs = coco.encode(np.asfortranarray(pixels.astype(np.uint8)))
    assert theirs["counts"].decode() == read.counts
    assert tuple(theirs["size"]) == read.size


def test_one_object_as_coco_has_it_is_read_too():
    [read] = text_to_masks('{"size": [2, 3], "counts": "06"}')
    assert read.pixels().all()
    assert read.frame == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON"),
        ('{"size": [2, 3]}', "counts: Field required"),
        ('[{"size": [2, 3], "counts": "6", "frame": -1}]', "0.frame: Input should be"),
        ('[{"size": [0, 3], "counts": "6"}]', "0.size.0"),
        ('[{"size": [2, 3], "counts": "6", "score": 2}]', "0.score"),
    ],
)
def test_other_texts_are_refused_with_the_place(text, message):
    with pytest.raises(BadInput, match=message):
        text_to_masks(text)


def test_counts_of_another_size_are_refused():
    [mask] = text_to_masks(json.dumps({"size": [2, 2], "counts": "06"}))
    with pytest.raises(BadInput, match="expected 2 x 2 = 4 pixels in all, got 6"):
        mask.pixels()
