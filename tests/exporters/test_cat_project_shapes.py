"""The cat project's polygons: our marks, clusters, medians and contours against the reference's.

The expected files are outputs of panoptes_aggregation. With its repair of outlines that cross
themselves (`repair="largest"`) everything is equal; our own repair keeps what it throws away.
"""

import csv
import gzip
import json
from collections import defaultdict
from pathlib import Path

import pytest
import shapely

from zooassist_exporters.classifications import ClassificationFile
from zooassist_exporters.extracts.mark_tools import WorkflowTools
from zooassist_exporters.extracts.marks import drawn_tasks
from zooassist_exporters.reductions.shapes.areas import area_of
from zooassist_exporters.reductions.shapes.consensus import ConsensusRules, consensus
from zooassist_exporters.reductions.shapes.overlap import contours

FOLDER = Path(__file__).parents[2] / "../shared/data/exports"
VERSION = "13.19"  # the one that the expected files are of
TOOLS = (0, 1)

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no real exports in {FOLDER}")


def expected(name):
    with gzip.open(FOLDER / f"cat-project-expected-{name}.csv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def cell(row, tool, name):
    text = row[f"data.frame0.T0_toolIndex{tool}_{name}"]
    return json.loads(text) if text else None


@pytest.fixture(scope="module")
def drawn():
    """Subject -> one list of marks per classification, in the order of the file."""
    tools, found = WorkflowTools().of(VERSION), defaultdict(list)
    with ClassificationFile(FOLDER / "cat-project-classifications.csv.gz") as file:
        for row in file.rows():
            if row.workflow_version == VERSION:
                tasks = drawn_tasks(row.annotations, tools)
                assert not any(task.unusable for task in tasks)
                marks = [mark for task in tasks for mark in task.marks]
                found[row.subject_id].append((row.classification_id, marks))
    return found


def groups(drawn):
    """Yield each (subject, tool) with its marks' shapes and who drew them."""
    for subject, classifications in drawn.items():
        for tool in TOOLS:
            pairs = [
                (mark.shape, place)
                for place, (_, marks) in enumerate(classifications)
                for mark in marks
                if mark.tool_index == tool
            ]
            yield subject, tool, [shape for shape, _ in pairs], [place for _, place in pairs]


def test_the_marks_are_those_of_the_reference(drawn):
    ours = dict(entry for classifications in drawn.values() for entry in classifications)
    rows = expected("polygon_extractor")
    assert {int(row["classification_id"]) for row in rows} == set(ours)
    marks = 0
    for row in rows:
        for tool in TOOLS:
            paths = zip(cell(row, tool, "pathX") or (), cell(row, tool, "pathY") or (), strict=True)
            wanted = [tuple(zip(x, y, strict=True)) for x, y in paths]
            found = ours[int(row["classification_id"])]
            assert [m.shape.points for m in found if m.tool_index == tool] == wanted
            marks += len(wanted)
    assert marks == 157


def test_median_polygons_are_those_of_the_reference(drawn):
    rows = {int(row["subject_id"]): row for row in expected("polygon_reducer-median")}
    assert set(rows) == set(drawn)
    polygons = 0
    for subject, tool, shapes, who in groups(drawn):
        found = consensus(shapes, who, ConsensusRules(repair="largest"))
        row = rows[subject]
        assert found.labels.tolist() == (cell(row, tool, "cluster_labels") or [])
        counts = [len(each.members) for each in found.clusters]
        assert counts == (cell(row, tool, "clusters_count") or [])
        xs, ys = cell(row, tool, "clusters_x") or (), cell(row, tool, "clusters_y") or ()
        for each, x, y in zip(found.clusters, xs, ys, strict=True):
            closed = (*each.shape.points, each.shape.points[0])
            assert closed == tuple(zip(x, y, strict=True))  # vertex by vertex
            polygons += 1
        likeness = [each.likeness for each in found.clusters]
        assert likeness == pytest.approx(cell(row, tool, "consensus") or [], abs=1e-12)
    assert polygons == 31


def test_contours_are_those_of_the_reference(drawn):
    rows = defaultdict(dict)
    for row in expected("polygon_reducer_contours"):
        for tool in TOOLS:
            label = cell(row, tool, "cluster_label_for_contours")
            if label is not None:
                rows[int(row["subject_id"]), tool][int(label)] = row
    levels = 0
    for subject, tool, shapes, who in groups(drawn):
        found = consensus(shapes, who, ConsensusRules(repair="largest"))
        assert {each.label for each in found.clusters} == set(rows[subject, tool])
        for each in found.clusters:
            row = rows[subject, tool][each.label]
            wanted = zip(cell(row, tool, "contours_x"), cell(row, tool, "contours_y"), strict=True)
            ours = contours([area_of(shapes[place], "largest") for place in each.members])
            for contour, (x, y) in zip(ours, wanted, strict=True):
                theirs = shapely.Polygon(zip(x, y, strict=True)).buffer(0)
                assert contour.symmetric_difference(theirs).area < 1e-6  # of up to 90,000 px²
                levels += 1
    assert levels == 111


def test_our_repair_keeps_the_area_that_the_reference_throws_away(drawn):
    """Of 157 marks 30 cross themselves, 6 lose over 5 % there; the clusters are the same."""
    lost = crossing = 0
    for _, _, shapes, who in groups(drawn):
        ours = consensus(shapes, who, ConsensusRules())
        theirs = consensus(shapes, who, ConsensusRules(repair="largest"))
        assert ours.labels.tolist() == theirs.labels.tolist()
        for shape in shapes:
            kept, cut = area_of(shape), area_of(shape, "largest")
            crossing += not shapely.Polygon(shape.points).is_simple
            assert kept.area >= cut.area - 1e-6
            lost += cut.area < 0.95 * kept.area
    assert (crossing, lost) == (30, 6)
