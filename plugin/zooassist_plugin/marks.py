"""What is a mark? One drawn shape, the tool it belongs to, and the answers it carries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from zooassist_plugin.shapes import Shape

SubtaskKey = Annotated[str, StringConstraints(pattern=r"^[^.]+\.\d+\.\d+$")]


class SubtaskAnswer(BaseModel):
    """The answer to one subtask of a mark.

    Attributes
    ----------
    task : str
        ``<drawing task>.<tool index>.<detail index>``: ``T0.0.0``.
    value : int, tuple of int, str or None
        Answer index (single), answer indices (multiple), text; None when left unanswered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: SubtaskKey
    task_type: Literal["single", "multiple", "text"]
    value: int | tuple[int, ...] | str | None = None

    @model_validator(mode="after")
    def _value_fits_type(self) -> SubtaskAnswer:
        expected = {"single": int, "multiple": tuple, "text": str}[self.task_type]
        if self.value is not None and not isinstance(self.value, expected):
            raise ValueError(
                f"{self.task}: a {self.task_type} answer is {expected.__name__}, got {self.value!r}"
            )
        return self


class Mark(BaseModel):
    """One drawn shape.

    Attributes
    ----------
    frame : int
        Which of the subject's locations it lies on, from 0.
    tool_index : int
        Which tool of the drawing task `task`, from 0.
    answers : tuple of SubtaskAnswer
        What is answered about this mark.
    confidence : float or None
        The model's, 0 to 1; decides which marks stay when a tool allows fewer.
    mark_id : str or None
        Our own name for it; the classifier forgets it on submission.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: Shape
    frame: int = Field(default=0, ge=0)
    tool_index: int = Field(default=0, ge=0)
    task: str = Field(default="T0", min_length=1)
    answers: tuple[SubtaskAnswer, ...] = ()
    confidence: float | None = Field(default=None, ge=0, le=1)
    mark_id: str | None = Field(default=None, min_length=1)
