"""What is a proposal? A prediction made into something a volunteer sees, with its provenance.

The platform returns nothing of it, neither ids nor model names; so this record, kept in the
ledger, is the only link between a model and what volunteers made of its work.
"""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from zooassist_plugin.marks import Mark

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Proposal(BaseModel):
    """One model's suggestion for one frame of one subject in one workflow.

    Attributes
    ----------
    answers : dict
        Workflow task key (``T1``, or ``T0.0.0`` for a subtask) -> probabilities in the order of
        the workflow's answers, independent of how many volunteers would be asked.
    asked : dict
        Task key -> probability that the model's decision tree reaches the question; a question
        that is not named counts as always asked.
    marks : tuple of Mark
        In natural pixels of the subject image.
    mask : str or None
        Masks as COCO run-length encoding (JSON text), see `proposed_masks`.
    confidence, uncertainty : float
        Confidence is 0 to 1; uncertainty is not bounded above, larger is less sure.
    arm : str
        Subjects of the ``control`` arm are predicted and kept but never shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    proposal_id: str = Field(min_length=1)
    workflow_id: int = Field(ge=1)
    subject_id: int = Field(ge=1)
    frame: int = Field(default=0, ge=0)
    model: str = Field(min_length=1)
    model_version: str = Field(min_length=1)
    created_at: AwareDatetime
    answers: dict[str, tuple[Probability, ...]] = Field(default_factory=dict)
    asked: dict[str, Probability] = Field(default_factory=dict)
    marks: tuple[Mark, ...] = ()
    mask: str | None = None
    confidence: Probability
    uncertainty: float = Field(ge=0, allow_inf_nan=False)
    arm: Literal["assisted", "control"] = "assisted"

    @model_validator(mode="after")
    def _answers_are_distributions(self) -> Proposal:
        for task, probabilities in self.answers.items():
            if not task or not probabilities:
                raise ValueError(f"answers[{task!r}]: expected a task key and its probabilities")
        return self


def proposal_json_schema() -> dict[str, Any]:
    """Return the JSON Schema that `docs/schemas/proposal.schema.json` publishes."""
    schema = Proposal.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "zooassist proposal"
    return schema


def proposal_json_schema_text() -> str:
    """Return the published file's exact text."""
    return json.dumps(proposal_json_schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(proposal_json_schema_text())
