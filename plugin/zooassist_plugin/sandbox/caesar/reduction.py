"""What does each built-in reducer make of the extracts of one subject?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zooassist_plugin.sandbox.caesar.expressions import to_float
from zooassist_plugin.sandbox.caesar.extraction import count_key
from zooassist_plugin.sandbox.caesar.filters import group_extracts, select_extracts
from zooassist_plugin.sandbox.caesar.summary_statistics import summarize
from zooassist_plugin.sandbox.caesar.tables import Extract, Reducer, Reduction


class ReductionFailed(Exception):
    """These extracts cannot be reduced this way; nothing is written for their subject."""


@dataclass(frozen=True)
class Outcome:
    """Data and store of one reduction; also what a running reducer continues from."""

    data: Any = field(default_factory=dict)
    store: Any = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """One subgroup's new reduction; `extract_ids` are the extracts counted so far (running)."""

    subgroup: str
    data: Any
    store: Any
    extract_ids: tuple[int, ...]


Compute = Callable[[Sequence[Extract], Mapping[str, Any], Outcome], Outcome]
Ask = Callable[[Reducer, Sequence[Extract], Outcome], Outcome]


def is_blank(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Ruby's ``blank?``: null, false and what is empty; a number is never blank."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value is False or (isinstance(value, (dict, list)) and not value)


def _entries(extract: Extract) -> dict[str, Any]:
    """Return an extract's data as an object; an import may have stored a plain string."""
    if not isinstance(extract.data, dict):
        raise ReductionFailed(
            f"extract {extract.id} ({extract.extractor_key}, subject {extract.subject_id}): "
            f"expected an object as data, got {extract.data!r:.60}"
        )
    return extract.data


def _count(extracts: Sequence[Extract], _config: Mapping[str, Any], before: Outcome) -> Outcome:
    # Machine extracts have no classification; together they count as one.
    classifications = len({extract.classification_id for extract in extracts})
    return Outcome(
        {
            "classifications": before.data.get("classifications", 0) + classifications,
            "extracts": before.data.get("extracts", 0) + len(extracts),
        }
    )


def _stats(extracts: Sequence[Extract], _config: Mapping[str, Any], before: Outcome) -> Outcome:
    sums: dict[str, Any] = dict(before.data)
    for extract in extracts:
        for key, value in _entries(extract).items():
            if not isinstance(value, (int, float)):  # booleans are integers here as there
                raise ReductionFailed(
                    f"extract {extract.id}: stats adds numbers; {key} is {value!r:.60}"
                )
            sums[key] = sums.get(key, 0) + value
    return Outcome(sums)


def _consensus(extracts: Sequence[Extract], _config: Mapping[str, Any], before: Outcome) -> Outcome:
    votes: dict[str, int] = dict(before.store)
    for extract in extracts:
        answers = "+".join(sorted(_entries(extract)))
        votes[answers] = votes.get(answers, 0) + 1
    if not votes:
        return Outcome({"num_votes": 0}, votes)
    most = max(votes.values())
    # Of equals, the one met last wins, as in Caesar.
    winner = [answers for answers, number in votes.items() if number == most][-1]
    agreement = most / sum(votes.values())
    return Outcome({"most_likely": winner, "num_votes": most, "agreement": agreement}, votes)


def _unique_count(
    extracts: Sequence[Extract], config: Mapping[str, Any], before: Outcome
) -> Outcome:
    values = list(before.store) if isinstance(before.store, list) else []
    for extract in extracts:
        entries = _entries(extract)
        # An extract without the field counts as one more value, null, as in Caesar.
        value = entries.get(config["field"])
        if isinstance(value, list):
            value = "+".join(sorted(count_key(one) for one in value))
        if value not in values:
            values.append(value)
    return Outcome(len(values), values)


def _summary_stats(
    extracts: Sequence[Extract], config: Mapping[str, Any], before: Outcome
) -> Outcome:
    key, dot, name = config["summarize_field"].partition(".")
    values = []
    for extract in extracts:
        if dot and extract.extractor_key != key:
            continue
        value = _entries(extract).get(name if dot else key)
        if not is_blank(value):
            try:
                values.append(to_float(value))
            except (TypeError, ValueError):
                raise ReductionFailed(
                    f"extract {extract.id}: summary_stats needs numbers; "
                    f"{config['summarize_field']} is {value!r:.60}"
                ) from None
    return Outcome(*summarize(values, config["operations"], before.store))


def _first_extract(
    extracts: Sequence[Extract], _config: Mapping[str, Any], before: Outcome
) -> Outcome:
    # `before` is empty in default mode: there the first extract always wins again. In running
    # mode data that is there is never replaced.
    if not is_blank(before.data):
        return before
    return Outcome(extracts[0].data if extracts else {})


def _placeholder(
    _extracts: Sequence[Extract], _config: Mapping[str, Any], _before: Outcome
) -> Outcome:
    return Outcome(None, None)


REDUCERS: dict[str, Compute] = {
    "consensus": _consensus,
    "count": _count,
    "first_extract": _first_extract,
    "placeholder": _placeholder,
    "stats": _stats,
    "summary_stats": _summary_stats,
    "unique_count": _unique_count,
}


def split_answer(answer: Mapping[str, Any] | None) -> Outcome:
    """Read an external reducer's answer.

    Exactly the keys ``data`` and ``store`` are taken apart; otherwise the whole object is the
    data, less a ``_store``. ``{"data": [...], "store": {}}`` therefore leaves a bare list.
    """
    if answer is None:
        return Outcome(None)
    if set(answer) == {"data", "store"}:
        return Outcome(answer["data"], answer["store"])
    data = {key: value for key, value in answer.items() if key != "_store"}
    return Outcome(data, answer.get("_store", {}))


def reduce_extracts(
    reducer: Reducer,
    extracts: Sequence[Extract],
    stored: Mapping[str, Reduction],
    training: Mapping[int, bool],
    ask: Ask,
) -> list[Result]:
    """Run one reducer over everything known about one subject (or volunteer).

    Parameters
    ----------
    stored : mapping
        This reducer's present reductions by subgroup.
    training : mapping
        Subject id -> whether it is a training subject.
    ask : callable
        Calls an external reducer.

    Returns
    -------
    list of Result
        Blank results are left out: what is stored then stays as it is.
    """
    running = reducer.reduction_mode == "running_reduction"
    results = []
    for subgroup, grouped in group_extracts(extracts, reducer.grouping).items():
        known = stored.get(subgroup) if running else None
        counted = known.extract_ids if known is not None else []
        before = Outcome() if known is None else Outcome(known.data or {}, known.store or {})
        new = [extract for extract in grouped if extract.id not in counted]
        selected = select_extracts(new, reducer.filters, training)
        outcome = (
            ask(reducer, selected, before)
            if reducer.type == "external"
            else REDUCERS[reducer.type](selected, reducer.config, before)
        )
        if not is_blank(outcome.data):
            ids = (*counted, *(extract.id for extract in selected)) if running else ()
            results.append(Result(subgroup, outcome.data, outcome.store, tuple(ids)))
    return results
