"""What does every output format of a catalogue do?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from zooassist_plugin.model_card import ModelCard
from zooassist_serving.catalogue.columns import CONCENTRATIONS


@dataclass(frozen=True)
class Options:
    """What a format is told.

    Attributes
    ----------
    embedding : int or None
        Number of features to keep per image.
    with_ids : bool
        Whether the images come with an `id_str`.
    featured_bound : float
        Vote fraction from which a galaxy counts as featured (KaDE).
    """

    embedding: int | None = None
    with_ids: bool = False
    featured_bound: float = 0.2


class Format(ABC):
    """One way to write a catalogue; made for one model.

    Attributes
    ----------
    suffixes : tuple of str
        What a file of this format may end with; the first is the usual one.
    summarised : bool
        Whether it writes the summary of a predictions file, of votes or values; else it is given
        the concentrations of votes alone.
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    summarised: ClassVar[bool] = False

    def __init__(self, card: ModelCard, options: Options) -> None:
        self.card, self.options = card, options
        # Refuses a model of another kind before any work.
        card.answers if self.summarised else card.schema_of_votes  # noqa: B018
        self.check()

    def check(self) -> None:  # noqa: B027 - most formats refuse nothing
        """Refuse a model, or a machine, that this format cannot be written with.

        Raises
        ------
        BadInput, MissingExtra
        """

    @abstractmethod
    def write(self, parts: Iterable[pa.RecordBatch], out: Path) -> list[str]:
        """Write the file, part by part; returns remarks for the user.

        Parameters
        ----------
        parts : iterable of RecordBatch
            Can be gone through more than once.
        """


def key_of(subject_id: int | None, id_str: str | None, name: str) -> str:
    """Name an object as Zooniverse's and Zoobot's files do: its own id, the subject's, the file."""
    if id_str is not None:
        return id_str
    return name if subject_id is None else str(subject_id)


def good_rows(part: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows that did not fail: formats of others have no word for the rest."""
    return part.filter(part.column("error").is_null())


def keys_of(part: pa.RecordBatch) -> list[str]:
    """Return the key of every row; see `key_of`."""
    columns = (part.column(each).to_pylist() for each in ("subject_id", "id_str", "name"))
    return [key_of(*each) for each in zip(*columns, strict=True)]


def concentrations_of(part: pa.RecordBatch, columns: int) -> NDArray[np.float32]:
    """Return the concentrations of a part without failed rows: (rows, samples, columns)."""
    flat = part.column(CONCENTRATIONS).flatten().to_numpy(zero_copy_only=False)
    values: NDArray[np.float32] = flat.reshape(part.num_rows, -1, columns)
    return values


def samples_in(parts: Iterable[pa.RecordBatch], columns: int) -> int:
    """Return how many samples the concentrations have; 1 when every image failed."""
    for part in map(good_rows, parts):
        if part.num_rows:
            width: int = part.column(CONCENTRATIONS).type.list_size
            return width // columns
    return 1
