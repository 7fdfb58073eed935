"""What does one version of a model say of these images? From their bytes to proposals."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput, ZooassistError
from zooassist_plugin.label_match import LabelMatch
from zooassist_plugin.model_card import MAIN_OUTPUT, ModelCard, VolumeScaling
from zooassist_plugin.proposed_masks import masks_to_text
from zooassist_plugin.shapes import Ellipse
from zooassist_plugin.targets import Targets
from zooassist_plugin.workflow import Workflow
from zooassist_serving.batcher import NO_DEADLINE, Batcher, Limits
from zooassist_serving.calibration import calibrate
from zooassist_serving.items import Answers, Item, Proposed
from zooassist_serving.mask_proposer import FrameMask, propose_mask, read_probabilities
from zooassist_serving.mask_tiles import (
    MaskAnswer,
    mask_answer,
    mask_classes,
    mask_probabilities,
)
from zooassist_serving.masks.volume_files import read_volume, scaled
from zooassist_serving.masks.volume_runner import Slices, VolumeRunner
from zooassist_serving.model_folder import ModelFolder
from zooassist_serving.observer import Nobody, Observer
from zooassist_serving.outline import outline_ellipse
from zooassist_serving.predictions import Prediction
from zooassist_serving.preprocessing import MAX_PIXELS, Rgb, decode_image, prepare
from zooassist_serving.proposer import propose_answers
from zooassist_serving.runtime import OnnxRuntime
from zooassist_serving.trial import run_once
from zooassist_serving.value_summary import ValueSummary, sound_values, summarise_values
from zooassist_serving.vote_summary import VoteSummariser, VoteSummary

BATCH_SIZE = 32
SCALING = VolumeScaling()
NOT_FINITE = "the model's answer is not finite; report this image to its author"


@dataclass(frozen=True)
class Settings:
    """How a data plane treats its models.

    Attributes
    ----------
    decoders : int
        Threads that decode the images of one call with several.
    limits : Limits
        Of the queue before each graph; its `batch` is the largest one of calls with several, too.
    """

    decoders: int
    limits: Limits = field(default_factory=lambda: Limits(batch=BATCH_SIZE))
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True)
class _Look:
    """What is kept of a decoded image; the full-size pixels are let go at once."""

    item: Item
    prepared: Rgb | None = None
    size: tuple[int, int] | None = None
    outline: Ellipse | None = None
    error: str | None = None


@dataclass(frozen=True, eq=False)
class _Raw:
    """A graph's answers for a batch: raw, embeddings, and which are sound."""

    values: NDArray[np.float32]
    embeddings: NDArray[np.float32] | None
    sound: NDArray[np.bool_]


class ServedModel:
    """One version of a model, with the graph that runs it; safe to use from several threads.

    A caller that holds it keeps this version to the end, whatever is activated meanwhile.
    """

    def __init__(
        self,
        folder: ModelFolder,
        runtime: OnnxRuntime,
        settings: Settings,
        observer: Observer | None = None,
    ) -> None:
        self.folder, self.runtime = folder, runtime
        self._settings = settings
        self._observer: Observer = observer or Nobody()
        schema = folder.card.label_schema
        self._summariser = None if schema is None else VoteSummariser(schema)
        self._is_calibrated = bool(folder.card.calibration)
        self._batcher: Batcher[_Look, _Raw, Prediction] = Batcher(
            self._run_graph, self._predictions, settings.limits, self
        )

    @property
    def card(self) -> ModelCard:
        """Who the model is."""
        return self.folder.card

    @property
    def waiting(self) -> int:
        """Images that wait for the graph."""
        return self._batcher.waiting

    def batch(self, size: int) -> None:
        """Be told by the batcher how many images shared a run."""
        self._observer.batch(self.card.name, size, self._batcher.waiting)

    def check_room(self) -> None:
        """Refuse while the queue is full, before anything is read or decoded.

        Raises
        ------
        Overloaded
        """
        self._batcher.check_room()

    def warm_up(self) -> None:
        """Load the graph and run it once: the first run of a session is slow."""
        run_once(self.card, self.runtime)

    def predict_one(self, item: Item, deadline: float = NO_DEADLINE) -> Prediction:
        """Predict one image, in a run that it shares with those of other callers.

        Parameters
        ----------
        deadline : float
            Of `time.monotonic`; when its turn comes later it is not run.

        Raises
        ------
        Overloaded, TooLate
            See `Batcher.submit`.
        """
        self.card.answers  # noqa: B018 - refuses a model of another kind before any work
        self._batcher.check_room()
        look = self._look(item, False)
        if look.error is None:
            prediction = self._batcher.submit(look, deadline)
        else:
            prediction = self._named(look)(error=look.error)
        self._observer.predicted(self.card.name, prediction)
        return prediction

    def predict(self, items: Iterable[Item]) -> Iterator[Prediction]:
        """Predict images in the order they come; a bad one becomes a row with an error.

        `items` is read one batch ahead and never held as a whole.
        """
        for _, prediction in self._predict(items, outline=False):
            self._observer.predicted(self.card.name, prediction)
            yield prediction

    def answer(self, items: Sequence[Item]) -> Answers:
        """Decode items and run the graph on them, in the calling thread and in batches.

        For many images: a caller with several threads gives each its share of the items, and
        makes the graph's own `threads` one.
        """
        errors: list[str | None] = []
        parts: list[tuple[NDArray[np.float32], NDArray[np.float32] | None]] = []
        for start in range(0, len(items), self._settings.limits.batch):
            batch = items[start : start + self._settings.limits.batch]
            looks = [self._look(item, False) for item in batch]
            raw = self._run_graph([look for look in looks if look.error is None])
            good = iter(raw.sound)
            errors += [look.error or (None if next(good) else NOT_FINITE) for look in looks]
            kept = None if raw.embeddings is None else raw.embeddings[raw.sound]
            parts.append((raw.values[raw.sound], kept))
        filled = [part for part in parts if len(part[0])]
        if not filled:
            return Answers(tuple(errors), np.zeros((0, 1, 0), dtype=np.float32), None)
        embedded = [embeddings for _, embeddings in filled if embeddings is not None]
        return Answers(
            errors=tuple(errors),
            raw=np.concatenate([values for values, _ in filled]),
            embeddings=np.concatenate(embedded) if embedded else None,
        )

    def summarise(self, raw: NDArray[np.float32]) -> VoteSummary | ValueSummary:
        """Say what `Answers.raw` means for the model's questions or targets."""
        if self._summariser is not None:
            return self._summariser(raw)
        return summarise_values(raw, Targets(self.card.targets))

    def propose(
        self, items: Iterable[Item], workflow: Workflow, match: LabelMatch
    ) -> Iterator[Proposed]:
        """Predict subjects and make proposals of the predictions; every item needs a subject id.

        A model of kind `mask` looks at several frames of a subject, whose items follow each other
        and become one proposal; a subject of which a frame fails has none.
        """
        for proposed in self._propose(items, workflow, match):
            self._observer.predicted(self.card.name, proposed.prediction)
            self._observer.proposed(self.card.name, int(proposed.proposal is not None))
            yield proposed

    def draw(self, item: Item) -> MaskAnswer:
        """Draw the mask of one image with a model of kind `mask`.

        Raises
        ------
        BadInput
            When the image cannot be read, or the model is of another kind.
        """
        mask_classes(self.card)
        return mask_answer(self.runtime, self.card, self._decode(item))

    def draw_volume(self, path: Path) -> Iterator[Slices]:
        """Draw the masks of a volume with a model of kind `volume`, some slices at a time.

        Raises
        ------
        BadInput
            When the volume cannot be read, or the model is of another kind.
        """
        runner = VolumeRunner(self.card, self.runtime)
        yield from runner.run(scaled(read_volume(path), self.card.preprocessing.volume or SCALING))

    def _propose(
        self, items: Iterable[Item], workflow: Workflow, match: LabelMatch
    ) -> Iterator[Proposed]:
        if self.card.kind == "mask":
            yield from self._propose_masks(items, workflow)
            return
        self.card.schema_of_votes  # noqa: B018 - refuses another kind before any work
        for look, prediction in self._predict(items, outline=True):
            proposal = None
            if prediction.error is None:
                proposal = propose_answers(
                    prediction, self.card, workflow, match, outline=look.outline
                )
            yield Proposed(prediction, proposal, (*[None] * prediction.frame, look.size))

    def _propose_masks(self, items: Iterable[Item], workflow: Workflow) -> Iterator[Proposed]:
        """Outline the frames of each subject, one image at a time: masks are large."""
        card, classes = self.card, mask_classes(self.card)
        for (subject_id, name), subject in groupby(items, lambda i: (i.subject_id, i.name)):
            looked: list[int] = []
            frames: list[FrameMask] = []
            sizes: dict[int, tuple[int, int]] = {}
            error: str | None = None
            for item in subject:
                looked.append(item.frame)
                try:
                    image = self._decode(item)
                    found = mask_probabilities(self.runtime, card, image)
                    frames.append(read_probabilities(found, classes, item.frame))
                    sizes[item.frame] = (image.shape[1], image.shape[0])
                except ZooassistError as problem:
                    error = error or str(problem)
            prediction = Prediction(
                model=card.name,
                model_version=card.version,
                image=None if subject_id is not None else name,
                subject_id=subject_id,
                frame=looked[0],
                error=error,
                mask=None if error else masks_to_text(m for each in frames for m in each.masks),
                uncertainty=None if error else float(np.mean([f.uncertainty for f in frames])),
            )
            proposal = None if error else propose_mask(prediction, frames, workflow)
            in_order = tuple(sizes.get(frame) for frame in range(max(looked) + 1))
            yield Proposed(prediction, proposal, in_order)

    def _predict(
        self, items: Iterable[Item], *, outline: bool
    ) -> Iterator[tuple[_Look, Prediction]]:
        self.card.answers  # noqa: B018 - refuses a model of another kind before any work
        todo = iter(items)
        first = list(islice(todo, 2))
        if len(first) < 2:
            # One image: threads would cost more than they bring.
            yield from self._predict_looks([self._look(item, outline) for item in first])
            return
        todo = chain(first, todo)
        size = self._settings.limits.batch
        with ThreadPoolExecutor(self._settings.decoders, thread_name_prefix="decode") as pool:

            def submit() -> list[Future[_Look]]:
                return [pool.submit(self._look, item, outline) for item in islice(todo, size)]

            coming = submit()
            while coming:
                # The next batch is decoded while this one is in the graph.
                looks, coming = [future.result() for future in coming], submit()
                yield from self._predict_looks(looks)

    def _predict_looks(self, looks: Sequence[_Look]) -> Iterator[tuple[_Look, Prediction]]:
        good = [look for look in looks if look.error is None]
        found = iter(self._predictions(self._run_graph(good), good) if good else ())
        for look in looks:
            if look.error is not None:
                yield look, self._named(look)(error=look.error)
            else:
                yield look, next(found)

    def _look(self, item: Item, outline: bool) -> _Look:
        begun = time.perf_counter()
        try:
            image = self._decode(item)
        except ZooassistError as error:
            return _Look(item, error=str(error))
        look = _Look(
            item,
            prepared=prepare(image, self.card.preprocessing),
            size=(image.shape[1], image.shape[0]),
            outline=outline_ellipse(image) if outline else None,
        )
        self._observer.stage(self.card.name, "decode", time.perf_counter() - begun)
        return look

    def _decode(self, item: Item) -> Rgb:
        try:
            data = item.data if isinstance(item.data, bytes) else item.data()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise BadInput(f"cannot be read: {reason}; check that it is there") from error
        return decode_image(data, self._settings.max_pixels, self.card.preprocessing.stretch)

    def _run_graph(self, looks: Sequence[_Look]) -> _Raw:
        """Return raw answers of looks without an error.

        The card's calibration is applied here, so that every door and every format shows it.
        """
        card = self.card
        begun = time.perf_counter()
        stack = [look.prepared for look in looks if look.prepared is not None]
        if len(stack) == 1:
            outputs = self.runtime.run(stack[0][None])
        else:
            outputs = self.runtime.run(np.stack(stack)) if stack else {}
        self._observer.stage(card.name, "graph", time.perf_counter() - begun)
        if self._summariser is None:
            values = outputs.get(MAIN_OUTPUT[card.kind], np.zeros((0, 1, 1, 2), dtype=np.float32))
            return _Raw(values, outputs.get("embedding"), sound_values(values))
        alphas = outputs.get("concentrations", np.zeros((0, 1, 1), dtype=np.float32))
        # Comparing with infinity, too, finds what is not a number: nothing compares with that.
        sound = np.asarray(((alphas > 0) & (alphas < np.inf)).all((1, 2)))
        if self._is_calibrated and sound.any():
            alphas = alphas.copy()
            alphas[sound] = calibrate(alphas[sound], card.schema_of_votes, card.calibration)
        return _Raw(alphas, outputs.get("embedding"), sound)

    def _predictions(self, raw: _Raw, looks: Sequence[_Look]) -> list[Prediction]:
        """Make the prediction of each look of a run."""
        begun = time.perf_counter()
        sound = raw.sound.tolist()
        values = raw.values if all(sound) else raw.values[raw.sound]
        summary = self.summarise(values) if len(values) else None
        made: list[Prediction] = []
        place = 0
        for row, look in enumerate(looks):
            if summary is None or not sound[row]:
                made.append(self._named(look)(error=NOT_FINITE))
                continue
            made.append(
                self._named(look)(
                    **summary.of(place),
                    lower90=summary.lower90[place],
                    upper90=summary.upper90[place],
                    uncertainty=float(summary.uncertainty[place]),
                    embedding=None if raw.embeddings is None else raw.embeddings[row],
                )
            )
            place += 1
        self._observer.stage(self.card.name, "summarise", time.perf_counter() - begun)
        return made

    def _named(self, look: _Look) -> partial[Prediction]:
        item = look.item
        return partial(
            Prediction,
            model=self.card.name,
            model_version=self.card.version,
            image=None if item.subject_id is not None else item.name,
            subject_id=item.subject_id,
            frame=item.frame,
        )
