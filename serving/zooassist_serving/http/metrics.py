"""What does a server tell Prometheus? Requests, stages, batches, queues, proposals, drift."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)

from zooassist_serving.drift import DriftWatch
from zooassist_serving.predictions import Prediction

# Several processes add up their numbers through files of this folder (prometheus_client's name).
SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
SECONDS: Final = (
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075,
    0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


_Kind = TypeVar("_Kind", Counter, Gauge, Histogram)


class Metrics:
    """The metrics of one process; an `Observer` of its data plane.

    Parameters
    ----------
    drift : DriftWatch, optional
        Compares what is predicted with what the model learnt from.
    """

    def __init__(self, drift: DriftWatch | None = None) -> None:
        self._registry = CollectorRegistry()
        self._drift = drift or DriftWatch()
        self._series: dict[tuple[object, ...], Any] = {}
        made: dict[str, Any] = {"registry": self._registry}
        self.requests = Counter(
            "zooassist_requests", "Requests answered.", ["method", "route", "status"], **made
        )
        self.request_seconds = Histogram(
            "zooassist_request_seconds",
            "From a request's head to its answer.",
            ["route"],
            buckets=SECONDS,
            **made,
        )
        self.refused = Counter(
            "zooassist_refused", "Requests refused because too many wait.", ["model"], **made
        )
        self.stages = Histogram(
            "zooassist_stage_seconds",
            "Decoding of an image, run of a batch, summary of a batch.",
            ["model", "stage"],
            buckets=SECONDS,
            **made,
        )
        self.batches = Histogram(
            "zooassist_batch_images", "Images that share a run.", ["model"], buckets=SIZES, **made
        )
        self.loads = Counter(
            "zooassist_model_loads", "Sessions made.", ["model", "version", "process"], **made
        )
        self.load_seconds = Gauge(
            "zooassist_model_load_seconds",
            "Seconds that the latest session took to make.",
            ["model"],
            multiprocess_mode="livemax",
            **made,
        )
        self.predictions = Counter(
            "zooassist_predictions", "Images predicted.", ["model", "outcome"], **made
        )
        self.proposals = Counter("zooassist_proposals", "Proposals made.", ["model"], **made)
        self.queue = Gauge(
            "zooassist_queue_images",
            "Images that wait for a graph.",
            ["model"],
            multiprocess_mode="livesum",
            **made,
        )
        self.in_hand = Gauge(
            "zooassist_requests_in_hand",
            "Requests that are being answered.",
            multiprocess_mode="livesum",
            **made,
        )
        self.drift = Gauge(
            "zooassist_drift",
            "Distance of recent predictions from those of the training set, in its deviations.",
            ["model", "of"],
            multiprocess_mode="livemax",
            **made,
        )

    def _of(self, metric: _Kind, *labels: str) -> _Kind:
        """Return the series of some labels; looked up here in a tenth of the time of `labels`."""
        key = (id(metric), *labels)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = metric.labels(*labels)
        return cast("_Kind", series)

    def exposition(self) -> bytes:
        """Return the text that Prometheus reads."""
        for model, distances in self._drift.distances().items():
            for of, distance in distances.items():
                self.drift.labels(model, of).set(distance)
        if os.environ.get(SHARED_FOLDER):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
            return generate_latest(registry)
        return generate_latest(self._registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request and its time."""
        self._of(self.requests, method, route, str(status)).inc()
        self._of(self.request_seconds, route).observe(seconds)

    def loaded(self, model: str, version: str, seconds: float) -> None:
        """Count a session; one per model and process is what is wanted."""
        self.loads.labels(model, version, str(os.getpid())).inc()
        self.load_seconds.labels(model).set(seconds)

    def stage(self, model: str, stage: str, seconds: float) -> None:
        """Keep the time of a stage."""
        self._of(self.stages, model, stage).observe(seconds)

    def batch(self, model: str, size: int, waiting: int) -> None:
        """Keep the size of a batch, and what waits behind it."""
        self._of(self.batches, model).observe(size)
        self._of(self.queue, model).set(waiting)

    def predicted(self, model: str, prediction: Prediction) -> None:
        """Count a prediction, and let the watch on drift see it."""
        outcome = "ok" if prediction.error is None else "error"
        self._of(self.predictions, model, outcome).inc()
        self._drift.see(model, prediction)

    def proposed(self, model: str, count: int) -> None:
        """Count proposals."""
        if count:
            self.proposals.labels(model).inc(count)


def share_between_processes(folder: Path) -> None:
    """Let this process and those it starts add up their metrics; before `Metrics` are made."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[SHARED_FOLDER] = str(folder)
    # prometheus_client looks at the environment when it is imported, which was before.
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]
