from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def curves(benchmark_module):
    return benchmark_module("curve_chart")


def panel(curves, *series, **more):
    return curves.Panel("a & b", series, (10.0, 100.0, 1000.0), "labels", "error", **more)


def test_x_is_logarithmic(curves):
    dots = ((10.0, 1.0), (100.0, 2.0), (1000.0, 3.0))
    drawn = curves.chart([panel(curves, curves.Series("x < y", points=dots))], "name")
    found = ElementTree.fromstring(drawn).findall(f".//{SVG}circle")
    x = [float(each.get("cx")) for each in found]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.11)


def test_x_is_a_plain_number_where_asked(curves):
    dots = ((0.0, 1.0), (0.5, 2.0), (1.0, 3.0))
    made = curves.Panel("p", (curves.Series("s", points=dots),), (0.0, 1.0), "x", "y", log_x=False)
    x = [
        float(each.get("cx"))
        for each in ElementTree.fromstring(curves.chart([made], "name")).iter(f"{SVG}circle")
    ]
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.11)


def test_many_names_have_a_look_and_a_place_of_their_own(curves):
    line = ((10.0, 1.0), (100.0, 2.0))
    series = [curves.Series(f"name {number}", line=line) for number in range(10)]
    tree = ElementTree.fromstring(curves.chart([panel(curves, *series)], "name"))
    looks = {
        (each.get("stroke"), each.get("stroke-dasharray")) for each in tree.iter(f"{SVG}polyline")
    }
    assert len(looks) == 10
    places = {
        (each.get("x"), each.get("y"))
        for each in tree.iter(f"{SVG}text")
        if (each.text or "").startswith("name")
    }
    assert len(places) == 10
    height = float(tree.get("viewBox").split()[3])
    assert max(float(y) for _, y in places) < height


def test_y_is_logarithmic_where_asked(curves):
    dots = ((10.0, 1.0), (100.0, 10.0), (1000.0, 100.0))
    series = curves.Series("s", points=dots)
    drawn = curves.chart([panel(curves, series, log_y=True)], "name")
    y = [float(each.get("cy")) for each in ElementTree.fromstring(drawn).iter(f"{SVG}circle")]
    assert y[0] - y[1] == pytest.approx(y[1] - y[2], abs=0.11)


def test_one_legend_for_all_panels_and_one_colour_for_a_name(curves):
    first, second = (curves.Series(name, line=((10.0, 1.0), (100.0, 2.0))) for name in "AB")
    drawn = curves.chart([panel(curves, first, second), panel(curves, second)], "name")
    tree = ElementTree.fromstring(drawn)
    lines = [each.get("stroke") for each in tree.iter(f"{SVG}polyline")]
    assert lines[1] == lines[2] != lines[0]
    assert [each.text for each in tree.iter(f"{SVG}text")].count("B") == 1


def test_nothing_to_draw_is_refused(curves):
    with pytest.raises(ValueError, match="expected points"):
        curves.chart([panel(curves)], "name")


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.34), (23.4, 31.0), (0.0, 1.0), (5.0, 5.0)])
def test_ticks_are_few_round_and_around(curves, low, high):
    ticks = curves.nice_ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    assert len(ticks) <= 8


def test_long_names_get_a_row_each_where_there_is_no_room(curves):
    names = ("a rather long name of a way", "another long name of a way", "short")
    series = [curves.Series(name, line=((10.0, 1.0), (1000.0, 2.0))) for name in names]

    def rows(panels):
        picture = curves.chart([panel(curves, *series)] * panels, "long names")
        texts = ElementTree.fromstring(picture).iter(f"{SVG}text")
        return len({each.get("y") for each in texts if each.text in names})

    assert rows(1) == 3
    assert rows(3) == 1
