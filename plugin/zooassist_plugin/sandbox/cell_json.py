"""How is a value written into a cell of an export? As JSON, whatever the stored row holds.

Requests are parsed strictly, but an export must come to its end with rows of any other origin too.
"""

from __future__ import annotations

import json
import math
from typing import Any

# What Rails escapes: other programs take the raw characters for the ends of lines.
_LINE_ENDS = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029"})


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value


def cell_json(value: object) -> str:
    """Return compact JSON that UTF-8 can carry.

    NaN and infinities become null, half surrogates ``?``, and the line separators U+2028 and
    U+2029 are escaped.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:  # rare: most rows are written without a second look
        text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))
    return text.translate(_LINE_ENDS).encode(errors="replace").decode()
