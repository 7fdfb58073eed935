"""Which models do we hold, and what do they say of these images? Every door calls this object.

Which version of a model answers is one reference per name. `swap` replaces it between two requests:
who took the old one, by `at` or by starting to predict, keeps it until done.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_match import LabelMatch
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.workflow import Workflow
from zooassist_serving.batcher import Limits
from zooassist_serving.devices import Device
from zooassist_serving.items import Answers, Item, Proposed
from zooassist_serving.mask_tiles import MaskAnswer
from zooassist_serving.masks.volume_runner import Slices
from zooassist_serving.model_folder import ModelFolder
from zooassist_serving.observer import Nobody, Observer
from zooassist_serving.predictions import Prediction
from zooassist_serving.preprocessing import MAX_PIXELS
from zooassist_serving.runtime import OnnxRuntime, usable_cores
from zooassist_serving.served_model import BATCH_SIZE, ServedModel, Settings
from zooassist_serving.value_summary import ValueSummary
from zooassist_serving.vote_summary import VoteSummary

__all__ = ["BATCH_SIZE", "Answers", "DataPlane", "Item", "Proposed"]


class DataPlane:
    """The models of one process; safe to use from several threads.

    Parameters
    ----------
    folders : sequence of ModelFolder
        Verified; no two of one name.
    threads : int, optional
        For the graph and, apart from it, for decoding; all usable cores by default.
    batch_size : int
        Images of one run at most.
    limits : Limits, optional
        Of what waits before each graph; in place of `batch_size`.
    observer : Observer, optional
        Told what happens.
    """

    def __init__(
        self,
        folders: Sequence[ModelFolder],
        *,
        threads: int | None = None,
        device: str | Device = "cpu",
        batch_size: int = BATCH_SIZE,
        max_pixels: int = MAX_PIXELS,
        limits: Limits | None = None,
        observer: Observer | None = None,
    ) -> None:
        if batch_size < 1:
            raise BadInput(f"batch size: expected 1 or more, got {batch_size}")
        self._threads, self._device = threads, device
        self._settings = Settings(
            threads or usable_cores(), limits or Limits(batch=batch_size), max_pixels
        )
        self._observer: Observer = observer or Nobody()
        self._change = threading.Lock()
        # Never changed, only replaced: who reads it needs no lock.
        self._served: Mapping[str, ServedModel] = MappingProxyType({})
        for folder in folders:
            self.add(folder)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(self._served)

    def live(self) -> bool:
        """Whether the process works at all."""
        return True

    def ready(self) -> bool:
        """Whether every model is loaded, so that the next request waits for none."""
        return all(model.runtime.is_loaded for model in self._served.values())

    def warm_up(self) -> None:
        """Load every model and run it once: the first run of a session is slow."""
        for model in self._served.values():
            model.warm_up()

    def at(self, name: str) -> ServedModel:
        """Return the version of a model that is active now; it stays usable when another is.

        Raises
        ------
        BadInput
            When there is no such model.
        """
        served = self._served
        if name not in served:
            raise BadInput(f"model {name!r}: expected one of {', '.join(served) or 'none'}")
        return served[name]

    def metadata(self, name: str) -> ModelCard:
        """Return the card of a model.

        Raises
        ------
        BadInput
            When there is no such model.
        """
        return self.at(name).card

    def add(self, folder: ModelFolder) -> ServedModel:
        """Hold a further model; its graph is loaded by `warm_up` or the first request.

        Raises
        ------
        BadInput
            When there is one of that name.
        """
        with self._change:
            name = folder.card.name
            if name in self._served:
                raise BadInput(f"two models are named {name!r}; give one another name")
            made = self.prepare(folder)
            self._served = MappingProxyType({**self._served, name: made})
        return made

    def prepare(self, folder: ModelFolder) -> ServedModel:
        """Make a model that answers like an active one without being held: a shadow, a candidate.

        Two with one graph share its session.
        """
        card = folder.card
        shared = next(
            (m.runtime for m in self._served.values() if m.card.sha256 == card.sha256), None
        )
        runtime = shared or OnnxRuntime(
            folder.onnx_path,
            threads=self._threads,
            device=self._device,
            sha256=card.sha256,
            on_load=partial(self._observer.loaded, card.name, card.version),
        )
        return ServedModel(folder, runtime, self._settings, self._observer)

    def swap(self, name: str, folder: ModelFolder | ServedModel) -> ServedModel:
        """Make another version of a model the active one, without dropping a request.

        It is loaded and warmed up first, while the old one answers; when that fails, the old one
        stays.

        Parameters
        ----------
        folder : ModelFolder or ServedModel
            Verified, or from `prepare`.

        Returns
        -------
        ServedModel
            The version that was active: swap it back to roll back. Its session lives as long as
            somebody holds it.

        Raises
        ------
        BadInput
            When there is no model of that name, the folder is of another, or its graph does not
            run.
        """
        card = folder.card
        if card.name != name:
            raise BadInput(f"model {name!r}: expected a version of it, got a model {card.name!r}")
        self.at(name)
        made = folder if isinstance(folder, ServedModel) else self.prepare(folder)
        made.warm_up()
        with self._change:
            old = self.at(name)
            self._served = MappingProxyType({**self._served, name: made})
        return old

    def remove(self, name: str) -> ServedModel:
        """Hold a model no longer; requests that have it are answered to the end.

        Raises
        ------
        BadInput
            When there is no such model.
        """
        with self._change:
            old = self.at(name)
            left = {key: value for key, value in self._served.items() if key != name}
            self._served = MappingProxyType(left)
        return old

    def predict(self, name: str, items: Iterable[Item]) -> Iterator[Prediction]:
        """Predict images in the order they come, see `ServedModel.predict`."""
        yield from self.at(name).predict(items)

    def answer(self, name: str, items: Sequence[Item]) -> Answers:
        """Run the graph of a model on items, see `ServedModel.answer`."""
        return self.at(name).answer(items)

    def summarise(self, name: str, raw: NDArray[np.float32]) -> VoteSummary | ValueSummary:
        """Say what the `Answers.raw` of a model mean for its questions or targets."""
        return self.at(name).summarise(raw)

    def propose(
        self, name: str, items: Iterable[Item], workflow: Workflow, match: LabelMatch
    ) -> Iterator[Proposed]:
        """Predict subjects and make proposals, see `ServedModel.propose`."""
        yield from self.at(name).propose(items, workflow, match)

    def draw(self, name: str, item: Item) -> MaskAnswer:
        """Draw the mask of one image, see `ServedModel.draw`."""
        return self.at(name).draw(item)

    def draw_volume(self, name: str, path: Path) -> Iterator[Slices]:
        """Draw the masks of a volume, see `ServedModel.draw_volume`."""
        yield from self.at(name).draw_volume(path)
