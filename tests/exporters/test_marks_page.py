"""The page about marks: its example runs, and it names the options and defaults that there are."""

import re
from pathlib import Path

import numpy as np

from zooassist_exporters.marks_command import marks
from zooassist_exporters.matching.assignment import Nearness
from zooassist_exporters.matching.labelling import TOO_SHORT
from zooassist_exporters.reductions.shapes.consensus import ConsensusRules

PAGE = (Path(__file__).parents[2] / "docs/marks.md").read_text(encoding="utf-8")


def test_the_example_gives_what_its_comments_say():
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    found = {"array": np.array}
    exec(code, found)
    for line in code.splitlines():
        expression, comment, value = line.partition("#")
        if comment:
            assert repr(eval(expression, found)) == value.strip()


def test_the_options_on_the_page_exist():
    known = {name for option in marks.params for name in option.opts}
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    assert named - known == set()
    shown = {"--eps", "--min-samples", "--min-cluster-size", "--xi", "--average", "--repair"}
    assert shown <= named


def test_the_defaults_on_the_page_are_those_of_the_code():
    rules = ConsensusRules()
    points, outlines = rules.clustering("circle"), rules.clustering("polygon")
    assert f"| `--cluster dbscan --eps` | {points.eps:g} | {outlines.eps:g} |" in PAGE
    assert f"| `--min-samples` | {points.min_samples} | {outlines.min_samples} |" in PAGE
    assert f"at least {Nearness().iou} (`--edited-iou`)" in PAGE
    assert f"within {Nearness().pixels:g} px (`--edited-pixels`)" in PAGE
    assert f"within {TOO_SHORT:g} seconds (`--not-loaded-below`)" in PAGE
    by_name = {option.name: option.default for option in marks.params}
    assert by_name["edited_iou"] == Nearness().iou
    assert by_name["edited_pixels"] == Nearness().pixels
    assert by_name["not_loaded_below"] == TOO_SHORT
    assert by_name["xi"] == rules.xi
    sizes = [
        ConsensusRules(how).clustering("point").min_cluster_size for how in ("hdbscan", "optics")
    ]
    assert (
        "(`--min-cluster-size` {}), `--cluster optics` ({}, `--xi` {})".format(*sizes, rules.xi)
        in PAGE
    )
