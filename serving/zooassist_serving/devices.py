"""Where can a graph run, and how is onnxruntime told so?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import onnxruntime

from zooassist_plugin.errors import BadInput

# Device -> onnxruntime providers, best first. TensorRT takes the parts of a graph that it knows.
PROVIDERS: Final[dict[str, tuple[str, ...]]] = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": (
        "TensorrtExecutionProvider",
        "CUDAExecutionProvider",
        "CPUExecutionProvider",
    ),
}
BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True)
class Device:
    """A processor, and how a graph is to use it.

    Attributes
    ----------
    name : str
        A key of `PROVIDERS`.
    half : bool
        Let TensorRT compute in float16; kept only where the answers stay (see `OnnxRuntime`).
    graphs : bool
        Replay a run as one CUDA graph, which needs shapes and addresses that never change: batches
        are filled up to one of `buckets`.
    buckets : tuple of int
        Batch sizes that a GPU is prepared for.
    cache : Path, optional
        Where TensorRT keeps its engines, which take minutes to build.
    """

    name: str = "cpu"
    half: bool = False
    graphs: bool = True
    buckets: tuple[int, ...] = field(default=BUCKETS[:6])
    cache: Path | None = None

    def __post_init__(self) -> None:
        if self.name not in PROVIDERS:
            raise BadInput(f"device: expected one of {', '.join(PROVIDERS)}, got {self.name!r}")
        if self.half and self.name != "tensorrt":
            raise BadInput(
                f"float16: expected the device 'tensorrt', got {self.name!r}; on another device "
                "export the model in float16"
            )
        if not self.buckets or list(self.buckets) != sorted(set(self.buckets)):
            raise BadInput(f"buckets: expected rising batch sizes, got {self.buckets}")
        if self.buckets[0] < 1:
            raise BadInput(f"buckets: expected batch sizes of 1 or more, got {self.buckets[0]}")

    @property
    def is_gpu(self) -> bool:
        """Whether arrays have to travel to it."""
        return self.name != "cpu"

    def check_available(self) -> None:
        """Refuse a device that this installation of onnxruntime does not know.

        Raises
        ------
        BadInput
            With the command that installs it.
        """
        wanted = PROVIDERS[self.name][0]
        if wanted not in onnxruntime.get_available_providers():
            raise BadInput(
                f"device {self.name!r}: this onnxruntime has no {wanted}; "
                'run: pip install "zooassist[gpu]"'
            )

    def providers(
        self, shapes: Mapping[str, Sequence[int | str]], *, half: bool | None = None
    ) -> list[str | tuple[str, dict[str, Any]]]:
        """Return what `InferenceSession` takes as `providers`.

        Parameters
        ----------
        shapes : mapping
            Input -> shape, for TensorRT's profiles; only the first dimension may be free, else
            TensorRT finds out the shapes by itself.
        half : bool, optional
            In place of the device's own.
        """
        options: dict[str, dict[str, Any]] = {
            "CUDAExecutionProvider": {
                "enable_cuda_graph": "1" if self.graphs else "0",
                # The arena grows by what is asked for, not by powers of two: models share a card.
                "arena_extend_strategy": "kSameAsRequested",
                "cudnn_conv_algo_search": "EXHAUSTIVE",
                "use_tf32": "0",
            },
            "TensorrtExecutionProvider": self._tensorrt(
                shapes, self.half if half is None else half
            ),
        }
        if self.name == "tensorrt":
            # Two providers cannot both replay; what TensorRT leaves is run node by node.
            options["CUDAExecutionProvider"]["enable_cuda_graph"] = "0"
        return [(name, options[name]) if name in options else name for name in PROVIDERS[self.name]]

    def _tensorrt(self, shapes: Mapping[str, Sequence[int | str]], half: bool) -> dict[str, Any]:
        chosen: dict[str, Any] = {
            "trt_fp16_enable": "1" if half else "0",
            "trt_cuda_graph_enable": "1" if self.graphs else "0",
        }
        if self.cache is not None:
            chosen |= {
                "trt_engine_cache_enable": "1",
                "trt_engine_cache_path": str(self.cache),
                "trt_timing_cache_enable": "1",
                "trt_timing_cache_path": str(self.cache),
            }
        fixed = {
            name: [int(size) for size in shape[1:]]
            for name, shape in shapes.items()
            if shape and all(isinstance(size, int) for size in shape[1:])
        }
        if len(fixed) == len(shapes):
            for which, batch in (
                ("min", self.buckets[0]),
                ("opt", self.buckets[len(self.buckets) // 2]),
                ("max", self.buckets[-1]),
            ):
                chosen[f"trt_profile_{which}_shapes"] = ",".join(
                    f"{name}:{'x'.join(map(str, (batch, *sizes)))}" for name, sizes in fixed.items()
                )
        return chosen
