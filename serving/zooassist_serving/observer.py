"""Who is told what the data plane does? Metrics, or nobody."""

from __future__ import annotations

from typing import Protocol

from zooassist_serving.predictions import Prediction


class Observer(Protocol):
    """Told of a model's work. Called on the way to an answer, so it has to be quick."""

    def loaded(self, model: str, version: str, seconds: float) -> None:
        """Be told that a session was made."""
        ...

    def stage(self, model: str, stage: str, seconds: float) -> None:
        """Be told how long a stage took: `decode`, `graph` (of a whole batch), `summarise`."""
        ...

    def batch(self, model: str, size: int, waiting: int) -> None:
        """Be told how many images shared a run, and how many wait for the next."""
        ...

    def predicted(self, model: str, prediction: Prediction) -> None:
        """Be told of a prediction, be it good or an error."""
        ...

    def proposed(self, model: str, count: int) -> None:
        """Be told of proposals made."""
        ...


class Nobody:
    """An observer that does not listen."""

    def loaded(self, model: str, version: str, seconds: float) -> None:
        """Do nothing."""

    def stage(self, model: str, stage: str, seconds: float) -> None:
        """Do nothing."""

    def batch(self, model: str, size: int, waiting: int) -> None:
        """Do nothing."""

    def predicted(self, model: str, prediction: Prediction) -> None:
        """Do nothing."""

    def proposed(self, model: str, count: int) -> None:
        """Do nothing."""
