"""Charts: the same numbers give the same file, and they are drawn where they belong."""

import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

from vidalign.report import figures


def axes():
    return Figure().add_subplot()


def test_equal_charts_are_equal_files():
    def draw(axes):
        figures.level(axes, 0.5, "start")
        figures.bar(axes, 0, [0.2, 0.4], "#ff0000")

    one, other = (figures.figure(draw) for _ in range(2))
    assert one == other and one.startswith("<svg") and one.rstrip().endswith("</svg>")


def test_a_band_reaches_from_the_lowest_to_the_highest_curve():
    place = axes()
    figures.band(place, "DPO", [[(0, 1.0), (1, 2.0)], [(0, 3.0), (1, 6.0)]], "red")
    [line], [band] = place.get_lines(), place.collections
    assert line.get_xydata().tolist() == [[0, 2.0], [1, 4.0]]
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices.tolist()}
    assert corners == {(0, 1.0), (0, 3.0), (1, 2.0), (1, 6.0)}


def test_a_bar_is_as_high_as_the_mean_with_a_dot_for_each_seed():
    place = axes()
    figures.bar(place, 2.0, [0.2, 0.6], "red")
    [bar], [dots] = place.patches, place.get_lines()
    assert bar.get_height() == pytest.approx(0.4) and dots.get_ydata().tolist() == [0.2, 0.6]
    assert sum(dots.get_xdata()) == pytest.approx(4.0) and len(set(dots.get_xdata())) == 2


def test_dots_only_have_a_line_at_the_mean():
    place = axes()
    figures.bar(place, 0.0, [0.2, 0.6], "red", dots_only=True)
    assert not place.patches and place.get_lines()[0].get_ydata() == pytest.approx([0.4, 0.4])
