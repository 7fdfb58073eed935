"""How is an answer written so that Caesar keeps what is meant?

Of an external reducer's answer Caesar takes ``data`` and ``store`` apart when these are its only
keys, and otherwise a ``_store`` out. A payload for the classifier is ``{"data": [mark, …]}``:
beside a store it would be left as a bare list, which crashes every volunteer's page. So the payload
is always wrapped, and Caesar has nothing to guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from flask import Response


def reduction_reply(payload: Mapping[str, Any]) -> Response:
    """Answer a reducer's call: Caesar keeps `payload` as the reduction's data, and no store."""
    return _json({"data": dict(payload), "store": {}})


def extract_reply(data: Mapping[str, Any]) -> Response:
    """Answer an extractor's call: Caesar keeps `data` as it is; nothing is taken apart there."""
    return _json(dict(data))


def no_data() -> Response:
    """Answer that there is nothing to keep; Caesar leaves what it has, and does not ask again."""
    return Response(status=204)


def _json(content: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(content), content_type="application/json")
