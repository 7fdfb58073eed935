"""How far are today's predictions from those of the training set? In deviations of the latter."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import ModelCard, first_problem
from zooassist_serving.predictions import Prediction

REFERENCE_FILE: Final = "reference.json"
MEMORY: Final = 1000
"""Images after which a prediction counts a third: what is recent."""
LEAST_DEVIATION: Final = 1e-6


class Moments(BaseModel):
    """Mean and standard deviation of a number over the images of a set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float = Field(allow_inf_nan=False)
    std: float = Field(ge=0, allow_inf_nan=False)


class Reference(BaseModel):
    """What a model says of the images it learnt from: the content of `reference.json`.

    Attributes
    ----------
    version : str
        Of the model that said so.
    images : int
        How many they were.
    predictions : mapping
        Label column -> moments of its fraction, or target -> of its mean; and ``uncertainty``.
    embedding : tuple of Moments
        Of each feature; empty for a model without.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    encoding_type: str = Field(default="zooassist-reference", alias="encoding-type")
    encoding_version: str = Field(default="0.1.0", alias="encoding-version")
    version: str
    images: int = Field(ge=2)
    predictions: dict[str, Moments]
    embedding: tuple[Moments, ...] = ()

    @classmethod
    def read(cls, folder: Path, card: ModelCard) -> Reference | None:
        """Read that of a model folder; None where there is none, or it is of another version.

        Raises
        ------
        BadInput
            When there is one that cannot be read.
        """
        path = folder / REFERENCE_FILE
        if not path.exists():
            return None
        try:
            found = cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            reason = first_problem(error) if isinstance(error, ValidationError) else str(error)
            raise BadInput(f"{path}: {reason}; write it again") from error
        return found if found.version == card.version else None

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), indent=1) + "\n"


class Running:
    """Mean and spread of vectors as they come: of all alike, or of the recent ones more."""

    def __init__(self, memory: int | None = None) -> None:
        self.count = 0
        self._memory = memory
        self.mean: NDArray[np.float64] = np.zeros(0)
        self._square: NDArray[np.float64] = np.zeros(0)

    def add(self, values: NDArray[np.float64]) -> None:
        """Take one vector in."""
        if self.count == 0:
            self.mean, self._square = np.zeros(len(values)), np.zeros(len(values))
        self.count += 1
        share = 1 / self.count if self._memory is None else max(1 / self.count, 1 / self._memory)
        step = values - self.mean
        self.mean = self.mean + share * step
        self._square = (1 - share) * (self._square + share * step**2)

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviation of each number."""
        deviation: NDArray[np.float64] = np.sqrt(self._square)
        return deviation


def numbers_of(prediction: Prediction) -> NDArray[np.float64] | None:
    """Return what is watched of a prediction: fractions or means, then the uncertainty."""
    said = prediction.fractions if prediction.means is None else prediction.means
    if said is None or prediction.uncertainty is None:
        return None
    return np.append(np.asarray(said, dtype=np.float64), prediction.uncertainty)


@dataclass(frozen=True, eq=False)
class _Watched:
    reference: Reference
    columns: tuple[str, ...]
    recent: Running
    features: Running


class DriftWatch:
    """Keeps moments of recent predictions of models that have a reference."""

    def __init__(self, memory: int = MEMORY) -> None:
        self._memory = memory
        self._lock = threading.Lock()
        self._watched: Mapping[str, _Watched] = MappingProxyType({})

    def watch(self, folder: Path, card: ModelCard) -> None:
        """Watch a model from now on, if its folder says what to compare with."""
        reference = Reference.read(folder, card)
        with self._lock:
            others = {name: each for name, each in self._watched.items() if name != card.name}
            if reference is not None:
                columns = (*card.answers.columns, "uncertainty")
                others[card.name] = _Watched(
                    reference, columns, Running(self._memory), Running(self._memory)
                )
            self._watched = MappingProxyType(others)

    def see(self, model: str, prediction: Prediction) -> None:
        """Take a prediction in; an error, or one of another version, says nothing."""
        watched = self._watched.get(model)
        if watched is None or watched.reference.version != prediction.model_version:
            return
        numbers = numbers_of(prediction)
        if numbers is None:
            return
        with self._lock:
            watched.recent.add(numbers)
            if watched.reference.embedding and prediction.embedding is not None:
                watched.features.add(np.asarray(prediction.embedding, dtype=np.float64))

    def distances(self) -> dict[str, dict[str, float]]:
        """Return model -> what -> distance of the recent mean from the reference's.

        In the reference's standard deviations: per label column, `uncertainty`, and `embedding`,
        the root mean square over its features.
        """
        found: dict[str, dict[str, float]] = {}
        with self._lock:
            for model, watched in self._watched.items():
                if watched.recent.count == 0:
                    continue
                means = dict(zip(watched.columns, watched.recent.mean.tolist(), strict=True))
                found[model] = {
                    column: (means[column] - moments.mean) / max(moments.std, LEAST_DEVIATION)
                    for column, moments in watched.reference.predictions.items()
                    if column in means
                }
                if watched.features.count:
                    steps = [
                        (mean - each.mean) / max(each.std, LEAST_DEVIATION)
                        for mean, each in zip(
                            watched.features.mean.tolist(),
                            watched.reference.embedding,
                            strict=True,
                        )
                    ]
                    found[model]["embedding"] = math.sqrt(sum(s * s for s in steps) / len(steps))
        return found
