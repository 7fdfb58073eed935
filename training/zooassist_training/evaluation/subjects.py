"""Which subjects of a training set is a model measured on, and did it learn from them?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pyarrow as pa

from zooassist_exporters.splits import SPLITS, Split
from zooassist_exporters.training_set import TrainingSet
from zooassist_plugin.errors import BadInput
from zooassist_serving.model_folder import ModelFolder
from zooassist_training.folder import RECIPE_FILE

SplitChoice = Literal["train", "validation", "test", "all"]
Learnt = Literal["yes", "perhaps", "no"]


def splits_of(choice: SplitChoice) -> tuple[Split, ...]:
    """Return the splits that a choice means."""
    return SPLITS if choice == "all" else (choice,)


def learnt_from(learnt: frozenset[str], splits: Iterable[str], same: bool) -> Learnt:
    """Say whether a model learnt from subjects that it is measured on.

    Parameters
    ----------
    learnt : frozenset of str
        Splits that it was trained on.
    same : bool
        Whether of this very set; of others, which may hold the same subjects, it may have.
    """
    if learnt.isdisjoint(splits):
        return "no"
    return "yes" if same else "perhaps"


def chosen_by(learnt: frozenset[str], splits: Iterable[str], same: bool) -> bool:
    """Say whether the split that chose a model is measured; parameters as in `learnt_from`."""
    return same and "validation" in splits and "validation" not in learnt


def chosen(data: TrainingSet, where: Mapping[str, str]) -> TrainingSet:
    """Keep the subjects whose metadata say so.

    Raises
    ------
    BadInput
        When no subject has such metadata; lists what they have.
    """
    if not where:
        return data
    metadata = [data.metadata(row) for row in range(len(data))]
    known = sorted({key for each in metadata for key in each})
    for key in where:
        if key not in known:
            raise BadInput(
                f"--where {key}={where[key]}: no subject has metadata {key!r}; "
                f"expected one of {', '.join(known) or 'none: the set has no metadata'}"
            )
    kept = [all(_text(each.get(key)) == value for key, value in where.items())
              for each in metadata]  # fmt: skip
    mask = pa.array(kept, type=pa.bool_())
    return replace(data, subjects=data.subjects.filter(mask), votes=data.votes.filter(mask))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def same_set(folder: ModelFolder, data: TrainingSet) -> bool:
    """Say whether the set is the one, or one of those, that the model was trained on."""
    return any(known.sha256 == data.sha256 for known in folder.card.learnt_from)


def splits_learnt_from(folder: ModelFolder) -> frozenset[str]:
    """Read from `recipe.json` what the model was trained on; `train` where it does not say."""
    path = folder.path / RECIPE_FILE
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
        return frozenset(map(str, recipe["recipe"]["train_on"]))
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset({"train"})


def check_rows(
    place: Path,
    data: TrainingSet,
    choice: SplitChoice,
    splits: tuple[Split, ...],
    also: tuple[Split, ...],
    where: Mapping[str, str],
) -> None:
    """Refuse splits without any subject.

    Parameters
    ----------
    place : Path
        Of the training set, for messages.
    splits, also : tuple of str
        To measure on, of which one must have a subject; and others that must each have one.
    where : mapping
        What `data` was chosen by.
    """
    sizes = {split: len(data.rows_of(split)) for split in SPLITS}
    rows = sum(sizes[split] for split in splits)
    if rows and all(sizes[split] for split in also):
        return
    found = ", ".join(f"{split} {size}" for split, size in sizes.items())
    named = " of ".join(f"{key}={value}" for key, value in where.items())
    empty = choice if not rows else also[0]
    raise BadInput(
        f"{place}: expected subjects{f' with {named}' if named else ''} in the "
        f"split {empty!r}, found none ({found}); choose another --split, or export more "
        "classifications"
    )
