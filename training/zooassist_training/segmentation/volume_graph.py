"""How does a volume network become an ONNX graph for any slices, height and width? By hand.

One graph does the three things of `zooassist_serving.masks.volume_runner.STAGES`. Inside, slices
are the first axis: (slices, batch, channels, height, width).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from zooassist_plugin.model_card import TensorSpec
from zooassist_serving.masks.volume_runner import NEXT, STAGES, START
from zooassist_training.segmentation.graph_builder import GraphBuilder, value
from zooassist_training.segmentation.networks import SegmentationNetwork
from zooassist_training.segmentation.tcup import GATES, SLOPE, Level, TcupGenerator

SIDES = ("height", "width")


@dataclass(frozen=True)
class StateNames:
    """Names of a layer's state, coming in."""

    hidden: str
    cell: str


def volume_graph(network: SegmentationNetwork) -> onnx.GraphProto:
    """Write generator and discriminator of a volume network as one graph."""
    return _Writer(network).graph()


def input_specs(network: SegmentationNetwork) -> tuple[TensorSpec, ...]:
    """Describe the graph's inputs for `model.json`."""
    spec = network.spec
    image = ("batch", "slices", *SIDES, spec.channels)
    return (
        TensorSpec(name="image", dtype="uint8", shape=image, divisor=spec.divisor),
        TensorSpec(name="stage", dtype="int64", shape=()),
        *(
            TensorSpec(name=name, dtype="float32", shape=_state_shape(level))
            for level, names in _states(network)
            for name in (names.hidden, names.cell)
        ),
    )


def output_specs(network: SegmentationNetwork) -> tuple[TensorSpec, ...]:
    """Describe the graph's outputs for `model.json`."""
    spec = network.spec
    specs = [
        TensorSpec(name="mask", dtype="float32", shape=("batch", "slices", spec.classes, *SIDES)),
        TensorSpec(
            name="patch_realness", dtype="float32", shape=("batch", "slices", "rows", "columns")
        ),
    ]
    for level, names in _states(network):
        shape = _state_shape(level)
        for name in (names.hidden, names.cell):
            specs.append(TensorSpec(name=NEXT + name, dtype="float32", shape=shape))
        if names.cell.startswith("decoder"):
            specs.append(TensorSpec(name=START + names.cell, dtype="float32", shape=shape))
    return tuple(specs)


def _states(network: SegmentationNetwork) -> list[tuple[Level, StateNames]]:
    generator = network.generator
    assert isinstance(generator, TcupGenerator)
    parts = {"encoder": generator.encoder_levels, "decoder": generator.decoder_levels}
    return [
        (level, StateNames(f"{part}_{number}_hidden", f"{part}_{number}_cell"))
        for part, levels in parts.items()
        for number, level in enumerate(levels)
    ]


def _state_shape(level: Level) -> tuple[int | str, ...]:
    part = 2**level.halvings
    sides = SIDES if part == 1 else tuple(f"{side}/{part}" for side in SIDES)
    return ("batch", level.hidden, *sides)


def _value_of(spec: TensorSpec) -> onnx.ValueInfoProto:
    types = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
    return value(spec.name, spec.shape, types[spec.dtype])


class _Writer:
    """Writes the graph of one network."""

    def __init__(self, network: SegmentationNetwork) -> None:
        self._network = network
        generator = network.generator
        assert isinstance(generator, TcupGenerator)
        self._generator = generator
        self._main = GraphBuilder()
        names = [names for _, names in _states(network)]
        levels = len(generator.encoder_levels)
        self._encoder, self._decoder = names[:levels], names[levels:]
        # A weight keeps its name in PyTorch, so that training can go on from the graph. Graphs
        # inside the graph see it under another, behind a node that `half_storage` can widen.
        self._weights: dict[str, str] = {}
        for name, weight in network.named_parameters():
            self._main.weight(name, weight.detach().cpu().numpy())
            self._weights[name] = self._main.one("Identity", name)

    def graph(self) -> onnx.GraphProto:
        """Write everything."""
        main = self._main
        volume = self._normalised()
        features, outputs = self._encode(volume)
        starts = self._first_cells(outputs)
        whole = main.one("Equal", "stage", main.constant(STAGES["whole"]))
        cells = [
            main.one("Where", whole, start, names.cell)
            for start, names in zip(starts, self._decoder, strict=True)
        ]
        drawn = self._drawing(volume, features, cells)
        named = [spec.name for spec in output_specs(self._network)]
        later = [NEXT + name for names in self._decoder for name in (names.hidden, names.cell)]
        main.op(
            "If",
            [main.one("Equal", "stage", main.constant(STAGES["sweep"]))],
            ["mask", "patch_realness", *later],
            then_branch=self._nothing(),
            else_branch=drawn,
        )
        specs = {spec.name: spec for spec in output_specs(self._network)}
        return main.graph(
            "volume",
            [_value_of(spec) for spec in input_specs(self._network)],
            [_value_of(specs[name]) for name in named],
        )

    def _normalised(self) -> str:
        main, network = self._main, self._network
        pixels = main.one("Cast", "image", to=TensorProto.FLOAT)
        share = main.one("Div", pixels, main.constant(255.0))
        mean = np.asarray(network.spec.mean, dtype=np.float32)
        deviation = np.asarray(network.spec.deviation, dtype=np.float32)
        centred = main.one("Sub", share, main.constant(mean))
        scaled = main.one("Div", centred, main.constant(deviation))
        return main.one("Transpose", scaled, perm=[1, 0, 4, 2, 3])

    def _encode(self, volume: str) -> tuple[list[str], list[str]]:
        """Return the halved outputs of each level and the cells at the last slice."""
        main = self._main
        features, cells = [], []
        x = volume
        for number, names in enumerate(self._encoder):
            later = StateNames(NEXT + names.hidden, NEXT + names.cell)
            x = self._remember(main, f"generator.encoder.{number}", x, names, later)
            halved = main.one("MaxPool", main.flat(x), kernel_shape=[2, 2], strides=[2, 2])
            x = main.unflat(halved, x)
            features.append(x)
            cells.append(later.cell)
        return features, cells

    def _first_cells(self, cells: Sequence[str]) -> list[str]:
        main = self._main
        starts = []
        for number, cell in enumerate(reversed(cells)):
            projected = self._convolved(main, f"generator.skip.{number}", cell)
            named = START + self._decoder[number].cell
            main.op("MaxPool", [projected], [named], kernel_shape=[2, 2], strides=[2, 2])
            starts.append(named)
        return starts

    def _remember(
        self, graph: GraphBuilder, layer: str, slices: str, before: StateNames, after: StateNames
    ) -> str:
        """Put slices through a ConvLSTM: one convolution of all of them, then the loop."""
        module = self._network.get_submodule(layer)
        gates = graph.unflat(
            self._convolved(graph, f"{layer}.of_slice", graph.flat(slices)), slices
        )
        body = GraphBuilder(f"{layer}.")
        summed = body.one("Add", "gates", self._convolved(body, f"{layer}.of_hidden", "hidden"))
        let_in, forget, out, new = body.op(
            "Split", [summed, body.constant([int(str(module.hidden))] * GATES)], GATES, axis=1
        )
        kept = body.one("Mul", body.one("Sigmoid", forget), "cell")
        added = body.one("Mul", body.one("Sigmoid", let_in), body.one("Tanh", new))
        body.op("Add", [kept, added], ["cell_after"])
        told = [body.one("Sigmoid", out), body.one("Tanh", "cell_after")]
        body.op("Mul", told, ["hidden_after"])
        body.op("Identity", ["hidden_after"], ["told"])
        loop = body.graph(
            f"{layer}.slice",
            [value(name, None) for name in ("hidden", "cell", "gates")],
            [value(name, None) for name in ("hidden_after", "cell_after", "told")],
        )
        told_name = graph.fresh("told")
        graph.op(
            "Scan",
            [before.hidden, before.cell, gates],
            [after.hidden, after.cell, told_name],
            body=loop,
            num_scan_inputs=1,
        )
        return told_name

    def _drawing(
        self, volume: str, features: Sequence[str], cells: Sequence[str]
    ) -> onnx.GraphProto:
        """Write the decoder and the discriminator, which a sweep does without."""
        graph = GraphBuilder("draw.")
        x = features[-1]
        later: list[str] = []
        for number, (names, cell) in enumerate(zip(self._decoder, cells, strict=True)):
            if number:
                x = graph.one("Concat", x, features[-1 - number], axis=2)
            after = StateNames(f"draw.{names.hidden}", f"draw.{names.cell}")
            before = StateNames(names.hidden, cell)
            x = self._remember(graph, f"generator.decoder.{number}", x, before, after)
            later += [after.hidden, after.cell]
            enlarged = self._convolved(graph, f"generator.enlarge.{number}", graph.flat(x))
            normal = self._normal(graph, f"generator.norm.{number}", enlarged)
            x = graph.unflat(graph.one("LeakyRelu", normal, alpha=SLOPE), x)
        beside = graph.flat(graph.one("Concat", x, volume, axis=2))
        blended = self._convolved(graph, "generator.blend", beside)
        logits = self._convolved(
            graph, "generator.head", graph.one("LeakyRelu", blended, alpha=SLOPE)
        )
        mask = self._probabilities(graph, logits)
        judged = self._judged(graph, graph.one("Concat", graph.flat(volume), mask, axis=1))
        order = {"perm": [1, 0, 2, 3, 4]}
        drawn = graph.one("Transpose", graph.unflat(mask, volume), **order)
        scores = graph.one("Transpose", graph.unflat(judged, volume), **order)
        real = graph.one("Squeeze", scores, graph.constant([2]))
        return graph.graph("draw", [], [value(name, None) for name in (drawn, real, *later)])

    def _probabilities(self, graph: GraphBuilder, logits: str) -> str:
        classes = self._network.spec.classes
        if classes == 1:
            return graph.one("Sigmoid", logits)
        share = graph.one("Softmax", logits, axis=1)
        ends = [graph.constant([1]), graph.constant([1 + classes]), graph.constant([1])]
        return graph.one("Slice", share, *ends)

    def _judged(self, graph: GraphBuilder, x: str) -> str:
        for number, module in enumerate(self._network.discriminator.layers):
            name = f"discriminator.layers.{number}"
            if isinstance(module, nn.Conv2d):
                x = self._convolved(graph, name, x)
            elif isinstance(module, nn.GroupNorm):
                x = self._normal(graph, name, x)
            elif isinstance(module, nn.LeakyReLU):
                x = graph.one("LeakyRelu", x, alpha=module.negative_slope)
            elif isinstance(module, nn.Tanh):
                x = graph.one("Tanh", x)
            elif not isinstance(module, nn.Dropout):
                raise TypeError(f"no ONNX is known for a {type(module).__name__}")
        return graph.one("Sigmoid", x)

    def _convolved(self, graph: GraphBuilder, layer: str, x: str) -> str:
        module = self._network.get_submodule(layer)
        assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
        kind = "Conv" if isinstance(module, nn.Conv2d) else "ConvTranspose"
        weights = [self._weights[f"{layer}.weight"]]
        weights += [self._weights[f"{layer}.bias"]] if module.bias is not None else []
        sides: Mapping[str, Any] = {
            "kernel_shape": list(module.kernel_size),
            "strides": list(module.stride),
            "pads": [int(side) for side in module.padding] * 2,
        }
        return graph.one(kind, x, *weights, **sides)

    def _normal(self, graph: GraphBuilder, layer: str, x: str) -> str:
        """Normalise over an image and all of its channels, then scale each channel."""
        module = self._network.get_submodule(layer)
        assert isinstance(module, nn.GroupNorm)
        joined = graph.one("Reshape", x, graph.constant([0, 1, -1]))
        even = [graph.constant(np.ones(1)), graph.constant(np.zeros(1))]
        normal = graph.one("InstanceNormalization", joined, *even, epsilon=module.eps)
        back = graph.one("Reshape", normal, graph.one("Shape", x))
        scale = self._per_channel(graph, f"{layer}.weight")
        return graph.one(
            "Add", graph.one("Mul", back, scale), self._per_channel(graph, f"{layer}.bias")
        )

    def _per_channel(self, graph: GraphBuilder, name: str) -> str:
        return graph.one("Reshape", self._weights[name], graph.constant([-1, 1, 1]))

    def _nothing(self) -> onnx.GraphProto:
        """Put out empty masks, and the decoder's state as it came."""
        graph = GraphBuilder("sweep.")
        empty = helper.make_tensor("nothing", TensorProto.FLOAT, [1], [0.0])
        shapes = ([0, 0, self._network.spec.classes, 0, 0], [0, 0, 0, 0])
        outputs = [
            graph.one("ConstantOfShape", graph.constant(shape), value=empty) for shape in shapes
        ]
        outputs += [
            graph.one("Identity", name)
            for names in self._decoder
            for name in (names.hidden, names.cell)
        ]
        return graph.graph("sweep", [], [value(name, None) for name in outputs])


def reference(
    network: SegmentationNetwork, volumes: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what PyTorch computes: (mask, patch realness) of (batch, slices, …) volumes."""
    network.eval()
    with torch.no_grad():
        pixels = torch.from_numpy(volumes).permute(0, 1, 4, 2, 3).float()
        stacks = network.normalised(pixels)
        mask = network.probabilities(network.logits(stacks))
        real = torch.sigmoid(network.judged(stacks, mask))
    return mask.numpy(), real.numpy()
