"""When does a rule's condition hold? Prefix JSON, compiled once and checked when it is saved.

``["gte", ["lookup", "T0_count.classifications", 0], ["const", 3]]``. Truth is Ruby's: only null
and false are untrue.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

Condition = Callable[["Bindings"], Any]


class InvalidCondition(ValueError):
    """The condition cannot be read; its rule is refused."""


class ConditionFailed(Exception):
    """The condition cannot be evaluated with these values, say a text compared with a number."""


class Bindings:
    """What a condition may look up: reductions by key, the subject, or one entry of `any`/`all`.

    Parameters
    ----------
    tables : mapping
        First part of a key -> object, e.g. ``{"T0_count": {"classifications": 3}, "subject": {}}``.
    entry : mapping
        Plain names, ``key`` and ``value`` inside `any` and `all`.
    """

    def __init__(self, tables: Mapping[str, Any], entry: Mapping[str, Any] | None = None) -> None:
        self._tables, self._entry = tables, entry or {}

    def get(self, name: str, default: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Return the value under ``<reducer key>.<data key>``, else `default`."""
        if name in self._entry:
            return self._entry[name]
        # Caesar splits at every dot and uses the first two parts.
        parts = name.split(".")
        table = self._tables.get(parts[0])
        if len(parts) == 1:
            return default if table is None else table
        return table.get(parts[1], default) if isinstance(table, dict) else default

    def table(self, name: str) -> Mapping[str, Any]:
        """Return all entries of one reduction."""
        found = self._tables.get(name)
        if not isinstance(found, dict):
            raise ConditionFailed(f"there is no reduction {name!r} with entries")
        return found


def truthy(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Tell whether Ruby would take `value` for true."""
    return value is not None and value is not False


def _divide(dividend: float, divisor: float) -> float:
    try:
        return float(dividend) / float(divisor)
    except ZeroDivisionError:  # Ruby's floats have infinities
        return math.nan if float(dividend) == 0 else math.copysign(math.inf, float(dividend))


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_CALCULATE: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": operator.mod,
}
_NUMBER = re.compile(r"\s*[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")


def to_float(value: Any) -> float:  # noqa: ANN401 - any JSON value
    """Convert as Ruby's ``to_f``: a text gives the number it starts with, null gives 0."""
    if isinstance(value, str):
        start = _NUMBER.match(value)
        return float(start[0]) if start else 0.0
    return 0.0 if value is None else float(value)


_TRANSFORM: dict[str, Callable[[Any], Any]] = {
    "int": lambda value: int(to_float(value)),
    "to_i": lambda value: int(to_float(value)),
    "float": to_float,
    "to_f": to_float,
    "upcase": lambda value: value.upper(),
    "downcase": lambda value: value.lower(),
}


def _evaluate(work: Callable[[], Any], told: Sequence[Any]) -> Any:  # noqa: ANN401
    try:
        return work()
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ConditionFailed(f"cannot evaluate {list(told)!r}: {error}") from error


def _many(parts: Sequence[Any], told: Sequence[Any]) -> list[Condition]:
    if not parts:
        raise InvalidCondition(f"{told[0]} needs at least one operand in {list(told)!r}")
    return [compile_condition(part) for part in parts]


def _one(told: Sequence[Any], place: int, size: int) -> Condition:
    if len(told) != size:
        raise InvalidCondition(f"{told[0]} takes {size - 1} arguments in {list(told)!r}")
    return compile_condition(told[place])


def _comparison(told: Sequence[Any]) -> Condition:
    compare, operands = _COMPARE[told[0]], _many(told[1:], told)

    def hold(bindings: Bindings) -> bool:
        values = [operand(bindings) for operand in operands]
        work = lambda: all(compare(a, b) for a, b in pairwise(values))  # noqa: E731
        return bool(_evaluate(work, told))

    return hold


def _calculation(told: Sequence[Any]) -> Condition:
    calculate, operands = _CALCULATE[told[0]], _many(told[1:], told)
    return lambda bindings: _evaluate(
        lambda: reduce(calculate, [operand(bindings) for operand in operands]), told
    )


def _transform(told: Sequence[Any]) -> Condition:
    transform, operand = _TRANSFORM[told[0]], _one(told, 1, 2)
    return lambda bindings: _evaluate(lambda: transform(operand(bindings)), told)


def _and(told: Sequence[Any]) -> Condition:
    operands = _many(told[1:], told)
    return lambda bindings: all(truthy(operand(bindings)) for operand in operands)


def _or(told: Sequence[Any]) -> Condition:
    operands = _many(told[1:], told)
    return lambda bindings: any(truthy(operand(bindings)) for operand in operands)


def _not(told: Sequence[Any]) -> Condition:
    operand = _one(told, 1, 2)
    return lambda bindings: not truthy(operand(bindings))


def _quantifier(told: Sequence[Any]) -> Condition:
    """``["any", "T0_votes", ["gt", ["lookup", "value", 0], ["const", 3]]]``."""
    quantify = any if told[0] == "any" else all
    operand = _one(told, 2, 3)
    name = str(told[1])
    return lambda bindings: quantify(
        truthy(operand(Bindings({}, {"key": key, "value": value})))
        for key, value in bindings.table(name).items()
    )


def _const(told: Sequence[Any]) -> Condition:
    if len(told) != 2:
        raise InvalidCondition(f"const takes 1 argument in {list(told)!r}")
    return lambda _bindings: told[1]


def _lookup(told: Sequence[Any]) -> Condition:
    if len(told) != 3 or not isinstance(told[1], str):
        raise InvalidCondition(f"lookup takes a key and a default in {list(told)!r}")
    return lambda bindings: bindings.get(told[1], told[2])


_BUILDERS: dict[str, Callable[[Sequence[Any]], Condition]] = {
    **dict.fromkeys(_COMPARE, _comparison),
    **dict.fromkeys(_CALCULATE, _calculation),
    **dict.fromkeys(_TRANSFORM, _transform),
    "all": _quantifier,
    "and": _and,
    "any": _quantifier,
    "const": _const,
    "lookup": _lookup,
    "not": _not,
    "or": _or,
}


def compile_condition(told: Any) -> Condition:  # noqa: ANN401 - any JSON value
    """Return a function of `Bindings`.

    Raises
    ------
    InvalidCondition
        For an unknown operator or a wrong number of arguments; names the offending part.
    """
    if not isinstance(told, list) or not told or told[0] not in _BUILDERS:
        raise InvalidCondition(
            f"expected a list that starts with one of {', '.join(sorted(_BUILDERS))}; got {told!r}"
        )
    return _BUILDERS[told[0]](told)
