from collections import Counter

from zooassist_exporters.splits import split_of


def test_shares_are_70_10_20():
    counted = Counter(split_of(subject_id) for subject_id in range(100_000))
    assert abs(counted["train"] / 100_000 - 0.70) < 0.005
    assert abs(counted["validation"] / 100_000 - 0.10) < 0.004
    assert abs(counted["test"] / 100_000 - 0.20) < 0.005


def test_never_changes():
    # Computed once with `sha256sum`: printf 'zooassist-split-1:%d' N | sha256sum | cut -c1-16,
    # then the hexadecimal number over 2**64. A change here would move test subjects into training.
    # 0.1398 0.2671 0.2556 0.4502 0.9308 0.0739 0.2542
    assert [split_of(number) for number in (1, 2, 3, 4, 5, 6, 7)] == [
        *4 * ["train"],
        "test",
        "train",
        "train",
    ]
