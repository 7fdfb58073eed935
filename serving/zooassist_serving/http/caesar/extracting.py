"""What does the external extractor answer of a classification? One pure function per name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, cast

from zooassist_plugin.errors import ItemFailed
from zooassist_plugin.targets import Targets
from zooassist_serving.http.caesar.calls import SentClassification
from zooassist_serving.http.caesar.platform import Platform
from zooassist_serving.http.caesar.reducing import Fetch
from zooassist_serving.items import Item
from zooassist_serving.served_model import ServedModel

# Extractor -> where it is found: annotations by task, metadata and shown payload -> data. Strings,
# since the room that matches marks lies above this one.
OF_PROPOSALS: dict[str, str] = {"edits": "zooassist_loop.edits_extractor:extract_edits"}

Content = Mapping[str, Any]
OfProposal = Callable[[Content, Content, Content], Mapping[str, float] | None]


def extract_of_proposal(
    name: str, classification: SentClassification, platform: Platform
) -> Mapping[str, float] | None:
    """Return what a volunteer did to the proposal that Caesar shows; None where it shows none."""
    shown = platform.shown(classification.workflow_id, classification.subject_id)
    if shown is None:
        return None
    module, _, function = OF_PROPOSALS[name].partition(":")
    extract = cast("OfProposal", getattr(importlib.import_module(module), function))
    return extract(classification.annotations, classification.metadata, shown)


def extract_of_model(
    model: ServedModel, classification: SentClassification, platform: Platform, fetch: Fetch
) -> Mapping[str, Any]:
    """Return what a model says of the classified subject, flat, as rules and reducers look it up.

    Fractions under the names of label columns, means under those of targets, and `uncertainty`.

    Raises
    ------
    ItemFailed
        When the subject has no image that can be read.
    """
    subject = platform.subject(classification.subject_id)
    name = f"subject {subject.subject_id}"
    images = [at for at in subject.locations if at.mime.startswith("image/")]
    if not images:
        raise ItemFailed(name, "expected an image, found none", "upload it with its file")
    item = Item(name, fetch(images[0].url), subject.subject_id)
    prediction = model.predict_one(item)
    if prediction.error is not None:
        raise ItemFailed(name, prediction.error, "upload a whole image")
    said = model.card.answers
    values = prediction.means if isinstance(said, Targets) else prediction.fractions
    found: dict[str, Any] = {}
    if values is not None:
        found = {c: float(v) for c, v in zip(said.columns, values.tolist(), strict=True)}
    return {
        **found,
        "uncertainty": prediction.uncertainty,
        "model": prediction.model,
        "model_version": prediction.model_version,
    }
