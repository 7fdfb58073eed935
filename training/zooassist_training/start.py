"""Where does training start? With a new network, or with what an earlier model folder knows."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from zooassist_plugin.errors import BadInput
from zooassist_plugin.model_card import Preprocessing
from zooassist_plugin.targets import Targets
from zooassist_training.encoders import open_encoder
from zooassist_training.ensemble import members_of
from zooassist_training.freezing import freeze
from zooassist_training.networks import HeadedNetwork, NetworkSpec, network_of
from zooassist_training.objectives import Taught, kind_of, parts_of
from zooassist_training.restore import (
    expect_values_of,
    known_parts,
    redraw_masks,
    restore_network,
    taught_anew,
    with_samples,
)

if TYPE_CHECKING:
    from zooassist_training.train_votes import VotesRecipe

log = logging.getLogger(__name__)
SAMPLES = 20


@dataclass(frozen=True)
class Start:
    """The network before its first step.

    Attributes
    ----------
    needs_statistics : bool
        Whether it is still to be normalised by the training images: nothing in it expects others.
    members : int
        How many networks are to be trained, this one among them.
    carried_over, started_new : tuple of str
        When going on from a model: questions (or targets) that it knows, and the others.
    """

    network: HeadedNetwork
    preprocessing: Preprocessing
    needs_statistics: bool = False
    members: int = 1
    carried_over: tuple[str, ...] = ()
    started_new: tuple[str, ...] = ()


def start_of(recipe: VotesRecipe, taught: Taught, member: int = 0) -> Start:
    """Build the network of a recipe; no image is needed, so that wrong options show at once.

    Parameters
    ----------
    member : int
        Which network of an ensemble.

    Raises
    ------
    BadInput
        When the encoder, the head or the model to go on from can't be had as the recipe says.
    Refused
        When published weights can't be fetched.
    """
    torch.manual_seed(recipe.fit.member(member).seed)
    start = _begun(recipe, taught, member)
    freeze(start.network, recipe.fit.train)
    return start


def _begun(recipe: VotesRecipe, taught: Taught, member: int) -> Start:
    if recipe.start is not None:
        return _going_on(recipe, taught, member)
    encoder = open_encoder(recipe.encoder, recipe.encoder_options, recipe.pretrained)
    spec = NetworkSpec(
        encoder=encoder.spec,
        size=recipe.size,
        answers=len(taught.columns),
        kind=kind_of(taught),
        concentrations=recipe.concentrations,
        dropout=recipe.dropout,
        samples=_samples(recipe.samples, recipe.dropout),
        greyscale=recipe.greyscale,
    )
    network = network_of(spec, encoder.module)
    if isinstance(taught, Targets):
        expect_values_of(network, taught)
    if encoder.statistics is not None:
        network.normalise_by(*encoder.statistics)
    preprocessing = Preprocessing(size=recipe.size, crop=recipe.crop, stretch=recipe.stretch)
    return Start(
        network,
        preprocessing,
        needs_statistics=encoder.statistics is None,
        members=recipe.members or 1,
    )


def _samples(wanted: int | None, dropout: float, known: int = 1) -> int:
    """Return how many posterior samples the head gives: without dropout there is only one."""
    if wanted is not None:
        return wanted
    return known if known > 1 else (SAMPLES if dropout > 0 else 1)


def _going_on(recipe: VotesRecipe, taught: Taught, member: int) -> Start:
    model = str(recipe.start)
    restored, card = restore_network(model)
    begun = members_of(restored)
    members = recipe.members or len(begun)
    if len(begun) not in (1, members):
        raise BadInput(
            f"from {model}: an ensemble of {len(begun)} goes on with all of them, got --members "
            f"{members}; leave --members out"
        )
    network = begun[member % len(begun)]
    samples = _samples(recipe.samples, network.spec.dropout, network.spec.samples)
    known = card.answers
    kept = known_parts(known, taught)
    new = tuple(each for each in parts_of(taught) if each not in kept)
    if member == 0:  # the others go on alike
        _say(model, taught, kept, new)
    network = with_samples(taught_anew(network, known, taught), samples)
    if member > 0 and len(begun) == 1:
        redraw_masks(network)  # members that start alike should at least be asked differently
    return Start(network, card.preprocessing, members=members, carried_over=kept, started_new=new)


def _say(model: str, taught: Taught, kept: tuple[str, ...], new: tuple[str, ...]) -> None:
    if isinstance(taught, Targets):
        of = f" and {', '.join(kept)}" if kept else ""
        log.info("from %s: goes on with the encoder%s; new: %s", model, of, ", ".join(new) or "-")
    elif not kept:
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
