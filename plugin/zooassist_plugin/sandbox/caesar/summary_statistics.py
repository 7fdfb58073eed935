"""What does the reducer ``summary_stats`` compute? Numbers over one field of many extracts.

In running mode the store carries what is needed to continue without the earlier extracts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OPERATIONS = (
    "count",
    "min",
    "max",
    "sum",
    "product",
    "mean",
    "sse",
    "variance",
    "stdev",
    "first",
    "median",
    "mode",
)


@dataclass
class _Moments:
    """Everything the operations need, updated value by value (Welford's recurrence for `sse`)."""

    values: list[float] = field(default_factory=list)
    count: int = 0
    mean: float = 0.0
    sse: float = 0.0
    product: float = 1.0
    total: float = 0.0

    def add(self, value: float) -> None:
        self.values.append(value)
        self.count += 1
        delta = value - self.mean
        self.mean += delta / self.count
        self.sse += delta * (value - self.mean)
        self.product *= value
        self.total += value


def _median(moments: _Moments) -> float:
    ordered = sorted(moments.values)
    return (ordered[(moments.count - 1) // 2] + ordered[moments.count // 2]) / 2.0


def _mode(moments: _Moments) -> float:
    frequencies: dict[float, int] = {}
    for value in moments.values:
        frequencies[value] = frequencies.get(value, 0) + 1
    return max(frequencies, key=lambda value: frequencies[value])


def _variance(moments: _Moments) -> float | None:
    return None if moments.count < 2 else moments.sse / (moments.count - 1)


def _stdev(moments: _Moments) -> float | None:
    variance = _variance(moments)
    return None if variance is None else math.sqrt(variance)


_COMPUTE: dict[str, Callable[[_Moments], float | None]] = {
    "count": lambda moments: moments.count,
    "min": lambda moments: min(moments.values),
    "max": lambda moments: max(moments.values),
    "sum": lambda moments: moments.total,
    "product": lambda moments: moments.product,
    "mean": lambda moments: moments.mean,
    "sse": lambda moments: moments.sse,
    "variance": _variance,
    "stdev": _stdev,
    "first": lambda moments: moments.values[0],
    "median": _median,
    "mode": _mode,
}


def summarize(
    values: Sequence[float], operations: Sequence[str], store: Mapping[str, Any]
) -> tuple[dict[str, float | None], dict[str, Any]]:
    """Compute `operations` over the stored values followed by `values`.

    Returns
    -------
    data, store : dict
        Results by operation (None where too few values exist) and ``{"values": [...]}``.
    """
    moments = _Moments()
    for value in [*store.get("values", []), *values]:
        moments.add(value)
    data: dict[str, float | None] = {}
    for operation in operations:
        empty = moments.count == 0 and operation != "count"
        data[operation] = None if empty else _COMPUTE[operation](moments)
    return data, {"values": moments.values}
