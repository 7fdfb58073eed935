"""Where does training start? With a new network, or with what an earlier model folder knows."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zooassist_plugin.label_schema import LabelSchema
from zooassist_plugin.model_card import Preprocessing
from zooassist_training.encoders import open_encoder
from zooassist_training.networks import NetworkSpec, VotesNetwork
from zooassist_training.restore import known_questions, restore_network, with_schema

if TYPE_CHECKING:
    from zooassist_training.train_votes import VotesRecipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """The network before its first step.

    Attributes
    ----------
    needs_statistics : bool
        Whether it is still to be normalised by the training images: nothing in it expects others.
    carried_over, started_new : tuple of str
        When going on from a model: questions whose answers keep its weights, and the others.
    """

    network: VotesNetwork
    preprocessing: Preprocessing
    needs_statistics: bool = False
    carried_over: tuple[str, ...] = ()
    started_new: tuple[str, ...] = ()


def start_of(recipe: VotesRecipe, schema: LabelSchema) -> Start:
    """Build the network of a recipe; no image is needed, so that wrong options show at once.

    Raises
    ------
    BadInput
        When the encoder, the head or the model to go on from can't be had as the recipe says.
    Refused
        When published weights can't be fetched.
    """
    if recipe.start is not None:
        return _going_on(str(recipe.start), schema)
    encoder = open_encoder(recipe.encoder, recipe.encoder_options, recipe.pretrained)
    spec = NetworkSpec(
        encoder=encoder.spec,
        size=recipe.size,
        answers=len(schema.columns),
        concentrations=recipe.concentrations,
        dropout=recipe.dropout,
    )
    network = VotesNetwork(spec, encoder.module)
    if encoder.statistics is not None:
        network.normalise_by(*encoder.statistics)
    preprocessing = Preprocessing(size=recipe.size, crop=recipe.crop)
    return Start(network, preprocessing, needs_statistics=encoder.statistics is None)


def _going_on(model: str, schema: LabelSchema) -> Start:
    restored, card = restore_network(model)
    known = card.schema_of_votes
    kept = known_questions(known, schema)
    new = tuple(each.name for each in schema.questions if each.name not in kept)
    if not kept:
        log.warning(
            "from %s: none of its questions is in this training set, so every answer starts new "
            "and only the encoder goes on; `zooassist export votes --like %s` keeps its questions",
            model,
            model,
        )
    elif new:
        log.warning("from %s: goes on with %s; new: %s", model, ", ".join(kept), ", ".join(new))
    else:
        log.info("from %s: goes on with all of its questions that are asked", model)
    network = with_schema(restored, known, schema)
    return Start(network, card.preprocessing, carried_over=kept, started_new=new)
