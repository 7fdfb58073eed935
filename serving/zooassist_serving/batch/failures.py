"""Which failures are alike? The text of an error without what differs from image to image."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 160
# What differs: addresses and paths, quoted text, hexadecimal names, numbers.
ADDRESS: Final = re.compile(r"\b(?:s3|https?)://\S+|(?<!\w)/\S+/\S+")
QUOTED: Final = re.compile(r"b?'[^']*'|b?\"[^\"]*\"")
NUMBER: Final = re.compile(r"\d[\d,.]*")


def cause_of(error: str) -> str:
    """Return what many errors have in common.

    >>> cause_of("s3://b/a 1.png: expected at most 5 bytes, got 17; shrink it")
    '…: expected at most N bytes, got N'
    """
    text = " ".join(error.partition("; ")[0].split())
    # Where the item's name comes first, it may have spaces in it.
    if ADDRESS.match(text) and ": " in text:
        text = f"…: {text.partition(': ')[2]}"
    text = NUMBER.sub("N", QUOTED.sub("…", ADDRESS.sub("…", text)))
    return text[:LONGEST]
