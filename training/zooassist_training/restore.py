"""How does training go on from an earlier model folder? Its graph's weights, read back by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from zooassist_plugin.errors import BadInput
from zooassist_plugin.label_match import match_labels
from zooassist_plugin.label_schema import LabelSchema, Question
from zooassist_plugin.model_card import ModelCard
from zooassist_plugin.targets import Targets
from zooassist_serving.model_folder import load_model_folder
from zooassist_training.ensemble import Network, build_network
from zooassist_training.heads import draw_masks
from zooassist_training.int8_storage import SCALES
from zooassist_training.networks import (
    NETWORKS,
    HeadedNetwork,
    ValuesNetwork,
    VotesNetwork,
    network_of,
)
from zooassist_training.objectives import Taught, kind_of
from zooassist_training.onnx_export import described_network

Renewed = TypeVar("Renewed", bound=HeadedNetwork)
# A counter that batch normalisation keeps and never uses in what we train.
NOT_STORED = "num_batches_tracked"
MAY_BE_ABSENT = "head.centre"


def restore_network(folder: str | Path) -> tuple[Network, ModelCard]:
    """Rebuild the PyTorch network of a model folder, with its weights.

    Parameters
    ----------
    folder : str or Path
        A folder that `zooassist train` wrote, or a bundled name.

    Raises
    ------
    BadInput
        When the folder is not safe or whole, or was not made by `zooassist train votes`.
    """
    found = load_model_folder(folder)
    if found.card.kind not in NETWORKS:
        raise BadInput(
            f"{found.path}: expected a model of kind {' or '.join(map(repr, NETWORKS))} to go on "
            f"from, got kind {found.card.kind!r}"
        )
    model = onnx.load_model_from_string(found.onnx_path.read_bytes())
    try:
        description = described_network(model)
    except json.JSONDecodeError as error:
        raise BadInput(f"{found.onnx_path}: its network description is damaged") from error
    if description is None:
        raise BadInput(
            f"{found.onnx_path}: the graph does not say which encoder it was made from, so it can "
            "be served but not trained on; give a folder that `zooassist train votes` wrote"
        )
    spec = description.spec
    network = build_network(spec, description.members)
    weights = stored_weights(model)
    expected = {name for name in network.state_dict() if not name.endswith(NOT_STORED)}
    # A graph of before heads had a centre: theirs was 0, as a new head's is.
    expected -= {name for name in expected - weights.keys() if name.endswith(MAY_BE_ABSENT)}
    missing = sorted(expected - weights.keys())
    if missing:
        raise BadInput(
            f"{found.onnx_path}: weight {missing[0]!r} of encoder {spec.encoder.name!r} is not in "
            f"the graph ({len(missing)} missing); train again with this version"
        )
    try:
        network.load_state_dict({name: weights[name] for name in expected}, strict=False)
    except RuntimeError as error:
        raise BadInput(f"{found.onnx_path}: {' '.join(str(error).split())[:200]}") from error
    if spec.kind != found.card.kind:
        raise BadInput(
            f"{found.path}: model.json says kind {found.card.kind!r}, the graph {spec.kind!r}; "
            "they are not of the same model"
        )
    return network, found.card


def stored_weights(model: onnx.ModelProto) -> dict[str, Tensor]:
    """Return a graph's initialisers by name, those kept in fewer bits as 32.

    The exporter stores equal tensors once and gives the others their name by an Identity node.
    """
    weights = {
        each.name: torch.from_numpy(np.array(numpy_helper.to_array(each)))
        for each in model.graph.initializer
    }
    for name, weight in weights.items():
        if weight.dtype == torch.float16:
            weights[name] = weight.float()
        elif weight.dtype == torch.int8 and name + SCALES in weights:
            weights[name] = weight.float() * weights[name + SCALES]
    for node in model.graph.node:
        if node.op_type in ("Cast", "Identity") and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    return weights


def taught_anew(network: HeadedNetwork, known: Taught, wanted: Taught) -> HeadedNetwork:
    """Give the network a head for what it is going to be taught, keeping what it knows of that.

    Between votes and values nothing is kept but the encoder.

    Parameters
    ----------
    known, wanted : LabelSchema or Targets
        What the network answers as it is, and what it is to answer.
    """
    if isinstance(wanted, Targets):
        if isinstance(network, ValuesNetwork) and isinstance(known, Targets):
            return with_targets(network, known, wanted)
    elif isinstance(network, VotesNetwork) and isinstance(known, LabelSchema):
        return with_schema(network, known, wanted)
    spec = replace(network.spec, kind=kind_of(wanted), answers=len(wanted.columns))
    renewed = _dropping_alike(network, network_of(spec, network.encoder))
    if isinstance(wanted, Targets):
        expect_values_of(renewed, wanted)
    return renewed


def with_schema(network: VotesNetwork, known: LabelSchema, wanted: LabelSchema) -> VotesNetwork:
    """Give the network a head for another label schema, keeping what it knows.

    The weights of an answer are kept where a question of the new schema has the words of a known
    one (`match_labels`) or the very same columns; other answers start from new weights.

    Parameters
    ----------
    known, wanted : LabelSchema
        Of the network as it is, and of the training set.
    """
    if known.columns == wanted.columns:
        return network
    spec = replace(network.spec, answers=len(wanted.columns))
    renewed = _dropping_alike(network, VotesNetwork(spec, network.encoder))
    old, new = network.head.linear, renewed.head.linear
    with torch.no_grad():
        for question in wanted.questions:
            columns = _known_columns(known, question)
            rows = [known.columns.index(column) for column in columns]
            if rows:
                new.weight[wanted.slices[question.name]] = old.weight[rows]
                new.bias[wanted.slices[question.name]] = old.bias[rows]
    return renewed


def with_targets(network: ValuesNetwork, known: Targets, wanted: Targets) -> ValuesNetwork:
    """Give the network a head for other targets, or other values of the same ones.

    A target of the same name answers what it did before, in the mean and scale of the new values.

    Parameters
    ----------
    known, wanted : Targets
        Of the network as it is, and of the training set.
    """
    spec = replace(network.spec, answers=len(wanted.columns))
    renewed = _dropping_alike(network, ValuesNetwork(spec, network.encoder))
    expect_values_of(renewed, wanted)
    for place, name in enumerate(wanted.columns):
        if name in known.columns:
            renewed.head.take_over(place, network.head, known.columns.index(name))
    return renewed


def expect_values_of(network: HeadedNetwork, targets: Targets) -> None:
    """Tell a network of values what its targets are like."""
    if isinstance(network, ValuesNetwork):
        network.head.standardise_by(
            torch.tensor([each.mean for each in targets.targets]),
            torch.tensor([each.scale for each in targets.targets]),
        )


def with_samples(network: HeadedNetwork, samples: int) -> HeadedNetwork:
    """Give the network a head with so many posterior samples, of masks that are drawn anew.

    Raises
    ------
    BadInput
        When the network has no dropout to sample.
    """
    if network.spec.samples == samples:
        return network
    spec = replace(network.spec, samples=samples)
    renewed = _dropping_alike(network, network_of(spec, network.encoder))
    kept = {name: x for name, x in network.head.state_dict().items() if name != "masks"}
    renewed.head.load_state_dict(kept, strict=False)
    return renewed


def redraw_masks(network: HeadedNetwork) -> None:
    """Draw the posterior samples' masks anew, from torch's random numbers."""
    masks = network.head.masks
    if masks is not None:
        samples, features = masks.shape
        masks.copy_(draw_masks(samples, features, network.spec.dropout))


def _dropping_alike(network: HeadedNetwork, renewed: Renewed) -> Renewed:
    """Give a network with a new head the old one's centre and, where they fit, its masks."""
    with torch.no_grad():
        renewed.head.centre.copy_(network.head.centre)
        old, new = network.head.masks, renewed.head.masks
        if old is not None and new is not None and old.shape == new.shape:
            new.copy_(old)
    return renewed


def known_parts(known: Taught, wanted: Taught) -> tuple[str, ...]:
    """Names of the questions or targets of `wanted` that `taught_anew` keeps the answers of."""
    if isinstance(wanted, Targets):
        there = known.columns if isinstance(known, Targets) else ()
        return tuple(name for name in wanted.columns if name in there)
    return known_questions(known, wanted) if isinstance(known, LabelSchema) else ()


def known_questions(known: LabelSchema, wanted: LabelSchema) -> tuple[str, ...]:
    """Names of the questions of `wanted` whose answers keep their weights in `with_schema`."""
    return tuple(each.name for each in wanted.questions if _known_columns(known, each))


def _known_columns(known: LabelSchema, question: Question) -> list[str]:
    """Columns of the known schema for the answers of a question; empty when it is new."""
    if set(question.columns) <= set(known.columns):
        return list(question.columns)
    alone = LabelSchema((replace(question, asked_after=()),))
    pairs = match_labels(known, alone).pairs
    if not pairs:
        return []
    answers = known.question(pairs[0].question).answers
    return [answers[index].column for index in pairs[0].answer_index]
