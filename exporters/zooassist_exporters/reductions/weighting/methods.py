"""How far can each volunteer be relied on? Three methods of crowd-kit in one table.

References: Dawid and Skene 1979 (doi:10.2307/2346806); MACE, Hovy et al. 2013 (N13-1132);
agreement is "Wawa", worker agreement with aggregate (appen.com). The only file that knows crowd-kit
and the pandas tables that it takes.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from zooassist_exporters.vote_records import Integers
from zooassist_plugin.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

# Each costs crowd-kit's MACE some seconds per question; the best of them by likelihood is taken.
RESTARTS: Final = 3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """What a method makes of the votes on one question.

    Attributes
    ----------
    weights : array, shape (workers,)
        0 for a volunteer whose votes say nothing, 1 for one who can be relied on.
    probabilities : array, shape (tasks, labels)
        The method's own consensus; rows sum to 1.
    iterations : int
        Rounds of estimation; 1 for a method that needs none.
    """

    weights: Floats
    probabilities: Floats
    iterations: int


def require(method: str) -> None:
    """Make sure that a method can be used, before anybody waits for it.

    Raises
    ------
    BadInput
        When there is no such method.
    ModuleNotFoundError
        When crowd-kit is not installed; the command line says what to install.
    """
    if method not in METHODS:
        raise BadInput(f"--weight: expected {', '.join(METHODS)}, got {method!r}")
    importlib.import_module("crowdkit.aggregation")


def judge(method: str, tasks: Integers, workers: Integers, labels: Integers, width: int) -> Judged:
    """Find out how far each volunteer can be relied on.

    Parameters
    ----------
    method : str
        A key of `METHODS`.
    tasks, workers, labels : arrays, one entry per vote
        Numbered from 0 without gaps, but for labels that nobody chose.
    width : int
        Labels there are.
    """
    import pandas as pd

    # crowd-kit 1.4.2's MACE mixes up names in order of appearance with names in sorted order, so
    # names are numbered by appearance: both orders are one.
    tasks_by, task_names = pd.factorize(tasks)
    workers_by, worker_names = pd.factorize(workers)
    labels_by, label_names = pd.factorize(labels)
    votes = pd.DataFrame({"task": tasks_by, "worker": workers_by, "label": labels_by})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what crowd-kit should do about pandas' next version
        found, table, iterations = METHODS[method](votes)
    weights = np.empty(len(worker_names))
    weights[worker_names] = found
    probabilities = np.zeros((len(task_names), width))
    ordered = table.reindex(index=range(len(task_names)), columns=range(len(label_names)))
    probabilities[np.ix_(task_names, label_names)] = ordered.to_numpy()
    return Judged(weights, probabilities, iterations)


Found = tuple[Floats, "pd.DataFrame", int]


def _agreement(votes: pd.DataFrame) -> Found:
    """Weigh by the share of a volunteer's votes that agree with the majority."""
    from crowdkit.aggregation import MajorityVote, Wawa

    skills = Wawa().fit(votes).skills_
    assert skills is not None
    # Its own predict needs an older scikit-learn; this is what it would do.
    consensus = MajorityVote().fit(votes, skills=skills).probas_
    assert consensus is not None
    return skills.sort_index().to_numpy(dtype=float), consensus, 1


def _dawid_skene(votes: pd.DataFrame) -> Found:
    """Weigh by the chance-corrected mean of the confusion matrix's diagonal.

    Guessing gives 1 / labels on average whatever the guesses, which is weight 0; so is worse.
    """
    from crowdkit.aggregation import DawidSkene

    fitted = DawidSkene(n_iter=100).fit(votes)
    errors, consensus = fitted.errors_, fitted.probas_
    assert errors is not None
    assert consensus is not None
    kinds = consensus.shape[1]
    workers = errors.index.get_level_values("worker").to_numpy()
    given = errors.index.get_level_values("label").to_numpy()
    right = errors[range(kinds)].to_numpy()[np.arange(len(errors)), given]
    diagonal = np.bincount(workers, weights=right) / kinds
    chance = 1.0 / kinds
    weights = (diagonal - chance) / (1.0 - chance) if kinds > 1 else np.ones_like(diagonal)
    return np.clip(weights, 0.0, 1.0), consensus, len(fitted.loss_history_)


def _mace(votes: pd.DataFrame) -> Found:
    """Weigh by the probability that a volunteer answers what they see instead of spamming."""
    from crowdkit.aggregation import MACE

    fitted = MACE(n_restarts=RESTARTS, random_state=0).fit(votes)
    assert fitted.probas_ is not None
    spamming = fitted.spamming_
    return spamming[:, 1] / spamming.sum(axis=1), fitted.probas_, fitted.n_iter


METHODS: Final[dict[str, Callable[[pd.DataFrame], Found]]] = {
    "agreement": _agreement,
    "dawid-skene": _dawid_skene,
    "mace": _mace,
}
