"""How does a proposal say which pixels it means? The text of its `mask`: COCO run lengths."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from zooassist_plugin.errors import BadInput
from zooassist_plugin.run_lengths import (
    counts_to_mask,
    counts_to_string,
    mask_to_counts,
    string_to_counts,
)


class ProposedMask(BaseModel):
    """The pixels of one class, or of one object, on one frame.

    Attributes
    ----------
    size : (int, int)
        Height and width in pixels, as COCO orders them.
    counts : str
        COCO's compressed run lengths.
    label : str
        Name of the class; empty for a model of one class.
    frame : int
        Which of the subject's locations, from 0: the slice of a volume.
    score : float or None
        The model's confidence, 0 to 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    counts: str = Field(min_length=1)
    label: str = ""
    frame: int = Field(default=0, ge=0)
    score: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)

    def pixels(self) -> NDArray[np.bool_]:
        """Return the mask, shape (height, width).

        Raises
        ------
        BadInput
            When the counts are none of that size.
        """
        height, width = self.size
        return counts_to_mask(string_to_counts(self.counts), (width, height))


_MASKS: TypeAdapter[tuple[ProposedMask, ...]] = TypeAdapter(tuple[ProposedMask, ...])


def make_mask(
    pixels: NDArray[np.bool_], *, label: str = "", frame: int = 0, score: float | None = None
) -> ProposedMask:
    """Make the record of a mask of shape (height, width)."""
    height, width = pixels.shape
    counts = counts_to_string(mask_to_counts(pixels))
    return ProposedMask(size=(height, width), counts=counts, label=label, frame=frame, score=score)


def masks_to_text(masks: Iterable[ProposedMask]) -> str:
    """Write the text of a proposal's `mask`: a JSON list."""
    written: list[dict[str, Any]] = [each.model_dump(exclude_defaults=True) for each in masks]
    return json.dumps(written, separators=(",", ":"))


def text_to_masks(text: str) -> tuple[ProposedMask, ...]:
    """Read the text of a proposal's `mask`: a list, or one object as COCO has it.

    Raises
    ------
    BadInput
        When it is no JSON, or an entry is none.
    """
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(f"mask: expected JSON, got {text[:40]!r} ({error})") from error
    try:
        return _MASKS.validate_python(content if isinstance(content, list) else [content])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BadInput(f"mask {place}: {first['msg']}, got {str(first['input'])[:40]}") from error
