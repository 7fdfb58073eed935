"""Which galaxies did the model know best and worst, and what do they look like?"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from zooassist_plugin.label_schema import Question
from zooassist_serving.posteriors import expected_fraction, interval
from zooassist_serving.vote_likelihood import Floats
from zooassist_training.evaluation.report.charts import answer_bars

SHOWN: Final = 5
THUMBNAIL: Final = 128
QUALITY: Final = 82


@dataclass(frozen=True)
class Shown:
    """One galaxy of the gallery.

    Attributes
    ----------
    picture : str
        A data URL: the image as the graph sees it.
    distance : float
        Half the sum of the differences of the fractions; 0 to 1.
    votes : int
        On the question.
    """

    subject_id: int
    picture: str
    bars: Markup
    distance: float
    votes: int


@dataclass(frozen=True)
class Gallery:
    """Worst and best galaxies of one question, the extreme one first."""

    worst: tuple[Shown, ...]
    best: tuple[Shown, ...]


def gallery(
    question: Question,
    alphas: Floats,
    counts: NDArray[np.int64],
    images: NDArray[np.uint8],
    subject_ids: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> Gallery:
    """Choose galaxies among some rows.

    Parameters
    ----------
    alphas : array of shape (galaxies, samples, answers)
    counts : array of shape (galaxies, answers)
    images : array of shape (galaxies, size, size, 3)
    rows : array of int
        The galaxies that count for the question.
    """
    votes = counts[rows].sum(1)
    observed = counts[rows] / votes[:, None]
    predicted = expected_fraction(alphas[rows])
    distance = np.abs(predicted - observed).sum(1) / 2
    order = np.argsort(distance, kind="stable")
    best = order[: min(SHOWN, len(order) // 2)]
    worst = order[::-1][: min(SHOWN, len(order) - len(best))]
    labels = [answer.label or answer.column for answer in question.answers]

    def shown(place: int) -> Shown:
        row = int(rows[place])
        low, high = interval(alphas[row : row + 1])
        return Shown(
            subject_id=int(subject_ids[row]),
            picture=data_url(images[row]),
            bars=answer_bars(labels, observed[place], predicted[place], low[0], high[0]),
            distance=float(distance[place]),
            votes=int(votes[place]),
        )

    return Gallery(tuple(map(shown, worst)), tuple(map(shown, best)))


def data_url(pixels: NDArray[np.uint8]) -> str:
    """Return an image as text that a page can hold, at most `THUMBNAIL` pixels wide."""
    image = Image.fromarray(np.array(pixels))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
