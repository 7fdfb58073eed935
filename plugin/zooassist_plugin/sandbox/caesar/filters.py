"""Which extracts does a reducer see, and in which groups? Caesar's filters and grouping.

Extracts are first bundled by classification. All machine extracts lack one and are therefore one
bundle, as in Caesar. The filters run in this order: repeated classifications, range, training
subjects, extractor keys, empty extracts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zooassist_plugin.sandbox.caesar.extraction import count_key
from zooassist_plugin.sandbox.caesar.tables import DEFAULT_SUBGROUP, Extract

Bundle = list[Extract]


class MissingGroupingField(Exception):
    """A classification lacks the field to group by, and the grouping says that is an error."""


def _bundles(extracts: Sequence[Extract]) -> list[Bundle]:
    bundles: dict[int | None, Bundle] = {}
    for extract in sorted(extracts, key=lambda one: (one.classification_at, one.id)):
        bundles.setdefault(extract.classification_id, []).append(extract)
    return list(bundles.values())


def _first_per_user(bundles: list[Bundle]) -> list[Bundle]:
    """Keep one bundle per volunteer and subject; anonymous volunteers and machines keep all."""
    seen: set[tuple[int, int]] = set()
    kept = []
    for bundle in bundles:
        first = bundle[0]
        if first.user_id is not None:
            if (first.user_id, first.subject_id) in seen:
                continue
            seen.add((first.user_id, first.subject_id))
        kept.append(bundle)
    return kept


def _without_repeats(bundles: list[Bundle], word: str) -> list[Bundle]:
    if word == "keep_all":
        return bundles
    if word == "keep_last":
        return _first_per_user(bundles[::-1])[::-1]
    return _first_per_user(bundles)


def _in_range(bundles: list[Bundle], first: int, last: int) -> list[Bundle]:
    """Select bundles `first` to `last`, both included; negative numbers count from the end."""
    return bundles[first : None if last == -1 else last + 1]


def _trained(bundle: Bundle, word: str, training: Mapping[int, bool]) -> Bundle:
    if word == "ignore_training":
        return bundle
    wanted = word == "training_only"
    return [extract for extract in bundle if training.get(extract.subject_id, False) is wanted]


def select_extracts(
    extracts: Sequence[Extract], filters: Mapping[str, Any], training: Mapping[int, bool]
) -> list[Extract]:
    """Apply a reducer's filters.

    Parameters
    ----------
    extracts : sequence of Extract
        In any order.
    filters : mapping
        As checked by `reducer_settings.reducer_filters`.
    training : mapping
        Subject id -> whether it is a training subject.

    Returns
    -------
    list of Extract
        By time of classification.
    """
    bundles = _without_repeats(
        _bundles(extracts), filters.get("repeated_classifications", "keep_first")
    )
    bundles = _in_range(bundles, filters.get("from", 0), filters.get("to", -1))
    word = filters.get("training_behavior", "ignore_training")
    kept = [extract for bundle in bundles for extract in _trained(bundle, word, training)]
    keys = filters.get("extractor_keys")
    if keys:
        kept = [extract for extract in kept if extract.extractor_key in keys]
    if filters.get("empty_extracts") == "ignore_empty":
        kept = [extract for extract in kept if extract.data]
    return kept


def group_extracts(
    extracts: Sequence[Extract], grouping: Mapping[str, Any]
) -> dict[str, list[Extract]]:
    """Split extracts into subgroups by the value of one field, ``_default`` without grouping.

    Raises
    ------
    MissingGroupingField
        When a classification lacks the field and ``if_missing`` is ``error``.
    """
    if not grouping:
        return {DEFAULT_SUBGROUP: list(extracts)}
    extractor, field = grouping["field_name"].split(".")
    groups: dict[str, list[Extract]] = {}
    for bundle in _bundles(extracts):
        named = [one.data for one in bundle if one.extractor_key == extractor]
        if named and isinstance(named[-1], dict) and field in named[-1]:
            groups.setdefault(count_key(named[-1][field]), []).extend(bundle)
        elif grouping.get("if_missing") == "error":
            raise MissingGroupingField(f"Missing grouping field {grouping['field_name']!r}")
    return groups
