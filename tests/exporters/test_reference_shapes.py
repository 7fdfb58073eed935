"""Clusters of the tools with parameters equal those of panoptes_aggregation's DBSCAN reducer.

Its outputs were kept (tests/data/reference), so that it need not be installed.
"""

import json
from pathlib import Path

import pytest

from zooassist_exporters.reductions.shapes.circular import arc
from zooassist_exporters.reductions.shapes.consensus import ConsensusRules, consensus
from zooassist_plugin.dialects.aggregation import shape_from_aggregation, shape_to_aggregation

FILE = Path(__file__).parents[1] / "data/reference/shape_reducer_dbscan.json"
CASES = json.loads(FILE.read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['tool']}-{case['metric']}")
def test_clusters_and_means_are_those_of_the_reference(case):
    drawn = [
        (shape_from_aggregation(case["tool"], mark), volunteer)
        for volunteer, marks in enumerate(case["volunteers"])
        for mark in marks
    ]
    rules = ConsensusRules(metric=case["metric"])
    found = consensus([shape for shape, _ in drawn], [who for _, who in drawn], rules)
    assert found.labels.tolist() == case["labels"]
    assert [len(each.members) for each in found.clusters] == case["counts"]
    means = case.get("means", [None] * len(found.clusters))  # only of clusters by pixels
    for each, mean in zip(found.clusters, means, strict=True):
        if mean is None:
            continue
        ours = shape_to_aggregation(each.shape)
        if "angle" in mean:  # it minimises numerically, and ours may be half a turn away
            assert arc(ours.pop("angle"), mean.pop("angle"), 180) < 0.01
        assert ours == pytest.approx(mean, abs=1e-5)
