"""Which models do we hold, and what do they say of these images? Every door calls this object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zooassist_plugin.errors import BadInput, ZooassistError
from zooassist_plugin.label_match import LabelMatch
from zooassist_plugin.model_card import MAIN_OUTPUT, ModelCard, Preprocessing, VolumeScaling
from zooassist_plugin.proposals import Proposal
from zooassist_plugin.proposed_masks import masks_to_text
from zooassist_plugin.shapes import Ellipse
from zooassist_plugin.targets import Targets
from zooassist_plugin.workflow import Workflow
from zooassist_serving.calibration import calibrate
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
from zooassist_serving.outline import outline_ellipse
from zooassist_serving.predictions import Prediction
from zooassist_serving.preprocessing import MAX_PIXELS, Rgb, decode_image, prepare
from zooassist_serving.proposer import propose_answers
from zooassist_serving.runtime import OnnxRuntime, usable_cores
from zooassist_serving.trial import run_once
from zooassist_serving.value_summary import ValueSummary, sound_values, summarise_values
from zooassist_serving.vote_summary import VoteSummary, summarise

BATCH_SIZE = 32
SCALING = VolumeScaling()
NOT_FINITE = "the model's answer is not finite; report this image to its author"


@dataclass(frozen=True)
class Item:
    """One image to predict.

    Attributes
    ----------
    name : str
        As the user knows it: a path, an upload's name, a URL.
    data : bytes, or a function that fetches them
        A function may raise a `ZooassistError` or `OSError`: this item has failed then.
    """

    name: str
    data: bytes | Callable[[], bytes]
    subject_id: int | None = None
    frame: int = 0


@dataclass(frozen=True)
class Proposed:
    """A prediction with the proposal made of it.

    Attributes
    ----------
    sizes : tuple of ((int, int) or None)
        Width and height of each frame, as far as it was looked at.
    """

    prediction: Prediction
    proposal: Proposal | None
    sizes: tuple[tuple[int, int] | None, ...] = ()


@dataclass(frozen=True)
class _Look:
    """What is kept of a decoded image; the full-size pixels are let go at once."""

    item: Item
    prepared: Rgb | None = None
    size: tuple[int, int] | None = None
    outline: Ellipse | None = None
    error: str | None = None


@dataclass(frozen=True, eq=False)
class Answers:
    """What a graph answered for some items, before anything is made of it.

    Attributes
    ----------
    errors : tuple of (str or None)
        One per item: why it has no answer.
    raw : array of shape (answered, samples, columns) or (answered, samples, targets, 2)
        Calibrated concentrations, or means and deviations; of the items without an error, in their
        order, and sound.
    embeddings : array of shape (answered, features), or None
        When the graph has that output.
    """

    errors: tuple[str | None, ...]
    raw: NDArray[np.float32]
    embeddings: NDArray[np.float32] | None


class DataPlane:
    """The models of one process; safe to use from several threads.

    Parameters
    ----------
    folders : sequence of ModelFolder
        Verified; no two of one name.
    threads : int, optional
        For the graph and, apart from it, for decoding; all usable cores by default.
    """

    def __init__(
        self,
        folders: Sequence[ModelFolder],
        *,
        threads: int | None = None,
        device: str = "cpu",
        batch_size: int = BATCH_SIZE,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        if batch_size < 1:
            raise BadInput(f"batch size: expected 1 or more, got {batch_size}")
        self._cards: dict[str, ModelCard] = {}
        self._runtimes: dict[str, OnnxRuntime] = {}
        # One session per graph: two cards may share one.
        by_digest: dict[str, OnnxRuntime] = {}
        for folder in folders:
            card = folder.card
            if card.name in self._cards:
                raise BadInput(f"two models are named {card.name!r}; give one another name")
            if card.sha256 not in by_digest:
                by_digest[card.sha256] = OnnxRuntime(
                    folder.onnx_path, threads=threads, device=device, sha256=card.sha256
                )
            self._cards[card.name] = card
            self._runtimes[card.name] = by_digest[card.sha256]
        self._decoders = threads or usable_cores()
        self._batch_size, self._max_pixels = batch_size, max_pixels

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(self._cards)

    def live(self) -> bool:
        """Whether the process works at all."""
        return True

    def ready(self) -> bool:
        """Whether every model is loaded, so that the next request waits for none."""
        return all(runtime.is_loaded for runtime in self._runtimes.values())

    def warm_up(self) -> None:
        """Load every model and run it once: the first run of a session is slow."""
        for name, card in self._cards.items():
            run_once(card, self._runtimes[name])

    def metadata(self, name: str) -> ModelCard:
        """Return the card of a model.

        Raises
        ------
        BadInput
            When there is no such model.
        """
        if name not in self._cards:
            raise BadInput(f"model {name!r}: expected one of {', '.join(self._cards) or 'none'}")
        return self._cards[name]

    def predict(self, name: str, items: Iterable[Item]) -> Iterator[Prediction]:
        """Predict images in the order they come; a bad one becomes a row with an error.

        `items` is read one batch ahead and never held as a whole.
        """
        for look, prediction in self._predict(self.metadata(name), items, outline=False):
            del look
            yield prediction

    def answer(self, name: str, items: Sequence[Item]) -> Answers:
        """Decode items and run the graph on them, in the calling thread and in batches.

        For many images: a caller with several threads gives each its share of the items, and
        makes the graph's own `threads` one.
        """
        card = self.metadata(name)
        errors: list[str | None] = []
        parts: list[tuple[NDArray[np.float32], NDArray[np.float32] | None]] = []
        for start in range(0, len(items), self._batch_size):
            batch = items[start : start + self._batch_size]
            looks = [self._look(item, card.preprocessing, False) for item in batch]
            raw, embeddings, sound = self._run_graph(card, looks)
            good = iter(sound)
            errors += [look.error or (None if next(good) else NOT_FINITE) for look in looks]
            parts.append((raw[sound], None if embeddings is None else embeddings[sound]))
        filled = [part for part in parts if len(part[0])]
        if not filled:
            return Answers(tuple(errors), np.zeros((0, 1, 0), dtype=np.float32), None)
        embedded = [embeddings for _, embeddings in filled if embeddings is not None]
        return Answers(
            errors=tuple(errors),
            raw=np.concatenate([raw for raw, _ in filled]),
            embeddings=np.concatenate(embedded) if embedded else None,
        )

    def summarise(self, name: str, raw: NDArray[np.float32]) -> VoteSummary | ValueSummary:
        """Say what the `Answers.raw` of a model mean for its questions or targets."""
        said = self.metadata(name).answers
        return summarise_values(raw, said) if isinstance(said, Targets) else summarise(raw, said)

    def propose(
        self, name: str, items: Iterable[Item], workflow: Workflow, match: LabelMatch
    ) -> Iterator[Proposed]:
        """Predict subjects and make proposals of the predictions; every item needs a subject id.

        A model of kind `mask` looks at several frames of a subject, whose items follow each other
        and become one proposal; a subject of which a frame fails has none.
        """
        card = self.metadata(name)
        if card.kind == "mask":
            yield from self._propose_masks(card, items, workflow)
            return
        card.schema_of_votes  # noqa: B018 - refuses a model of another kind before any work
        for look, prediction in self._predict(card, items, outline=True):
            proposal = None
            if prediction.error is None:
                proposal = propose_answers(prediction, card, workflow, match, outline=look.outline)
            sizes = (*[None] * prediction.frame, look.size)
            yield Proposed(prediction, proposal, sizes)

    def draw(self, name: str, item: Item) -> MaskAnswer:
        """Draw the mask of one image with a model of kind `mask`.

        Raises
        ------
        BadInput
            When the image cannot be read, or the model is of another kind.
        """
        card = self.metadata(name)
        return mask_answer(self._runtimes[name], card, self._decode(item, card.preprocessing))

    def draw_volume(self, name: str, path: Path) -> Iterator[Slices]:
        """Draw the masks of a volume with a model of kind `volume`, some slices at a time.

        Raises
        ------
        BadInput
            When the volume cannot be read, or the model is of another kind.
        """
        card = self.metadata(name)
        runner = VolumeRunner(card, self._runtimes[name])
        yield from runner.run(scaled(read_volume(path), card.preprocessing.volume or SCALING))

    def _propose_masks(
        self, card: ModelCard, items: Iterable[Item], workflow: Workflow
    ) -> Iterator[Proposed]:
        """Outline the frames of each subject, one image at a time: masks are large."""
        classes = mask_classes(card)
        for (subject_id, name), subject in groupby(items, lambda i: (i.subject_id, i.name)):
            looked: list[int] = []
            frames: list[FrameMask] = []
            sizes: dict[int, tuple[int, int]] = {}
            error: str | None = None
            for item in subject:
                looked.append(item.frame)
                try:
                    image = self._decode(item, card.preprocessing)
                    found = mask_probabilities(self._runtimes[card.name], card, image)
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
        self, card: ModelCard, items: Iterable[Item], *, outline: bool
    ) -> Iterator[tuple[_Look, Prediction]]:
        card.answers  # noqa: B018 - refuses a model of another kind before any work
        todo = iter(items)
        first = list(islice(todo, 2))
        if len(first) < 2:
            # One image, as over HTTP: threads would cost more than they bring.
            looks = [self._look(item, card.preprocessing, outline) for item in first]
            yield from self._run(card, looks)
            return
        todo = chain(first, todo)
        with ThreadPoolExecutor(self._decoders, thread_name_prefix="decode") as pool:

            def submit() -> list[Future[_Look]]:
                batch = list(islice(todo, self._batch_size))
                return [pool.submit(self._look, i, card.preprocessing, outline) for i in batch]

            coming = submit()
            while coming:
                # The next batch is decoded while this one is in the graph.
                looks, coming = [future.result() for future in coming], submit()
                yield from self._run(card, looks)

    def _look(self, item: Item, spec: Preprocessing, outline: bool) -> _Look:
        try:
            image = self._decode(item, spec)
        except ZooassistError as error:
            return _Look(item, error=str(error))
        return _Look(
            item,
            prepared=prepare(image, spec),
            size=(image.shape[1], image.shape[0]),
            outline=outline_ellipse(image) if outline else None,
        )

    def _decode(self, item: Item, spec: Preprocessing) -> Rgb:
        try:
            data = item.data if isinstance(item.data, bytes) else item.data()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise BadInput(f"cannot be read: {reason}; check that it is there") from error
        return decode_image(data, self._max_pixels, spec.stretch)

    def _run_graph(
        self, card: ModelCard, looks: Sequence[_Look]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.bool_]]:
        """Return raw answers, embeddings and whether each is sound, of the decoded looks.

        The card's calibration is applied here, so that every door and every format shows it.
        """
        stack = [look.prepared for look in looks if look.prepared is not None]
        outputs = self._runtimes[card.name].run(np.stack(stack)) if stack else {}
        if card.targets:
            values = outputs.get(MAIN_OUTPUT[card.kind], np.zeros((0, 1, 1, 2), dtype=np.float32))
            return values, outputs.get("embedding"), sound_values(values)
        alphas = outputs.get("concentrations", np.zeros((0, 1, 1), dtype=np.float32))
        sound = np.isfinite(alphas).all((1, 2)) & (alphas > 0).all((1, 2))
        if card.calibration and sound.any():
            alphas = alphas.copy()
            alphas[sound] = calibrate(alphas[sound], card.schema_of_votes, card.calibration)
        return alphas, outputs.get("embedding"), sound

    def _run(self, card: ModelCard, looks: Sequence[_Look]) -> Iterator[tuple[_Look, Prediction]]:
        raw, embeddings, sound = self._run_graph(card, looks)
        summary = self.summarise(card.name, raw[sound]) if sound.any() else None
        place = np.cumsum(sound) - 1
        row = -1
        for look in looks:
            row += look.prepared is not None
            error = look.error
            if error is None and not sound[row]:
                error = NOT_FINITE
            named = partial(
                Prediction,
                model=card.name,
                model_version=card.version,
                image=None if look.item.subject_id is not None else look.item.name,
                subject_id=look.item.subject_id,
                frame=look.item.frame,
            )
            if error is not None or summary is None:
                yield look, named(error=error)
                continue
            i = int(place[row])
            prediction = named(
                **summary.of(i),
                lower90=summary.lower90[i],
                upper90=summary.upper90[i],
                uncertainty=float(summary.uncertainty[i]),
                embedding=None if embeddings is None else embeddings[row],
            )
            yield look, prediction
