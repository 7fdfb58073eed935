"""May two versions of a model answer side by side? When they answer the same questions."""

from __future__ import annotations

from collections.abc import Mapping

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard


def check_same_answers(active: ModelCard, other: ModelCard) -> None:
    """Refuse a version that answers other questions than the active one.

    A client sees one list of questions per model, whichever version answered.

    Raises
    ------
    BadInput
    """
    if _said(active) != _said(other):
        raise BadInput(
            f"model {active.name}: expected versions that answer the same questions, but "
            f"{other.version} does not answer those of {active.version}; let it be the shadow, or "
            "activate it"
        )


def _said(card: ModelCard) -> Mapping[str, object]:
    return {
        "kind": card.kind,
        "questions": card.label_schema,
        "targets": card.targets,
        "classes": card.classes,
    }
