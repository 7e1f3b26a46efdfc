"""Pieces of a page: what was measured is text in it, never markup."""

import base64
import re
from dataclasses import dataclass, field

import pytest

from vidalign.report import Summary, html

SIGNS = "<b>&\"'"
ESCAPED = "&lt;b&gt;&amp;&quot;&#x27;"


def summary(columns=2):
    headers = [f"h{number}{SIGNS}" for number in range(columns)]
    return Summary("t", headers, [[f"row{SIGNS}", *[SIGNS] * (columns - 1)]], [f"note{SIGNS}"], [], [])


@dataclass
class Clip:
    video: str = f"{SIGNS}.mp4"
    reference: str = f"reference {SIGNS} ."
    spans: dict = field(default_factory=lambda: {"DPO": [(f"right {SIGNS}", True), ("wrong .", False)]})


@pytest.mark.parametrize(
    "made",
    [
        html.page(SIGNS, SIGNS, SIGNS, []),
        html.section(SIGNS, ""),
        html.listed([SIGNS]),
        html.notes([SIGNS]),
        html.facts({SIGNS: SIGNS}),
        html.table(summary(), {}),
        html.charts([(SIGNS, "<svg/>")]),
        html.video(f"{SIGNS}.mp4"),
        html.clips([Clip()], {"DPO": "red"}),
    ],
)
def test_signs_of_html_are_text(made):
    assert SIGNS not in made and "<b>" not in made and ESCAPED in made


def test_a_page_is_whole():
    text = html.page(
        "Title", "Heading", "Lead", [html.section("One", "<p>1</p>"), html.section("Two", "<p>2</p>")]
    )
    assert text.startswith("<!doctype html>") and text.endswith("</html>\n")
    for tag in ("html", "head", "title", "style", "body", "main", "h1", "p", "section", "h2"):
        assert len(re.findall(rf"<{tag}[ >]", text)) == text.count(f"</{tag}>"), tag
    assert text.index("One") < text.index("Two")


@pytest.mark.parametrize(("columns", "many"), [(html.MANY, False), (html.MANY + 1, True)])
def test_a_table_of_many_columns_is_set_smaller(columns, many):
    assert ('class="many"' in html.table(summary(columns), {})) is many


def test_rows_have_the_colours_of_their_methods():
    table = Summary("t", ["m"], [["DPO"], ["DPO, seed 1"], ["other"]], [], [], [])
    text = html.table(table, {"DPO": "#123456"})
    assert text.count("background:#123456") == 2


def test_a_chart_is_an_image_of_its_svg():
    [data] = re.findall(r"base64,([^\"]+)", html.charts([("Loss", "<svg>x</svg>")]))
    assert base64.b64decode(data) == b"<svg>x</svg>"


def test_a_video_with_sound_waits_to_be_played():
    assert "autoplay" in html.video("a.mp4") and "autoplay" not in html.video("a.mp4", sound=True)
    assert "autoplay" not in html.clips([Clip()], {"DPO": "red"}, sound=True)


def test_pieces_of_a_caption_are_marked():
    marked = html.spans([("a dog", True), ("flies .", False)])
    assert marked == '<span class="right">a dog</span> <span class="wrong">flies.</span>'
    assert "(nothing)" in html.spans([])
