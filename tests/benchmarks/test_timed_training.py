from __future__ import annotations


def test_epochs_are_counted_by_a_pilot(benchmark_module):
    module = benchmark_module("timed_training")
    now = 100.0

    def train(epochs: int) -> None:
        nonlocal now
        now += 7.0 * epochs

    assert module.epochs_within(3, train, lambda: now) == 25  # 180 s of 7 s each
    assert module.epochs_within(0.01, train, lambda: now) == 1
