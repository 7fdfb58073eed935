"""How does training on a processor not spend a quarter of its time asking for memory?

glibc gives every large block back to the system when it is freed, and the system clears it before
it hands it out again. A training step frees and asks for the same hundreds of megabytes each time.
Told to keep them, networks train 1.3 times as fast on two cores
(`benchmarks/memory_reuse.py`).
"""

from __future__ import annotations

import ctypes
import platform
from typing import Final

# Numbers of glibc's malloc.h; mallopt(3).
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
# Blocks up to this size are taken from memory that is kept, and so much of it is kept.
KEPT_BLOCK: Final = 1 << 30
KEPT_AT_MOST: Final = (1 << 31) - 1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees; return whether the C library took the advice.

    The peak stays what it was. Only glibc is asked: others keep memory by themselves, or not.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    taken = [
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK),
        library.mallopt(M_TRIM_THRESHOLD, KEPT_AT_MOST),
    ]
    return all(taken)
