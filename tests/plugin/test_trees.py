import pytest

from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.trees import TREES

# Kaggle's column of every question, and the column that its answers sum to (None: to 1), as the
# challenge's data page states them.
KAGGLE = [
    ("smooth-or-featured", 3, None),
    ("disk-edge-on", 2, "smooth-or-featured_featured-or-disk"),
    ("bar", 2, "disk-edge-on_no"),
    ("has-spiral-arms", 2, "disk-edge-on_no"),
    ("bulge-size", 4, "disk-edge-on_no"),
    ("something-odd", 2, None),
    ("how-rounded", 3, "smooth-or-featured_smooth"),
    ("odd-feature", 7, "something-odd_yes"),
    ("bulge-shape", 3, "disk-edge-on_yes"),
    ("spiral-winding", 3, "has-spiral-arms_yes"),
    ("spiral-arm-count", 6, "has-spiral-arms_yes"),
]


def test_gz2_is_the_tree_behind_the_kaggle_columns():
    tree = TREES["gz2"]
    found = [
        (q.name, len(q.answers), q.asked_after[0] if q.asked_after else None)
        for q in tree.questions
    ]
    assert found == KAGGLE
    assert len(tree.columns) == 37


def test_gz2_answers_in_the_order_of_the_kaggle_columns():
    tree = TREES["gz2"]
    assert tree.columns[:5] == (
        "smooth-or-featured_smooth",
        "smooth-or-featured_featured-or-disk",
        "smooth-or-featured_artifact",
        "disk-edge-on_yes",
        "disk-edge-on_no",
    )
    assert tree.columns[-6:] == tuple(
        f"spiral-arm-count_{part}" for part in ("1", "2", "3", "4", "more-than-4", "cant-tell")
    )
    assert [a.label for a in tree.question("bulge-shape").answers] == [
        "Rounded",
        "Boxy",
        "No bulge",
    ]


def test_gz_decals_has_ten_questions_and_thirty_four_answers():
    tree = TREES["gz-decals"]
    assert len(tree.questions) == 10
    assert len(tree.columns) == 34
    assert tree.question("merging").asked_after == (
        "smooth-or-featured_smooth",
        "smooth-or-featured_featured-or-disk",
    )
    assert tree.question("edge-on-bulge").asked_after == ("disk-edge-on_yes",)


@pytest.mark.parametrize("name", TREES)
def test_volunteers_words_are_given_and_the_tree_survives_json(name):
    tree = TREES[name]
    assert all(q.text and all(a.label for a in q.answers) for q in tree.questions)
    assert LabelSchema.from_json(tree.to_json()) == tree


def test_the_proportion_asked_is_the_product_along_the_branch():
    tree = TREES["gz2"]
    fractions = {q.name: [1 / len(q.answers)] * len(q.answers) for q in tree.questions}
    fractions["smooth-or-featured"] = [0.25, 0.7, 0.05]
    fractions["disk-edge-on"] = [0.1, 0.9]
    fractions["has-spiral-arms"] = [0.8, 0.2]
    asked = tree.asked(fractions)
    assert asked["smooth-or-featured"] == 1
    assert asked["how-rounded"] == pytest.approx(0.25)
    assert asked["bar"] == pytest.approx(0.7 * 0.9)
    assert asked["spiral-winding"] == pytest.approx(0.7 * 0.9 * 0.8)
    # Of several parents each path counts.
    decals = TREES["gz-decals"]
    fractions = {q.name: [1 / len(q.answers)] * len(q.answers) for q in decals.questions}
    fractions["smooth-or-featured"] = [0.25, 0.7, 0.05]
    assert decals.asked(fractions)["merging"] == pytest.approx(0.95)
