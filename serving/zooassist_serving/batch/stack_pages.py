"""Which images does a TIFF stack hold for a model of single images? Its pages, one by one."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from PIL.TiffImagePlugin import TiffImageFile

from zooassist_plugin.errors import BadInput
from zooassist_serving.preprocessing import DECODER_ERRORS, MAX_PIXELS

MAX_PAGES: Final = 1_000_000


class StackPages:
    """The pages of a TIFF file; used as a context manager, from several threads.

    Parameters
    ----------
    said : str
        How messages name the file.

    Raises
    ------
    BadInput
        When it is no TIFF file, or damaged.
    """

    def __init__(self, path: Path, said: str, max_pixels: int = MAX_PIXELS) -> None:
        self._said, self._max_pixels = said, max_pixels
        self._lock = threading.Lock()
        try:
            self._image = TiffImageFile(path)
            self._pages = int(self._image.n_frames)
        except DECODER_ERRORS as error:
            raise self._damaged(error) from error
        if self._pages > MAX_PAGES:
            raise BadInput(f"{said}: expected at most {MAX_PAGES:,} pages, got {self._pages:,}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._image.close()

    def __len__(self) -> int:
        return self._pages

    def read(self, at: int) -> bytes:
        """Return one page as a TIFF file of its own.

        Raises
        ------
        BadInput
            When it is damaged, or too large.
        """
        target = io.BytesIO()
        try:
            with self._lock:
                self._image.seek(at)
                width, height = self._image.size
                if width * height > self._max_pixels:
                    raise BadInput(
                        f"expected at most {self._max_pixels:,} pixels, got {width} x {height}; "
                        "scale the image down"
                    )
                self._image.save(target, "TIFF", save_all=False)
        except BadInput:
            raise
        except DECODER_ERRORS as error:
            raise self._damaged(error) from error
        return target.getvalue()

    def _damaged(self, error: Exception) -> BadInput:
        words = " ".join(str(error).split())[:80] or type(error).__name__
        return BadInput(
            f"{self._said}: expected a whole TIFF file, got damaged data ({words}); fetch it again"
        )
