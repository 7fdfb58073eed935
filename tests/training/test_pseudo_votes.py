from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy import integrate, stats

from zooassist_exporters.digests import Source
from zooassist_exporters.votes_csv import VotesTable
from zooassist_plugin.errors import BadInput
from zooassist_plugin.trees import TREES
from zooassist_training.recipes.galaxy_zoo import CLASS_SCHEMA, CLASSES
from zooassist_training.recipes.pseudo_votes import (
    CUTS,
    held_to_class,
    mean_above,
    pseudo_votes,
    teach,
    views,
)

GZ2 = TREES["gz2"]


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def random_fractions(rows: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    fractions = np.zeros((rows, len(GZ2.columns)))
    for where in GZ2.slices.values():
        fractions[:, where] = random.dirichlet(np.ones(where.stop - where.start), rows)
    return fractions, np.full_like(fractions, 12.0)


@pytest.mark.parametrize(("mean", "strength", "cut"), [(0.3, 5, 0.5), (0.8, 30, 0.6), (0.5, 1, 0)])
def test_the_mean_above_a_cut_is_that_of_the_truncated_beta(mean, strength, cut):
    beta = stats.beta(mean * strength, (1 - mean) * strength)
    mass = integrate.quad(beta.pdf, cut, 1)[0]
    expected = integrate.quad(lambda x: x * beta.pdf(x), cut, 1)[0] / mass
    result = mean_above(np.array([mean]), np.array([strength]), cut)
    assert result[0] == pytest.approx(expected, abs=1e-6)


def test_a_class_that_the_teacher_rules_out_gets_the_least_it_allows():
    assert mean_above(np.array([1e-4]), np.array([2000.0]), 0.6)[0] == pytest.approx(0.6, abs=1e-3)


def test_fractions_reach_the_cuts_of_the_class_and_still_sum_to_one():
    classes = [CLASSES[i % len(CLASSES)] for i in range(50)]
    fractions, strength = random_fractions(50)
    held = held_to_class(fractions, strength, classes, GZ2)
    for where in GZ2.slices.values():
        np.testing.assert_allclose(held[:, where].sum(1), 1)
    for row, name in enumerate(classes):
        for column, cut in CUTS[name].items():
            assert held[row, GZ2.columns.index(column)] >= cut
    untouched = GZ2.slices["something-odd"]
    np.testing.assert_array_equal(held[:, untouched], fractions[:, untouched])


def test_an_unknown_class_and_another_tree_are_refused():
    fractions, strength = random_fractions(1)
    with pytest.raises(BadInput, match="got 'comet'"):
        held_to_class(fractions, strength, ["comet"], GZ2)
    with pytest.raises(BadInput, match="expected the Galaxy Zoo 2 tree"):
        held_to_class(fractions, strength, ["round"], CLASS_SCHEMA)


def test_eight_views_are_all_different_and_hold_the_same_pixels():
    image = np.random.default_rng(0).integers(0, 255, (1, 6, 6, 3), dtype=np.uint8)
    seen = {view.tobytes() for view in views(image)}
    assert len(seen) == 8
    assert all(np.sort(view.ravel()).tolist() == np.sort(image.ravel()).tolist()
               for view in views(image))  # fmt: skip


def test_turning_a_galaxy_does_not_change_what_the_teacher_says():
    image = np.array(Image.open(BytesIO(picture(1))))
    turned = BytesIO()
    Image.fromarray(np.rot90(image)).save(turned, "PNG")
    fractions, strength, schema = teach("galaxy-zoo", [picture(1), turned.getvalue()], threads=1)
    assert schema.columns == GZ2.columns
    np.testing.assert_allclose(fractions[0], fractions[1], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(strength[0], strength[1], rtol=1e-3)


def test_a_pool_of_classes_becomes_a_table_of_votes():
    rows = len(CLASSES)
    counts = np.eye(rows, dtype=np.int64)
    pool = VotesTable(
        subject_ids=list(range(rows)),
        files=["" for _ in range(rows)],
        metadata=[{} for _ in range(rows)],
        schema=CLASS_SCHEMA,
        counts=counts,
        totals=None,
        published=counts.astype(np.float64),
        form="counts",
        assumed_total=None,
        source=Source("classes.csv", "0" * 64, 1),
    )
    table = pseudo_votes(pool, [picture(i) for i in range(rows)], "galaxy-zoo", 40, threads=1)
    assert table.counts[:, GZ2.slices["smooth-or-featured"]].sum(1).tolist() == [40] * rows
    spirals = table.counts[CLASSES.index("spiral")]
    assert spirals[GZ2.columns.index("has-spiral-arms_yes")] > 0
    assert table.assumed_total == 40
    with pytest.raises(BadInput, match="got none"):
        pseudo_votes(replace(pool), [], "galaxy-zoo", 40)
