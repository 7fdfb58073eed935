"""What does the server answer? Models of its JSON, from which the OpenAPI document is made.

Answers themselves are written from plain dictionaries, which takes a tenth of the time; a test
holds each against its model here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from zooassist_plugin.proposals import Proposal
from zooassist_plugin.proposed_masks import ProposedMask


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProblemBody(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Unprocessable Entity",
                    "status": 422,
                    "detail": "expected image bytes, got an empty body",
                }
            ]
        },
    )

    type: str
    title: str
    status: int
    detail: str


class Live(_Answer):
    """The process works."""

    live: bool


class Ready(_Answer):
    """All models are loaded, and requests are welcome."""

    ready: bool
    models: int
    skipped: int


class ModelSummary(_Answer):
    """A model that is served."""

    name: str
    version: str
    kind: Literal["votes", "values", "mask", "volume", "embedding"]


class Skipped(_Answer):
    """A model folder that is not sound."""

    folder: str
    reason: str


class ModelList(_Answer):
    """What is served, and what could not be."""

    models: list[ModelSummary]
    skipped: list[Skipped]


class AnswerBody(_Answer):
    """One answer of a question: expected share of the votes, and its central 90 % interval."""

    label: str
    column: str
    fraction: float = Field(ge=0, le=1)
    lower90: float
    upper90: float


class QuestionBody(_Answer):
    """A question: the share of volunteers who reach it, and their answers."""

    asked: float
    answers: list[AnswerBody]


class ValueBody(_Answer):
    """A predicted number."""

    mean: float
    std: float
    lower90: float
    upper90: float
    unit: str | None


class PredictionBody(_Answer):
    """What a model says of one image: `questions`, `values` or `masks` by its kind, or `error`."""

    image: str | None
    subject_id: int | None
    frame: int
    model: str
    model_version: str
    error: str | None
    uncertainty: float | None = None
    confidence: float | None = None
    questions: dict[str, QuestionBody] | None = None
    values: dict[str, ValueBody] | None = None
    masks: list[ProposedMask] | None = None
    embedding: list[float] | None = None


class PredictionsBody(_Answer):
    """Predictions in the order of the images."""

    model: str
    model_version: str
    predictions: list[PredictionBody]


class PresentedBody(_Answer):
    """What a presenter makes of a proposal: the data to write, or why it would do harm."""

    payload: dict[str, Any] | None = None
    notes: list[str] = Field(default_factory=list)
    refused: str | None = None


class ProposedBody(_Answer):
    """A subject's proposal, ready for each presenter."""

    subject_id: int
    error: str | None
    proposal: Proposal | None = None
    presented: dict[str, PresentedBody] = Field(default_factory=dict)


class ProposalsBody(_Answer):
    """Proposals in the order of the subjects.

    `misfits` says which of the workflow's questions the model does not answer, and why.
    """

    model: str
    model_version: str
    misfits: list[str]
    proposals: list[ProposedBody]


class JobBody(_Answer):
    """A job and how far it is."""

    id: str
    model: str
    model_version: str | None
    state: Literal["queued", "running", "cancelling", "cancelled", "done", "failed"]
    total: int
    done: int
    failed: int
    created_at: str
    updated_at: str
    error: str | None


class JobList(_Answer):
    """Jobs, the latest first."""

    jobs: list[JobBody]


class JobResults(_Answer):
    """Finished rows of a job from `start` on; ask again from `next` until it is null."""

    start: int
    next: int | None
    predictions: list[PredictionBody]
