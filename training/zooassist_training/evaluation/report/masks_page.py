"""How does an evaluation of masks become a page? One HTML file with everything in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin import __version__
from zooassist_plugin.output_paths import temporary_beside
from zooassist_training.evaluation.masks.model_run import SHOWN, Drawn, MaskEvaluation
from zooassist_training.evaluation.masks.summary import Summary
from zooassist_training.evaluation.report.gallery import data_url
from zooassist_training.evaluation.report.page import page_environment

# Colours that are told apart by those who see few, too.
TRUE: Final = (0, 114, 178)
PREDICTED: Final = (230, 159, 0)
BOTH: Final = (255, 255, 255)


@dataclass(frozen=True)
class ShownMask:
    """One image of the gallery, as a data URL, with the contours of both masks."""

    name: str
    picture: str
    dice: float


def about(evaluation: MaskEvaluation) -> dict[str, Any]:
    """Return what is said of model and set beside the figures."""
    card = evaluation.folder.card
    name, digest = evaluation.training_set
    return {
        "kind": card.kind,
        "model": {"name": card.name, "version": card.version, "sha256": card.sha256},
        "training_set": {"name": name, "sha256": digest},
        "split": evaluation.request.split,
        "where": dict(evaluation.request.where),
        "learnt_from": evaluation.learnt_from,
        "chosen_by": evaluation.chosen_by,
        "images": evaluation.images,
        "classes_not_compared": list(evaluation.not_compared),
    }


def write_mask_report(evaluation: MaskEvaluation, summaries: Sequence[Summary], out: Path) -> None:
    """Write the page; it appears whole or not at all."""
    shown = [ShownMask(each.name, outlined(each), each.dice) for each in evaluation.drawn]
    best = min(SHOWN, len(shown) // 2)
    text = (
        page_environment()
        .get_template("masks.html")
        .render(
            evaluation=evaluation,
            card=evaluation.folder.card,
            summaries=summaries,
            training_set=evaluation.training_set[0],
            sha256=evaluation.training_set[1],
            worst=shown[: len(shown) - best],
            best=shown[len(shown) - best :][::-1],
            what="volume" if evaluation.folder.card.kind == "volume" else "image",
            version=__version__,
        )
    )
    temporary = temporary_beside(out)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(out)


def outlined(drawn: Drawn) -> str:
    """Draw the contours of both masks on an image."""
    pixels = drawn.pixels
    if pixels.shape[-1] != 3:  # of other numbers of modalities the first is shown
        pixels = np.repeat(pixels[..., :1], 3, axis=-1)
    pixels = pixels.copy()
    ours, theirs = edges(drawn.predicted), edges(drawn.truth)
    for mask, colour in ((theirs, TRUE), (ours, PREDICTED), (ours & theirs, BOTH)):
        pixels[mask] = colour
    return data_url(pixels)


def edges(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the pixels of classes that have a neighbour of another one."""
    edge = np.zeros(labels.shape, dtype=np.bool_)
    rows, columns = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[1:] |= rows
    edge[:-1] |= rows
    edge[:, 1:] |= columns
    edge[:, :-1] |= columns
    return edge & (labels > 0)
