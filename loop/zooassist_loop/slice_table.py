"""What is known of each slice? Its features, and where people labelled it, how wrong it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_training.evaluation.masks.overlap import Counts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SliceTable:
    """Slices of one or more volumes, in order.

    Attributes
    ----------
    volumes : array of str, shape (slices,)
    places : array of int, shape (slices,)
        Place of the slice in its volume, from 0.
    features : mapping
        Name -> array of shape (slices,); see `slice_features`.
    counts : array of int, shape (slices, 4), or None
        Pixels that are predicted and true, predicted only, true only, neither. None where there is
        no truth.
    costs : array of shape (slices, 3), or None
        Pixels of contour, see `effort_simulation.SliceCost`; beside `counts`.
    """

    volumes: NDArray[np.str_]
    places: Ints
    features: Mapping[str, Floats]
    counts: Ints | None = None
    costs: Floats | None = None

    def __post_init__(self) -> None:
        count = len(self.volumes)
        shapes = [len(self.places), *(len(each) for each in self.features.values())]
        shapes += [len(each) for each in (self.counts, self.costs) if each is not None]
        if any(length != count for length in shapes):
            raise BadInput(f"slices: expected {count} of everything, got {shapes}")
        for name, values in self.features.items():
            if not np.isfinite(values).all():
                at = int(np.flatnonzero(~np.isfinite(values))[0])
                raise BadInput(
                    f"volume {self.volumes[at]}, slice {self.places[at]}: {name} is not finite"
                )

    def __len__(self) -> int:
        return len(self.volumes)

    @property
    def known(self) -> Ints:
        """The counts; only of slices with truth.

        Raises
        ------
        BadInput
            When there is no truth.
        """
        if self.counts is None:
            raise BadInput("slices: expected the truth of these slices, there is none")
        return self.counts

    @property
    def wrong(self) -> Ints:
        """Pixels that are predicted and not true, or the other way round, of each slice."""
        wrong: Ints = self.known[:, 1] + self.known[:, 2]
        return wrong

    def where(self, chosen: NDArray[np.bool_] | Ints) -> SliceTable:
        """Return some of the slices, in the order given."""
        return SliceTable(
            self.volumes[chosen],
            self.places[chosen],
            {name: values[chosen] for name, values in self.features.items()},
            None if self.counts is None else self.counts[chosen],
            None if self.costs is None else self.costs[chosen],
        )


def joined(tables: Sequence[SliceTable]) -> SliceTable:
    """Put tables of the same features one after the other.

    Raises
    ------
    BadInput
        When there are none, or their features differ.
    """
    if not tables:
        raise BadInput("slices: expected at least one volume")
    names = list(tables[0].features)
    for table in tables:
        if list(table.features) != names:
            raise BadInput(
                f"volume {table.volumes[0]}: expected the features {', '.join(names)} as of the "
                f"others, got {', '.join(table.features)}"
            )
    counts = [table.counts for table in tables if table.counts is not None]
    costs = [table.costs for table in tables if table.costs is not None]
    if counts and len(counts) != len(tables):
        raise BadInput("slices: expected the truth of all volumes or of none")
    return SliceTable(
        np.concatenate([table.volumes for table in tables]),
        np.concatenate([table.places for table in tables]),
        {name: np.concatenate([table.features[name] for table in tables]) for name in names},
        np.concatenate(counts) if counts else None,
        np.concatenate(costs) if len(costs) == len(tables) else None,
    )


def count_row(counts: Counts) -> tuple[int, int, int, int]:
    """Return counts as a row of a table."""
    return counts.both, counts.predicted_only, counts.true_only, counts.neither
