"""Which presenter suits a model, where none is asked for?"""

from __future__ import annotations

from zooassist_plugin.model_card import ModelCard

PRESENTER_OF_KIND = {"mask": "masks", "volume": "masks"}


def presenter_for(chosen: str | None, card: ModelCard | None) -> str:
    """Return the presenter that was chosen, else the one that suits the model."""
    return chosen or PRESENTER_OF_KIND.get("votes" if card is None else card.kind, "subtasks")
