"""Which version answers this subject? A release, as the model that doors ask."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from numpy import float32
from numpy.typing import NDArray

from zooassist_plugin.errors import Refused, ZooassistError
from zooassist_plugin.label_match import LabelMatch
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.targets import Targets
from zooassist_plugin.workflow import Workflow
from zooassist_serving.batcher import NO_DEADLINE
from zooassist_serving.items import Answers, Item, Proposed
from zooassist_serving.mask_tiles import MaskAnswer
from zooassist_serving.masks.volume_runner import Slices
from zooassist_serving.model_folder import ModelFolder
from zooassist_serving.predictions import Prediction
from zooassist_serving.repository.pool import Key, ModelPool
from zooassist_serving.repository.release import Release
from zooassist_serving.repository.shadow import Case, Rerun, Shadows, batches, remembering
from zooassist_serving.runtime import OnnxRuntime
from zooassist_serving.served_model import BATCH_SIZE, ServedModel
from zooassist_serving.value_summary import ValueSummary, summarise_values
from zooassist_serving.vote_summary import VoteSummary, summarise

logger = logging.getLogger(__name__)


class ModelGone(Refused):
    """A served model cannot be used at the moment: its folder was damaged, or S3 is away."""


@dataclass(frozen=True)
class Backing:
    """What a released model works with; the same for all of a process."""

    pool: ModelPool
    shadows: Shadows


class ReleasedModel(ServedModel):
    """A model by its release: most subjects are answered by the active version, some by others.

    Made of one release and never changed: who holds it gets answers of that release to the end.

    Parameters
    ----------
    folder : ModelFolder
        Of the active version.
    """

    def __init__(self, folder: ModelFolder, release: Release, backing: Backing) -> None:
        # The versions are models of their own, in the pool; this one has no graph and no queue.
        self.folder, self.release = folder, release
        self._pool, self._shadows = backing.pool, backing.shadows

    @property
    def card(self) -> ModelCard:
        """Who the active version is."""
        return self.folder.card

    @property
    def runtime(self) -> OnnxRuntime:  # type: ignore[override]
        """What runs the active version; it is brought back to memory for that."""
        with self._active() as model:
            return model.runtime

    @property
    def waiting(self) -> int:
        """Images that wait for the graph of the active version."""
        model = self._in_memory()
        return 0 if model is None else model.waiting

    def check_room(self) -> None:
        """Refuse while the queue of the active version is full; see `ServedModel`."""
        model = self._in_memory()
        if model is not None:
            model.check_room()

    def warm_up(self) -> None:
        """Bring the active version to memory; what comes there is run once."""
        with self._active():
            pass

    def predict_one(self, item: Item, deadline: float = NO_DEADLINE) -> Prediction:
        """Predict one image with the version that its subject has; see `ServedModel`."""
        with self._using(self._version_of(item)) as model:
            if self.release.shadow is None:
                return model.predict_one(item, deadline)
            item = _kept(item)
            prediction = model.predict_one(item, deadline)
        self._offer(prediction, lambda other: other.predict([item]))
        return prediction

    def predict(self, items: Iterable[Item]) -> Iterator[Prediction]:
        """Predict images in the order they come, each with the version that its subject has."""
        if not self.release.shares:
            yield from self._predict_with(self.release.active, items)
            return
        for batch in batches(items, BATCH_SIZE):
            answers: dict[int, Prediction] = {}
            for version, places in self._places(item.subject_id for item in batch).items():
                found = self._predict_with(version, [batch[place] for place in places])
                answers.update(zip(places, found, strict=True))
            yield from (answers[place] for place in range(len(batch)))

    def answer(self, items: Sequence[Item]) -> Answers:
        """Run the graph of the active version on items; see `ServedModel.answer`."""
        with self._active() as model:
            return model.answer(items)

    def summarise(self, raw: NDArray[float32]) -> VoteSummary | ValueSummary:
        """Say what `Answers.raw` means for the model's questions or targets."""
        said = self.card.answers
        return summarise_values(raw, said) if isinstance(said, Targets) else summarise(raw, said)

    def propose(
        self, items: Iterable[Item], workflow: Workflow, match: LabelMatch
    ) -> Iterator[Proposed]:
        """Make proposals, each subject's with the version that it has; see `ServedModel`."""
        if not self.release.shares:
            yield from self._propose_with(self.release.active, items, workflow, match)
            return
        subjects = (list(frames) for _, frames in groupby(items, _subject))
        for batch in batches(subjects, BATCH_SIZE):
            answers: dict[int, list[Proposed]] = {}
            for version, places in self._places(frames[0].subject_id for frames in batch).items():
                chosen = [item for place in places for item in batch[place]]
                found = self._propose_with(version, chosen, workflow, match)
                for place in places:
                    # A mask of all frames is one proposal, an answer is one per frame.
                    many = 1 if self.card.kind == "mask" else len(batch[place])
                    answers[place] = [next(found) for _ in range(many)]
                found.close()
            for place in range(len(batch)):
                yield from answers[place]

    def draw(self, item: Item) -> MaskAnswer:
        """Draw the mask of one image with the version that its subject has."""
        with self._using(self._version_of(item)) as model:
            return model.draw(item)

    def draw_volume(self, path: Path) -> Iterator[Slices]:
        """Draw the masks of a volume with the active version, some slices at a time."""
        with self._active() as model:
            yield from model.draw_volume(path)

    def _predict_with(self, version: str, items: Iterable[Item]) -> Iterator[Prediction]:
        with self._using(version) as model:
            if self.release.shadow is None:
                yield from model.predict(items)
                return
            sent: deque[Item] = deque()
            for prediction in model.predict(_noting(items, sent)):
                self._offer(prediction, _predicting(sent.popleft()))
                yield prediction

    def _propose_with(
        self, version: str, items: Iterable[Item], workflow: Workflow, match: LabelMatch
    ) -> Generator[Proposed]:
        with self._using(version) as model:
            if self.release.shadow is None:
                yield from model.propose(items, workflow, match)
                return
            sent: deque[Item] = deque()
            for proposed in model.propose(_noting(items, sent), workflow, match):
                many = 1 if self.card.kind != "mask" else _frames_of_first(sent)
                frames = [sent.popleft() for _ in range(many)]

                def again(
                    other: ServedModel, frames: Sequence[Item] = frames
                ) -> Iterator[Prediction]:
                    for each in other.propose(frames, workflow, match):
                        yield each.prediction

                self._offer(proposed.prediction, again)
                yield proposed

    def _offer(self, answered: Prediction, rerun: Rerun) -> None:
        if self.release.shadow is not None:
            key = Key(self.card.name, self.release.shadow, is_shadow=True)
            self._shadows.offer(Case(key, self.card, answered, rerun))

    def _version_of(self, item: Item) -> str:
        return self.release.version_for(self.card.name, item.subject_id)

    def _places(self, subject_ids: Iterable[int | None]) -> Mapping[str, list[int]]:
        """Return which places of a batch each version answers."""
        places: dict[str, list[int]] = {}
        for place, subject_id in enumerate(subject_ids):
            version = self.release.version_for(self.card.name, subject_id)
            places.setdefault(version, []).append(place)
        return places

    def _in_memory(self) -> ServedModel | None:
        return self._pool.peek(Key(self.card.name, self.release.active))

    @contextmanager
    def _active(self) -> Iterator[ServedModel]:
        with self._using(self.release.active) as model:
            yield model

    @contextmanager
    def _using(self, version: str) -> Iterator[ServedModel]:
        name = self.card.name
        with ExitStack() as stack:
            try:
                model = stack.enter_context(self._pool.lease(Key(name, version)))
            except ZooassistError as error:
                logger.error("model %s %s cannot be loaded: %s", name, version, error)
                raise ModelGone(
                    f"model {name} {version} cannot be used at the moment; its operator finds the "
                    "reason in the server's log"
                ) from error
            yield model


def _subject(item: Item) -> tuple[int | None, str]:
    return item.subject_id, item.name


def _kept(item: Item) -> Item:
    return replace(item, data=remembering(item.data))


def _predicting(item: Item) -> Rerun:
    return lambda other: other.predict([item])


def _noting(items: Iterable[Item], sent: deque[Item]) -> Iterator[Item]:
    for item in items:
        kept = _kept(item)
        sent.append(kept)
        yield kept


def _frames_of_first(sent: deque[Item]) -> int:
    """Count the items of the subject that comes first."""
    first = _subject(sent[0])
    return next((n for n, item in enumerate(sent) if _subject(item) != first), len(sent))
