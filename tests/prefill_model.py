"""A model card that fits `prefill_project`'s workflow, without a model behind it."""

from __future__ import annotations

from zooassist_plugin.label_schema import Answer, LabelSchema, Question
from zooassist_plugin.model_card import ModelCard, Preprocessing, TensorSpec, model_version

SMOOTH = LabelSchema(
    (
        Question(
            name="smooth-or-featured",
            task="",
            type="single",
            asked_after=(),
            answers=tuple(
                Answer(label, index, f"smooth-or-featured_{part}")
                for index, (label, part) in enumerate(
                    [
                        ("Smooth", "smooth"),
                        ("Featured or disk", "featured-or-disk"),
                        ("Star or artifact", "artifact"),
                    ]
                )
            ),
            text="Smooth or featured",
        ),
        Question(
            name="bar",
            task="",
            type="single",
            asked_after=("smooth-or-featured_featured-or-disk",),
            answers=(Answer("Yes", 0, "bar_yes"), Answer("No", 1, "bar_no")),
            text="Is there a bar",
        ),
    )
)


def model_card(kind: str = "votes", schema: LabelSchema | None = SMOOTH) -> ModelCard:
    preprocessing = Preprocessing(size=32)
    sha256 = "ab" * 32
    main = "concentrations" if kind == "votes" else "mask"
    return ModelCard(
        name="test-galaxies",
        version=model_version(sha256, preprocessing),
        sha256=sha256,
        kind=kind,
        inputs=(TensorSpec(name="image", dtype="uint8", shape=("batch", 32, 32, 3)),),
        outputs=(TensorSpec(name=main, dtype="float32", shape=("batch", 1, 5)),),
        preprocessing=preprocessing,
        label_schema=schema,
        licence="Apache-2.0",
    )
