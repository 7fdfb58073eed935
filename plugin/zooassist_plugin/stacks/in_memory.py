"""How is a volume that is in memory read like one in a file? So that there is one code for both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.stacks.stack import Plane, Stack


class _InMemory:
    def __init__(self, volume: NDArray[Any]) -> None:
        self._volume = volume

    def read(self, at: int) -> Plane:
        plane: Plane = self._volume[at]
        return plane

    def close(self) -> None:
        pass


def stack_of(volume: NDArray[Any], name: str) -> Stack:
    """Return an array (slices, height, width) as an open stack.

    Parameters
    ----------
    name : str
        For messages.

    Raises
    ------
    BadInput
        When there are not three axes.
    """
    if volume.ndim != 3:
        raise BadInput(f"{name}: expected slices, height and width, got {volume.ndim} axes")
    slices, height, width = volume.shape
    return Stack(Path(name), (slices, height, width), volume.dtype, _InMemory(volume))
