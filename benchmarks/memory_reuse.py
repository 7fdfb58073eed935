"""How much faster does a processor train when the C library keeps freed memory?

(`make bench-memory-reuse`) The same training steps on random pixels, in processes of their own that
take turns; the figure is the median of the pairs' ratios.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import median

from bench_record import Figure, record

STEPS = """
import sys, time, torch
from zooassist_training.encoders import open_encoder
from zooassist_training.memory_reuse import keep_freed_memory
name, size, keep, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "keep", float(sys.argv[4])
if keep and not keep_freed_memory():
    sys.exit("this C library takes no such advice: nothing to measure")
encoder = open_encoder(name).module.to(memory_format=torch.channels_last).train()
optimizer = torch.optim.AdamW(encoder.parameters())
pixels = torch.rand(32, 3, size, size).to(memory_format=torch.channels_last)
def step():
    encoder(pixels).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
for _ in range(2):
    step()
begun, images = time.perf_counter(), 0
while time.perf_counter() - begun < seconds:
    step()
    images += len(pixels)
print(images / (time.perf_counter() - begun))
"""
ENCODERS = (("small", 96), ("tf_efficientnet_lite0", 128))


def rate(encoder: str, size: int, advice: str, seconds: float) -> float:
    """Return images per second of one process."""
    command = [sys.executable, "-c", STEPS, encoder, str(size), advice, str(seconds)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> int:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    given = parser.parse_args()
    figures: dict[str, Figure] = {}
    for encoder, size in ENCODERS:
        pairs = [
            [rate(encoder, size, advice, given.seconds) for advice in ("keep", "give back")]
            for _ in range(given.turns)
        ]
        figures[f"{encoder}_given_back"] = Figure(median(back for _, back in pairs), "images/s")
        figures[f"{encoder}_kept"] = Figure(median(kept for kept, _ in pairs), "images/s")
        figures[f"{encoder}_gain"] = Figure(median(kept / back for kept, back in pairs), "x")
    for name, figure in figures.items():
        print(f"{name}: {figure.value:.4g} {figure.unit}")
    record(
        "memory_reuse", figures, " ".join(["benchmarks/memory_reuse.py", *sys.argv[1:]]), given.out
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
