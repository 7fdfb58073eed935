"""What does a model of kind `values` predict? Named numbers, with what its training saw of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from zooassist_plugin.errors import BadInput

NAME = r"^\S(.*\S)?$"


class Target(BaseModel):
    """One numeric property of a subject, such as its redshift.

    Attributes
    ----------
    name : str
        The key of the subjects' metadata that held it in training.
    unit : str, optional
        Of everything that the model says of it; only written where it is known.
    mean, scale : float
        Mean and standard deviation in training. The graph works with ``(value - mean) / scale`` and
        turns its answers back itself.
    low, high : float
        Least and largest value in training.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    unit: str | None = Field(default=None, min_length=1)
    mean: float = Field(allow_inf_nan=False)
    scale: float = Field(gt=0, allow_inf_nan=False)
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _ordered(self) -> Target:
        if not self.low < self.high:
            raise ValueError(f"low: expected less than high, got {self.low} and {self.high}")
        return self

    @model_serializer(mode="wrap")
    def _without_unknown_unit(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = write(self)
        if self.unit is None:
            del content["unit"]
        return content

    @property
    def label(self) -> str:
        """Name and unit, for people."""
        return self.name if self.unit is None else f"{self.name} ({self.unit})"


@dataclass(frozen=True)
class Targets:
    """Targets in the order of the graph's output; to values what `LabelSchema` is to votes.

    Raises
    ------
    BadInput
        When there is none, or two are of one name.
    """

    targets: tuple[Target, ...]

    def __post_init__(self) -> None:
        names = self.columns
        if not names:
            raise BadInput("targets: expected at least one, got none")
        twice = [name for place, name in enumerate(names) if name in names[:place]]
        if twice:
            raise BadInput(f"target {twice[0]!r} is named twice; give each once")

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the targets, in order."""
        return tuple(target.name for target in self.targets)

    def to_json(self) -> list[dict[str, Any]]:
        """Return the form that `model.json` stores."""
        return [target.model_dump(mode="json") for target in self.targets]
