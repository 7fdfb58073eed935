"""What is a prediction, and which columns do many of them have? One row per image."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zooassist_plugin import __version__
from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.targets import Targets
from zooassist_serving.posteriors import Floats

# What a predictions file says of every label column, and of every target.
VOTE_PARTS = ("fraction", "lower90", "upper90")
VALUE_PARTS = ("mean", "std", "lower90", "upper90")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one image, or why it says nothing.

    Attributes
    ----------
    image : str or None
        Path or name, where there is no subject.
    fractions : array of shape (columns,)
        Expected vote fraction among those asked.
    asked : array of shape (questions,)
    means, deviations : array of shape (targets,)
        Of a model of kind `values`, in place of fractions and asked.
    lower90, upper90 : array of shape (columns,) or (targets,)
        Central 90 % interval of the fraction, or of the value.
    uncertainty : float or None
        See `vote_summary.uncertainty` and `value_summary.uncertainty`.
    mask : str or None
        Of a model of kind `mask` (see `zooassist_plugin.proposed_masks`); then there are no
        fractions, and `uncertainty` is that of the pixels.
    error : str or None
        Why this image failed; then the arrays are None.
    """

    model: str
    model_version: str
    image: str | None = None
    subject_id: int | None = None
    frame: int = 0
    fractions: Floats | None = None
    lower90: Floats | None = None
    upper90: Floats | None = None
    asked: Floats | None = None
    means: Floats | None = None
    deviations: Floats | None = None
    uncertainty: float | None = None
    embedding: NDArray[np.float32] | None = None
    mask: str | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        if self.image is None and self.subject_id is None:
            raise BadInput("a prediction needs an image name or a subject id, got neither")
        votes, numbers = (self.fractions, self.asked), (self.means, self.deviations)
        own, others = (votes, numbers) if self.means is None else (numbers, votes)
        values: tuple[object, ...] = (*own, self.lower90, self.upper90)
        if self.mask is not None:
            values = (self.mask,)
        values = (*values, self.uncertainty)
        if any((value is None) == (self.error is None) for value in values):
            raise BadInput(f"{self.item}: expected either all values or an error")
        if any(value is not None for value in others):
            raise BadInput(f"{self.item}: expected answers to questions or values, got both")

    @property
    def item(self) -> str:
        """Name for messages: ``subject 5678`` or the image's path."""
        return f"subject {self.subject_id}" if self.image is None else self.image


def arrow_schema(
    card: ModelCard, embedding: int | None = None, *, with_ids: bool = False
) -> pa.Schema:
    """Columns of a predictions file.

    Parameters
    ----------
    embedding : int, optional
        Number of features, when embeddings are kept.
    with_ids : bool
        Whether there is a column `id_str`, the name that a table gives an object.
    """
    said = card.answers
    parts = VALUE_PARTS if isinstance(said, Targets) else VOTE_PARTS
    value_columns = [f"{column}_{part}" for column in said.columns for part in parts]
    if isinstance(said, LabelSchema):
        value_columns += [f"{question.name}_asked" for question in said.questions]
    fields = [
        pa.field("subject_id", pa.int64()),
        pa.field("image", pa.string()),
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        *(pa.field(name, pa.float32()) for name in value_columns),
        pa.field("uncertainty", pa.float32()),
        pa.field("error", pa.string()),
    ]
    if with_ids:
        fields.insert(2, pa.field("id_str", pa.string()))
    if embedding is not None:
        fields.append(pa.field("embedding", pa.list_(pa.float32(), embedding)))
    metadata = {
        "encoding-type": "zooassist-predictions",
        "encoding-version": "0.1.0",
        "producer": f"zooassist {__version__}",
        "model": card.name,
        "model_version": card.version,
        "targets" if card.targets else "label_schema": json.dumps(
            said.to_json(), ensure_ascii=False
        ),
    }
    return pa.schema(fields, metadata=metadata)


def row_of(
    prediction: Prediction, said: LabelSchema | Targets, *, embedding: bool = False
) -> dict[str, Any]:
    """Return a prediction as a flat row with the columns of `arrow_schema`."""
    row: dict[str, Any] = {
        "subject_id": prediction.subject_id,
        "image": prediction.image,
        "frame": prediction.frame,
        "model": prediction.model,
        "model_version": prediction.model_version,
        "uncertainty": prediction.uncertainty,
        "error": prediction.error,
    }
    parts = {
        "fraction": prediction.fractions,
        "mean": prediction.means,
        "std": prediction.deviations,
        "lower90": prediction.lower90,
        "upper90": prediction.upper90,
    }
    for part, values in parts.items():
        if values is not None:
            named = zip(said.columns, values.tolist(), strict=True)
            row.update({f"{column}_{part}": value for column, value in named})
    if prediction.asked is not None and isinstance(said, LabelSchema):
        asked = zip(said.questions, prediction.asked.tolist(), strict=True)
        row.update({f"{question.name}_asked": value for question, value in asked})
    if embedding and prediction.embedding is not None:
        row["embedding"] = prediction.embedding
    return row


def json_of(
    prediction: Prediction, said: LabelSchema | Targets, *, embedding: bool = False
) -> dict[str, Any]:
    """Return a prediction as the JSON object that the HTTP endpoint answers with.

    Parameters
    ----------
    embedding : bool
        Whether the model's features join it, where it has any.
    """
    answer: dict[str, Any] = {
        "image": prediction.image,
        "subject_id": prediction.subject_id,
        "frame": prediction.frame,
        "model": prediction.model,
        "model_version": prediction.model_version,
        "error": prediction.error,
    }
    if prediction.error is not None:
        return answer
    answer["uncertainty"] = prediction.uncertainty
    if embedding and prediction.embedding is not None:
        answer["embedding"] = prediction.embedding.tolist()
    if isinstance(said, Targets):
        row = row_of(prediction, said)
        answer["values"] = {
            target.name: {part: row[f"{target.name}_{part}"] for part in VALUE_PARTS}
            | {"unit": target.unit}
            for target in said.targets
        }
    else:
        answer["questions"] = _questions(prediction, said)
    return answer


def _questions(prediction: Prediction, schema: LabelSchema) -> dict[str, Any]:
    """Return the questions' part of the JSON; over HTTP every tenth of a millisecond counts."""
    of_columns = (prediction.fractions, prediction.lower90, prediction.upper90)
    numbers = zip(*(_listed(each) for each in of_columns), strict=True)
    questions: dict[str, Any] = {}
    for question, asked in zip(schema.questions, _listed(prediction.asked), strict=True):
        answers = []
        for each in question.answers:
            fraction, lower90, upper90 = next(numbers)
            answers.append(
                {
                    "label": each.label,
                    "column": each.column,
                    "fraction": fraction,
                    "lower90": lower90,
                    "upper90": upper90,
                }
            )
        questions[question.name] = {"asked": asked, "answers": answers}
    return questions


def _listed(values: Floats | None) -> list[float]:
    return [] if values is None else values.tolist()
