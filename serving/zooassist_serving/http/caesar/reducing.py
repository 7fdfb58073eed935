"""Which marks does the external reducer answer? The subject's proposal, made once.

A proposal must not change under a subject's volunteers: their marks are matched to what was on
their screens. So what Caesar shows of a subject already is answered again, whatever model is active
now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zooassist_plugin.errors import BadInput, ItemFailed
from zooassist_plugin.label_match import LabelMatch, match_labels
from zooassist_plugin.label_schema import schema_of
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.presenters import PRESENTERS, Unpresentable
from zooassist_plugin.presenters.choice import presenter_for
from zooassist_plugin.proposal_keeping import ProposalKeeper
from zooassist_plugin.records import Subject
from zooassist_plugin.workflow import Workflow
from zooassist_serving.http.caesar.calls import ReducerCall
from zooassist_serving.http.caesar.platform import Platform
from zooassist_serving.http.caesar.read_back import ReadBack, Watched
from zooassist_serving.items import Item, Proposed
from zooassist_serving.served_model import ServedModel

logger = logging.getLogger(__name__)

Fetch = Callable[[str], Callable[[], bytes]]


@dataclass(frozen=True)
class ProposingReducer:
    """Answers `/caesar/<secret>/reducers/<model>`.

    Parameters
    ----------
    fetch : callable
        URL -> function that fetches it; refuses hosts that are not allowed.
    keeper : ProposalKeeper
        Keeps every proposal for the matching of what volunteers send back.
    read_back : ReadBack
        Notes from when on volunteers see it.
    presenter : str, optional
        Of `PRESENTERS`; the one that suits the model by default.
    overrides : mapping
        Task key -> the model's question.
    """

    platform: Platform
    fetch: Fetch
    keeper: ProposalKeeper
    read_back: ReadBack
    presenter: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)

    def payload(self, model: ServedModel, call: ReducerCall) -> Mapping[str, Any] | None:
        """Return the reduction's data, None when this subject gets no proposal.

        Raises
        ------
        BadInput
            When Caesar does not have what the call is about.
        Refused
            When Panoptes or Caesar does not answer; Caesar asks again later.
        """
        shown = self.platform.shown(call.workflow_id, call.subject_id)
        if shown is not None:
            version = str(shown.get("model_version"))
            self.keeper.seen(call.workflow_id, call.subject_id, version)
            return shown
        self.platform.check_claim(call)
        subject = self.platform.subject(call.subject_id)
        workflow = self.platform.workflow(call.workflow_id)
        try:
            return self._made(model, subject, workflow)
        except (ItemFailed, Unpresentable) as error:
            # Asking again would not help, and three errors make Caesar stop asking for anybody.
            logger.warning("subject %s gets no proposal: %s", call.subject_id, error)
            return None

    def _made(
        self, model: ServedModel, subject: Subject, workflow: Workflow
    ) -> Mapping[str, Any] | None:
        proposed = _only(
            model.propose(
                self._items(model.card, subject),
                workflow,
                _match(model.card, workflow, self.overrides),
            )
        )
        proposal = proposed.proposal
        if proposal is None:
            name = f"subject {subject.subject_id}"
            raise ItemFailed(name, str(proposed.prediction.error), "upload a whole image")
        present = PRESENTERS[presenter_for(self.presenter, model.card)]
        frames = max(1, len(subject.locations))
        presented = present(proposal, workflow, frames=frames, sizes=proposed.sizes)
        self.keeper.keep(proposal, presented.payload, workflow.version)
        self.read_back.watch(
            Watched(
                proposal.workflow_id,
                proposal.subject_id,
                proposal.model_version,
                presented.payload,
            )
        )
        return presented.payload

    def _items(self, card: ModelCard, subject: Subject) -> list[Item]:
        """Return the frames that the model looks at: the first image, or all where it outlines."""
        name = f"subject {subject.subject_id}"
        images = [i for i, at in enumerate(subject.locations) if at.mime.startswith("image/")]
        if not images:
            found = ", ".join(at.mime for at in subject.locations) or "no location"
            raise ItemFailed(name, f"expected an image, found {found}", "upload it with its file")
        chosen = images if card.kind == "mask" else images[:1]
        urls = {frame: subject.locations[frame].url for frame in chosen}
        return [Item(name, self.fetch(url), subject.subject_id, i) for i, url in urls.items()]


def _match(card: ModelCard, workflow: Workflow, overrides: Mapping[str, str]) -> LabelMatch:
    if card.label_schema is None:
        return LabelMatch((), ())
    return match_labels(card.label_schema, schema_of(workflow), overrides)


def _only(found: Iterable[Proposed]) -> Proposed:
    made = list(found)
    if len(made) != 1:
        raise BadInput(f"expected one proposal of one subject, got {len(made)}")
    return made[0]
