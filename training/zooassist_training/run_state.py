"""May a training go on from what lies in its checkpoint folder, and is it perhaps done already?"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zooassist_plugin.errors import BadInput
from zooassist_training.datasets import LabelledImages
from zooassist_training.fit_options import FitOptions
from zooassist_training.networks import HeadedNetwork
from zooassist_training.objectives import Taught

BEST, LAST, DONE = "best.ckpt", "last.ckpt", "done.pt"
HISTORY, IDENTITY = "zooassist-history", "zooassist-identity"
# Options that may change between the parts of a run: they say where it runs, not what it computes.
FREE_TO_CHANGE = ("threads", "devices", "strategy")


def identity_of(
    network: HeadedNetwork,
    taught: Taught,
    training: LabelledImages,
    options: FitOptions,
) -> dict[str, str]:
    """Say what a run learns from and how, one short text per part, to compare it with another.

    Parameters
    ----------
    network : HeadedNetwork
        Before its first step: the weights it begins with say which model it goes on from.
    """
    said = {"label columns": ", ".join(taught.columns)}
    said |= network_identity(network, network.spec.to_json(), options)
    votes = hashlib.sha256(training.subject_ids.tobytes())
    for array in (training.labels, training.weights):
        votes.update(array.tobytes())
    said["images and votes"] = f"{len(training)} images, digest {votes.hexdigest()[:12]}"
    return said


def network_identity(
    network: nn.Module, spec: Mapping[str, Any], options: FitOptions
) -> dict[str, str]:
    """Say which network a run begins with and how it learns, as `identity_of` does."""
    said = {f"network: {name}": str(value) for name, value in spec.items()}
    fit = {name: x for name, x in asdict(options).items() if name not in FREE_TO_CHANGE}
    said |= {f"option {name}": str(value) for name, value in fit.items()}
    said["weights to begin with"] = f"digest {_digest_of(network)}"
    return said


def _digest_of(network: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def read_state(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running anything that it holds.

    Raises
    ------
    BadInput
        When the file is damaged, or holds more than numbers and texts.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError) as error:
        raise BadInput(
            f"{path}: expected a checkpoint of `zooassist train`, got a file that cannot be read "
            f"({' '.join(str(error).split())[:120]}); remove the folder to start again"
        ) from error
    if not isinstance(state, dict):
        raise BadInput(
            f"{path}: expected a checkpoint, got a {type(state).__name__}; remove the folder"
        )
    return state


def check_same_run(path: Path, state: Mapping[str, Any], identity: Mapping[str, str]) -> None:
    """Refuse to go on from the checkpoint of another run.

    Raises
    ------
    BadInput
        Names the first difference.
    """
    found = state.get(IDENTITY)
    if not isinstance(found, Mapping):
        raise BadInput(
            f"{path}: this checkpoint does not say which training it is of; choose another "
            "--checkpoints folder, or remove this one to start again"
        )
    for name in dict(identity) | dict(found):
        if identity.get(name) != found.get(name):
            raise BadInput(
                f"{path}: a checkpoint of another training; {name}: expected "
                f"{_short(identity.get(name))}, the checkpoint has {_short(found.get(name))}; "
                "choose another --checkpoints folder, or remove this one to start again"
            )


@dataclass(frozen=True)
class Done:
    """A finished fit as it is kept between the members of an ensemble and after a break."""

    weights: dict[str, torch.Tensor]
    history: tuple[dict[str, float], ...]

    def write(self, folder: Path, identity: Mapping[str, str]) -> None:
        """Write it into a checkpoint folder; it appears whole or not at all."""
        temporary = folder / f".{DONE}.{os.getpid()}"
        content = {"weights": self.weights, HISTORY: list(self.history), IDENTITY: dict(identity)}
        torch.save(content, temporary)
        temporary.replace(folder / DONE)

    @classmethod
    def read(cls, folder: Path, identity: Mapping[str, str]) -> Done | None:
        """Read what `write` wrote, None when the fit is not done yet.

        Raises
        ------
        BadInput
            When it is of another run.
        """
        path = folder / DONE
        if not path.is_file():
            return None
        state = read_state(path)
        check_same_run(path, state, identity)
        return cls(dict(state["weights"]), tuple(state[HISTORY]))


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else text[:77] + "…"
