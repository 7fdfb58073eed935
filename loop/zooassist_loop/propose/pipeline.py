"""How do subjects become visible proposals? Choose, fetch, predict, keep, publish; resumable."""

from __future__ import annotations

import itertools
import tempfile
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from zooassist_loop.ledger import Entry, Ledger, entry_of
from zooassist_loop.propose.publishing import Published, publish
from zooassist_loop.propose.selection import Tally, read_selection, read_subject_set
from zooassist_plugin.caesar import Caesar
from zooassist_plugin.enable.run import Wanted, check, read_situation
from zooassist_plugin.enable.situation import Situation
from zooassist_plugin.enable.workflow_rules import TOOLS_OF_KIND, label_match
from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.extracts_csv import CsvHost
from zooassist_plugin.label_match import LabelMatch
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.panoptes import Panoptes
from zooassist_plugin.presenters import PRESENTERS, Unpresentable
from zooassist_plugin.progress import Show
from zooassist_plugin.records import Subject
from zooassist_serving.dataplane import DataPlane, Item, Proposed

FETCHERS = 8
LOOKAHEAD = 64  # files on their way or waiting for the model


@dataclass(frozen=True)
class Order:
    """What to propose.

    Attributes
    ----------
    wanted : Wanted
        Workflow, presenter and the names for questions.
    batch : int
        Subjects per transaction.
    limit : int or None
        Propose at most so many new subjects in this run.
    replace : bool
        Replace another version's proposal even where volunteers have answered to it.
    sample : int or None
        How many proposals to read back; None reads all.
    wait : float or None
        Seconds until they have to be visible.
    """

    wanted: Wanted
    subject_set_id: int
    batch: int = 64
    limit: int | None = None
    replace: bool = False
    sample: int | None = 20
    wait: float | None = None

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise BadInput(f"--batch: expected 1 or more, got {self.batch}")
        if self.limit is not None and self.limit < 0:
            raise BadInput(f"--limit: expected 0 or more, got {self.limit}")

    @property
    def card(self) -> ModelCard:
        """The model that proposes."""
        if self.wanted.card is None:
            raise BadInput("proposing needs a model; give --model")
        return self.wanted.card


@dataclass(frozen=True)
class Outcome:
    """What one run did.

    Attributes
    ----------
    proposed : int
        New proposals in the ledger.
    skipped : mapping
        Reason (see `selection.SKIPPED`) -> number of subjects.
    failed : tuple of ItemFailed
        Subjects without a proposal, and why; another run tries them again.
    notes : tuple of str
        What had to be changed to present a proposal, and what keeps it from volunteers.
    left : int
        How many subjects of the set this run's limit left out.
    """

    proposed: int
    skipped: dict[str, int]
    failed: tuple[ItemFailed, ...]
    published: Published
    notes: tuple[str, ...] = ()
    left: int = 0

    @property
    def seen(self) -> int:
        """How many subjects were looked at."""
        return self.proposed + len(self.failed) + sum(self.skipped.values())


@dataclass(frozen=True)
class Sides:
    """Whom a run talks to."""

    panoptes: Panoptes
    caesar: Caesar
    ledger: Ledger
    host: CsvHost


def check_proposes(card: ModelCard) -> None:
    """Refuse a model whose answers no proposal can be made of; asked before anybody is called.

    Raises
    ------
    BadInput
        For kinds that no drawing tool shows, such as `values`.
    """
    if not TOOLS_OF_KIND[card.kind]:
        raise BadInput(
            f"model {card.name}: expected a model whose answers volunteers can be shown as marks, "
            f"got kind {card.kind!r}, which proposes nothing; predict into a table with "
            "`zooassist predict`, or choose another model"
        )


def ready_situation(sides: Sides, wanted: Wanted) -> Situation:
    """Read the workflow and make sure that proposals can be shown.

    Raises
    ------
    ItemFailed
        When workflow and model do not fit, or pre-fill is not switched on.
    """
    situation = read_situation(sides.panoptes, sides.caesar, wanted)
    failed = [each for each in check(situation) if not each.passed]
    if failed:
        more = f" (and {len(failed) - 1} more, see `zooassist status`)" if failed[1:] else ""
        raise ItemFailed(
            f"workflow {wanted.workflow_id}",
            f"{failed[0].name}: {failed[0].detail}{more}",
            failed[0].remedy,
        )
    return situation


def choose(sides: Sides, order: Order, tally: Tally) -> Iterator[Subject]:
    """Yield the subjects that this run proposes."""
    selection = read_selection(
        sides.panoptes, sides.ledger, order.wanted.workflow_id, order.card.version, order.replace
    )
    chosen = tally.choose(sides.panoptes.subjects(order.subject_set_id), selection)
    return itertools.islice(chosen, order.limit)


def propose_subjects(
    sides: Sides,
    order: Order,
    plane: DataPlane,
    *,
    progress: Show = lambda stage, done, total: None,
    csv: Path | None = None,
) -> Outcome:
    """Propose the subjects of a set and make the proposals visible.

    Every batch is one transaction of the ledger, and publishing starts from the ledger alone:
    killed at any moment and run again, no subject is proposed twice and none is missed.

    Parameters
    ----------
    plane : DataPlane
        Holds the model of ``order.wanted.card``.
    csv : Path, optional
        Keep the bulk CSV here.

    Raises
    ------
    ItemFailed
        When the workflow cannot show this model's proposals.
    Refused
        When Panoptes or Caesar says no.
    """
    card = order.card
    situation = ready_situation(sides, order.wanted)
    chosen = read_subject_set(sides.panoptes, order.subject_set_id, situation.workflow)
    tally, run = Tally(), _Run(sides, order, plane, situation)
    for done in run.batches(choose(sides, order, tally)):
        progress("propose", done + sum(tally.skipped.values()), chosen.size)
    with tempfile.TemporaryDirectory(prefix="zooassist-") as folder:
        name = f"proposals-{order.wanted.workflow_id}-{card.version}.csv"
        published = publish(
            sides.caesar,
            sides.ledger,
            order.wanted.workflow_id,
            card.version,
            host=sides.host,
            csv=csv or Path(folder) / name,
            replaced=sides.ledger.shown(order.wanted.workflow_id, card.version),
            sample=order.sample,
            wait=order.wait,
            progress=lambda done, of: progress("read back", done, of),
        )
    notes = (*chosen.notes(order.wanted.workflow_id), *run.notes)
    outcome = Outcome(run.proposed, tally.skipped, tuple(run.failed), published, notes)
    left = 0 if order.limit is None else max(0, chosen.size - outcome.seen)
    return replace(outcome, left=left)


@dataclass
class _Run:
    """One pass over the subjects: files are fetched ahead while the model works."""

    sides: Sides
    order: Order
    plane: DataPlane
    situation: Situation
    proposed: int = 0
    failed: list[ItemFailed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _frames: dict[int, int] = field(default_factory=dict)
    _unfetched: dict[int, ItemFailed] = field(default_factory=dict)

    def batches(self, subjects: Iterator[Subject]) -> Iterator[int]:
        """Store batch after batch; yields how many subjects are settled."""
        match = label_match(self.situation) or LabelMatch((), ())
        done = 0
        with ThreadPoolExecutor(FETCHERS, thread_name_prefix="fetch") as pool:
            items = self._items(pool, subjects)
            made = self.plane.propose(self.order.card.name, items, self.situation.workflow, match)
            while batch := list(itertools.islice(made, self.order.batch)):
                self._settle(batch)
                done += len(batch)
                yield done

    def _items(self, pool: Executor, subjects: Iterator[Subject]) -> Iterator[Item]:
        """Yield what the model takes, with a window of files on their way."""
        window: deque[Item] = deque()
        for subject in subjects:
            self._frames[subject.subject_id] = max(1, len(subject.locations))
            for frame in self._looked_at(subject):
                file = pool.submit(self._fetch, subject, frame)
                name = f"subject {subject.subject_id}"
                window.append(Item(name, file.result, subject.subject_id, frame))
                if len(window) > LOOKAHEAD:
                    yield window.popleft()
        yield from window

    def _looked_at(self, subject: Subject) -> Sequence[int]:
        """Return the frames that the model sees: the first image, or all where it outlines."""
        images = [i for i, at in enumerate(subject.locations) if at.mime.startswith("image/")]
        return (images if self.order.card.kind == "mask" else images[:1]) or [0]

    def _fetch(self, subject: Subject, frame: int) -> bytes:
        name = f"subject {subject.subject_id}"
        try:
            if not subject.locations or not subject.locations[frame].mime.startswith("image/"):
                found = ", ".join(at.mime for at in subject.locations) or "no location"
                raise ItemFailed(
                    name,
                    f"expected an image, found {found}",
                    "upload it again with its file, or remove it from the set",
                )
            return self.sides.panoptes.download(subject.locations[frame].url)
        except ItemFailed as error:
            reason = error.reason if error.item == name else f"{error.item}: {error.reason}"
            failure = ItemFailed(name, reason, error.remedy)
            self._unfetched[subject.subject_id] = failure
            raise failure from error

    def _settle(self, batch: Sequence[Proposed]) -> None:
        """Keep a batch in one transaction."""
        entries: list[Entry] = []
        for made in batch:
            try:
                entries.append(self._entry(made))
            except ItemFailed as failure:
                entries.append(self._failure(made, failure))
                self.failed.append(failure)
        self.sides.ledger.add(entries)
        self.proposed += sum(entry.state == "predicted" for entry in entries)

    def _entry(self, made: Proposed) -> Entry:
        prediction, proposal = made.prediction, made.proposal
        subject_id = _subject_id(made)
        frames = self._frames.pop(subject_id)
        if proposal is None:
            unfetched = self._unfetched.pop(subject_id, None)
            raise unfetched or ItemFailed(
                prediction.item,
                str(prediction.error),
                "upload a whole image, or remove the subject",
            )
        present = PRESENTERS[self.order.wanted.presenter]
        try:
            presented = present(proposal, self.situation.workflow, frames=frames, sizes=made.sizes)
        except Unpresentable as error:
            raise ItemFailed(
                prediction.item,
                f"its proposal cannot be shown ({error})",
                "mend the workflow, or use another presenter or model",
            ) from error
        self.notes += [f"{prediction.item}: {note}" for note in presented.notes]
        return entry_of(proposal, presented.payload, self.situation.workflow.version)

    def _failure(self, made: Proposed, failure: ItemFailed) -> Entry:
        return Entry(
            proposal_id=f"failed-{uuid.uuid4()}",
            workflow_id=self.order.wanted.workflow_id,
            subject_id=_subject_id(made),
            model=self.order.card.name,
            model_version=self.order.card.version,
            created_at=datetime.now(UTC),
            state="failed",
            reason=str(failure),
            workflow_version=self.situation.workflow.version,
        )


def _subject_id(made: Proposed) -> int:
    if made.prediction.subject_id is None:
        raise ValueError("a prediction of a subject came back without its id")
    return made.prediction.subject_id
