"""Which decision trees does Galaxy Zoo use? The GZ2 and GZ DECaLS trees, as label schemas.

Questions and their order follow the Galaxy Zoo 2 release (Willett et al. 2013, MNRAS 435, 2835;
the order of the answers is that of the Kaggle "Galaxy Challenge" columns Class1.1 … Class11.6) and
GZ DECaLS data release 5 (Walmsley et al. 2022, MNRAS 509, 3966). Where a question can be reached
along several paths all its parents are named: in GZ DECaLS, `merging` is asked of everybody who did
not answer "artifact".
"""

from __future__ import annotations

from zooassist_plugin.label_schema import Answer, LabelSchema, Question

# (name, text that volunteers read, label columns it is asked after,
#  ((the answer's part of the column, label that volunteers read), …))
_Row = tuple[str, str, tuple[str, ...], tuple[tuple[str, str], ...]]

_SMOOTH = "smooth-or-featured_smooth"
_FEATURED = "smooth-or-featured_featured-or-disk"
_ROOT_TEXT = "Is the galaxy simply smooth and rounded, with no sign of a disk?"
_ROOT_ANSWERS = (
    ("smooth", "Smooth"),
    ("featured-or-disk", "Features or disk"),
    ("artifact", "Star or artifact"),
)
_YES_NO = (("yes", "Yes"), ("no", "No"))
_WINDING = (("tight", "Tight"), ("medium", "Medium"), ("loose", "Loose"))
_ARMS = (
    ("1", "1"),
    ("2", "2"),
    ("3", "3"),
    ("4", "4"),
    ("more-than-4", "More than 4"),
    ("cant-tell", "Can't tell"),
)

_GZ2: tuple[_Row, ...] = (
    ("smooth-or-featured", _ROOT_TEXT, (), _ROOT_ANSWERS),
    ("disk-edge-on", "Could this be a disk viewed edge-on?", (_FEATURED,), _YES_NO),
    (
        "bar",
        "Is there a sign of a bar feature through the centre of the galaxy?",
        ("disk-edge-on_no",),
        _YES_NO,
    ),
    (
        "has-spiral-arms",
        "Is there any sign of a spiral arm pattern?",
        ("disk-edge-on_no",),
        _YES_NO,
    ),
    (
        "bulge-size",
        "How prominent is the central bulge, compared with the rest of the galaxy?",
        ("disk-edge-on_no",),
        (
            ("no", "No bulge"),
            ("just-noticeable", "Just noticeable"),
            ("obvious", "Obvious"),
            ("dominant", "Dominant"),
        ),
    ),
    ("something-odd", "Is there anything odd?", (), _YES_NO),
    (
        "how-rounded",
        "How rounded is it?",
        (_SMOOTH,),
        (("round", "Completely round"), ("in-between", "In between"), ("cigar", "Cigar-shaped")),
    ),
    (
        "odd-feature",
        "Is the odd feature a ring, or is the galaxy disturbed or irregular?",
        ("something-odd_yes",),
        (
            ("ring", "Ring"),
            ("lens-or-arc", "Lens or arc"),
            ("disturbed", "Disturbed"),
            ("irregular", "Irregular"),
            ("other", "Other"),
            ("merger", "Merger"),
            ("dust-lane", "Dust lane"),
        ),
    ),
    (
        "bulge-shape",
        "Does the galaxy have a bulge at its centre? If so, what shape?",
        ("disk-edge-on_yes",),
        (("rounded", "Rounded"), ("boxy", "Boxy"), ("none", "No bulge")),
    ),
    (
        "spiral-winding",
        "How tightly wound do the spiral arms appear?",
        ("has-spiral-arms_yes",),
        _WINDING,
    ),
    ("spiral-arm-count", "How many spiral arms are there?", ("has-spiral-arms_yes",), _ARMS),
)

_GZ_DECALS: tuple[_Row, ...] = (
    ("smooth-or-featured", _ROOT_TEXT, (), _ROOT_ANSWERS),
    ("disk-edge-on", "Could this be a disk viewed edge-on?", (_FEATURED,), _YES_NO),
    (
        "has-spiral-arms",
        "Is there any sign of a spiral arm pattern?",
        ("disk-edge-on_no",),
        _YES_NO,
    ),
    (
        "bar",
        "Is there a bar feature through the centre of the galaxy?",
        ("disk-edge-on_no",),
        (("strong", "Strong bar"), ("weak", "Weak bar"), ("no", "No bar")),
    ),
    (
        "bulge-size",
        "How prominent is the central bulge, compared with the rest of the galaxy?",
        ("disk-edge-on_no",),
        (
            ("dominant", "Dominant"),
            ("large", "Large"),
            ("moderate", "Moderate"),
            ("small", "Small"),
            ("none", "No bulge"),
        ),
    ),
    (
        "how-rounded",
        "How rounded is it?",
        (_SMOOTH,),
        (
            ("round", "Completely round"),
            ("in-between", "In between"),
            ("cigar-shaped", "Cigar-shaped"),
        ),
    ),
    (
        "edge-on-bulge",
        "Does the galaxy have a bulge at its centre? If so, what shape?",
        ("disk-edge-on_yes",),
        (("boxy", "Boxy"), ("none", "No bulge"), ("rounded", "Rounded")),
    ),
    (
        "spiral-winding",
        "How tightly wound do the spiral arms appear?",
        ("has-spiral-arms_yes",),
        _WINDING,
    ),
    ("spiral-arm-count", "How many spiral arms are there?", ("has-spiral-arms_yes",), _ARMS),
    (
        "merging",
        "Is the galaxy currently merging, or is there any sign of disturbance?",
        (_SMOOTH, _FEATURED),
        (
            ("none", "None"),
            ("minor-disturbance", "Minor disturbance"),
            ("major-disturbance", "Major disturbance"),
            ("merger", "Merger"),
        ),
    ),
)


def _schema(rows: tuple[_Row, ...]) -> LabelSchema:
    """Make the schema; tasks are numbered as a workflow built from the tree would number them."""
    return LabelSchema(
        tuple(
            Question(
                name=name,
                task=f"T{number}",
                type="single",
                asked_after=asked_after,
                answers=tuple(
                    Answer(label, index, f"{name}_{part}")
                    for index, (part, label) in enumerate(answers)
                ),
                text=text,
            )
            for number, (name, text, asked_after, answers) in enumerate(rows)
        )
    )


TREES: dict[str, LabelSchema] = {"gz2": _schema(_GZ2), "gz-decals": _schema(_GZ_DECALS)}
