"""Which split does a subject belong to? Decided by its id alone, so it never changes."""

from __future__ import annotations

import hashlib
from typing import Final, Literal, get_args

Split = Literal["train", "validation", "test"]
SPLITS: Final[tuple[Split, ...]] = get_args(Split)

# Upper ends of the unit interval: 70 % train, 10 % validation, 20 % test. Part of the training
# set's specification: changing one would move subjects between splits and leak test into train.
TRAIN_UP_TO: Final = 0.7
VALIDATION_UP_TO: Final = 0.8
SALT: Final = "zooassist-split-1"


def split_of(subject_id: int) -> Split:
    """Return the split of a subject, the same for ever and whatever else is in the set.

    The first 64 bits of ``sha256("zooassist-split-1:<id>")``, as a fraction of one, are compared
    with 0.7 and 0.8.

    Parameters
    ----------
    subject_id : int
        Panoptes' subject id, or any stable integer for images that never were subjects.
    """
    digest = hashlib.sha256(f"{SALT}:{int(subject_id)}".encode()).digest()
    fraction = int.from_bytes(digest[:8], "big") / 2**64
    if fraction < TRAIN_UP_TO:
        return "train"
    return "validation" if fraction < VALIDATION_UP_TO else "test"
