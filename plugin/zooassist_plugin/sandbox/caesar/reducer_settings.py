"""Is this reducer configured so that it can run? Checked when it is saved, as Caesar does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zooassist_plugin.sandbox.caesar.answers import chosen
from zooassist_plugin.sandbox.caesar.summary_statistics import OPERATIONS
from zooassist_plugin.sandbox.caesar.urls import require_callable_url
from zooassist_plugin.sandbox.problems import ApiError
from zooassist_plugin.sandbox.strict_json import parse_json

TOPICS = ("reduce_by_subject", "reduce_by_user")
MODES = ("default_reduction", "running_reduction")
FILTER_WORDS = {
    "repeated_classifications": ("keep_first", "keep_last", "keep_all"),
    "empty_extracts": ("keep_all", "ignore_empty"),
    "training_behavior": ("ignore_training", "training_only", "experiment_only"),
}
# Types of the real Caesar that the sandbox refuses: both need a service it does not contain.
REFUSED = {
    "rectangle": "calls aggregation-caesar.zooniverse.org; run that service as an external reducer",
    "sqs": "writes to an Amazon queue; use an external reducer",
}


def _no_fields(_part: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _external(part: Mapping[str, Any]) -> dict[str, Any]:
    # Caesar saves an external reducer without address; running it then fails.
    url = part.get("url")
    return {"url": require_callable_url(url) if url else None}


def _unique_count(part: Mapping[str, Any]) -> dict[str, Any]:
    if not part.get("field"):
        raise ApiError(422, "field must name the extract's entry to count; it is missing")
    return {"field": str(part["field"])}


def _summary_stats(part: Mapping[str, Any]) -> dict[str, Any]:
    field = part.get("summarize_field")
    if not isinstance(field, str) or not field or field.endswith("."):
        raise ApiError(422, f"summarize_field must be `field` or `extractor.field`; got {field!r}")
    asked = part.get("operations")
    operations = [asked] if isinstance(asked, str) else asked
    if not isinstance(operations, list) or not operations:
        raise ApiError(422, "operations must name at least one operation")
    for operation in operations:
        chosen(operation, OPERATIONS, "operations")
    return {"summarize_field": field, "operations": list(dict.fromkeys(operations))}


SETTINGS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "consensus": _no_fields,
    "count": _no_fields,
    "external": _external,
    "first_extract": _no_fields,
    "placeholder": _no_fields,
    "stats": _no_fields,
    "summary_stats": _summary_stats,
    "unique_count": _unique_count,
}


def reducer_type(part: Mapping[str, Any]) -> str:
    """Return the type word of a new reducer; 422 for unknown and refused ones."""
    name = str(part.get("type", ""))
    if name in REFUSED:
        raise ApiError(422, f"The sandbox has no {name} reducer: it {REFUSED[name]}")
    if name not in SETTINGS:
        raise ApiError(422, f"Unknown type {name}")
    return name


def reducer_config(name: str, part: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked type-specific fields; they may also stand below ``config``."""
    for key in ("user_reducer_keys", "subject_reducer_keys"):
        if part.get(key):
            raise ApiError(422, f"The sandbox has no relevant reductions: leave out {key}")
    nested = part.get("config")
    return SETTINGS[name]({**(nested if isinstance(nested, dict) else {}), **part})


def _extractor_keys(value: object) -> list[str]:
    """Caesar accepts a list, one key, or a list in a string with quotes of either kind."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            try:
                value = parse_json(text.replace("'", '"'))
            except ValueError:
                return [text]
        else:
            return [text]
    if not isinstance(value, list):
        raise ApiError(422, f"filters.extractor_keys must be a list of keys; got {value!r}")
    return [str(key) for key in value]


def reducer_filters(value: object) -> dict[str, Any]:
    """Return the checked filters; blank entries count as left out."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ApiError(422, f"filters must be an object; got {value!r}")
    filters = {key: entry for key, entry in value.items() if entry not in (None, "", [], {})}
    for key, words in FILTER_WORDS.items():
        if key in filters:
            chosen(filters[key], words, f"filters.{key}")
    if "extractor_keys" in filters:
        filters["extractor_keys"] = _extractor_keys(filters["extractor_keys"])
    for key in ("from", "to"):
        if key in filters:
            try:
                filters[key] = int(filters[key])
            except (TypeError, ValueError):
                raise ApiError(
                    422, f"filters.{key} must be a whole number; got {filters[key]!r}"
                ) from None
    return filters


def reducer_grouping(value: object) -> dict[str, Any]:
    """Return the checked grouping ``{"field_name": "extractor.field", "if_missing": ...}``."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ApiError(422, f"grouping must be an object; got {value!r}")
    grouping = {key: entry for key, entry in value.items() if entry not in (None, "", [], {})}
    if not grouping:
        return {}
    name = grouping.get("field_name")
    if not isinstance(name, str) or name.count(".") != 1 or "" in name.split("."):
        raise ApiError(422, f"grouping.field_name must be `extractor.field`; got {name!r}")
    return grouping
