"""How large is a frame in natural pixels, when volunteers or the user say so?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from zooassist_exporters.mask_patch import Size
from zooassist_plugin.errors import BadInput

# The bound keeps one absurd number in an export from filling the memory.
MOST_PIXELS: Final = 100_000_000


def agreed_size(reported: Iterable[tuple[int, int] | None]) -> tuple[Size | None, Counter[Size]]:
    """Return the size that most volunteers' browsers reported, and how often each was.

    Of sizes reported equally often the one that came first counts; None when nobody reported any.

    Parameters
    ----------
    reported : iterable of (width, height) or None
        One per volunteer.
    """
    counts = Counter(Size(*size) for size in reported if size is not None and min(size) >= 1)
    return (counts.most_common(1)[0][0] if counts else None), counts


def parse_size(text: str) -> Size:
    """Read ``640x480``.

    Raises
    ------
    BadInput
        When the text is no size, or one that is larger than any image.
    """
    width, mark, height = text.lower().partition("x")
    if not (mark and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise BadInput(f"--size: expected WIDTHxHEIGHT in pixels such as 640x480, got {text!r}")
    size = Size(int(width), int(height))
    if size.width * size.height > MOST_PIXELS:
        raise BadInput(f"--size: expected at most {MOST_PIXELS:,} pixels, got {size}")
    return size
