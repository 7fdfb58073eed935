"""How are a model's concentrations corrected before anybody reads them? The record in `model.json`.

Only the numbers are here; what they do is `zooassist_serving.calibration`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from zooassist_plugin.label_schema import LabelSchema

METHOD = "mean-and-strength"

# Strict: a number as text is a damaged file. Not a number and infinite are never meant.
_Factor = Annotated[float, Field(strict=True, ge=0.01, le=100.0, allow_inf_nan=False)]
_Weight = Annotated[float, Field(strict=True, ge=-100.0, le=100.0, allow_inf_nan=False)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TemperatureMap(_Record):
    """Log-odds of the mean fractions are divided by `temperature`, the strength is multiplied.

    Attributes
    ----------
    temperature : float
        Above 1 the answers come closer to each other.
    sharpness : float
        Factor on the sum of a question's concentrations; below 1 the posterior is wider.
    """

    map: Literal["temperature"] = "temperature"
    temperature: _Factor
    sharpness: _Factor


class DirichletMap(_Record):
    """Logs of the mean fractions go through a linear map; Kull et al. 2019, arXiv:1910.12656.

    Attributes
    ----------
    weights : tuple of shape (answers, answers)
        Row `a` makes the new log fraction of answer `a`.
    bias : tuple of shape (answers,)
    sharpness : float
        As for `TemperatureMap`.
    """

    map: Literal["dirichlet"] = "dirichlet"
    weights: tuple[tuple[_Weight, ...], ...] = Field(min_length=1)
    bias: tuple[_Weight, ...]
    sharpness: _Factor

    @model_validator(mode="after")
    def _square(self) -> DirichletMap:
        answers = len(self.bias)
        if len(self.weights) != answers or any(len(row) != answers for row in self.weights):
            raise ValueError(
                f"expected weights of {answers} x {answers} beside a bias of {answers}, got rows "
                f"of {[len(row) for row in self.weights]}"
            )
        return self


QuestionMap = Annotated[TemperatureMap | DirichletMap, Field(discriminator="map")]


class Calibration(_Record):
    """The maps of some questions; the others stay as the graph gives them."""

    method: Literal["mean-and-strength"]
    questions: dict[str, QuestionMap]

    def __bool__(self) -> bool:
        """Whether any question is changed."""
        return bool(self.questions)

    def check_fits(self, schema: LabelSchema) -> None:
        """Refuse a map of a question that the schema doesn't have, or of other answers.

        Raises
        ------
        ValueError
        """
        sizes = {question.name: len(question.answers) for question in schema.questions}
        for name, each in self.questions.items():
            if name not in sizes:
                raise ValueError(
                    f"calibration of {name!r}: expected one of {', '.join(sizes)}; "
                    "it is of another model"
                )
            if isinstance(each, DirichletMap) and len(each.bias) != sizes[name]:
                raise ValueError(
                    f"calibration of {name!r}: expected {sizes[name]} answers, "
                    f"got {len(each.bias)}; it is of another model"
                )

    def to_json(self) -> dict[str, Any]:
        """Return the form of `model.json`; no map at all is an empty object."""
        return self.model_dump(mode="json") if self else {}

    def canonical(self) -> str:
        """Return the text that enters a model's version."""
        return json.dumps(self.to_json(), sort_keys=True)


NO_CALIBRATION = Calibration(method=METHOD, questions={})


def _read(value: object) -> object:
    return NO_CALIBRATION if isinstance(value, Mapping) and not value else value


CalibrationJson = Annotated[
    Calibration,
    BeforeValidator(_read),
    PlainSerializer(lambda calibration: calibration.to_json(), return_type=dict[str, Any]),
]
