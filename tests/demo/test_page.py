"""The page is whole, and shows what the results hold."""

import json
import re
from html.parser import HTMLParser

import pytest

from demo import page


class Tags(HTMLParser):
    """Opened and closed in order, and the sources that the page names."""

    def __init__(self):
        super().__init__()
        self.open, self.sources = [], []

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def own_sources(text):
    tags = Tags()
    tags.feed(text)
    assert not tags.open
    return [source for source in tags.sources if not source.startswith("data:image/svg+xml;base64,")]


def test_the_page_is_whole(results, tmp_path):
    page.write(results, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert own_sources(text) == ["clips/test-00000.mp4"] * 2
    assert text.count("<figure>") == 7 + 6 + 1
    assert re.search(r"<video [^>]*controls loop muted", text)
    for cell in (
        "0.550 ± 0.071",
        "the background is grey. a red circle moves left.",
        "commit abc",
        "a &lt;fast&gt; one",
    ):
        assert cell in text
    assert (
        '<span class="wrong">the background is pink.</span> <span class="right">a red circle</span>' in text
    )
    assert "write the world 3 s; pairs: try learning rates 7 s; total 10 s" in text


def test_a_chain_is_shown_with_its_errors(results):
    text = page.render(results)
    assert '<td class="caption">a red &lt;circle&gt;</td><td>−2.0</td><td>−2.0</td>' in text
    # The checkpoint puts the second caption above the first.
    assert (
        '<td class="caption">a <span class="wrong">blue</span> &lt;circle&gt;</td><td class="wrong">−1.5</td><td>−3.0</td>'
        in text
    )


@pytest.mark.parametrize(("part", "other"), [("pairs", "Chains"), ("chains", "Pairs")])
def test_a_part_alone_is_a_page_too(results, part, other):
    setattr(results, "chains" if part == "pairs" else "pairs", None)
    text = page.render(results)
    assert own_sources(text) == ["clips/test-00000.mp4"]
    assert f"<h2>{part.capitalize()}: " in text
    assert f"<h2>{other}: " not in text
    assert "How it was run" in text


def test_the_same_results_give_the_same_page(results):
    assert page.render(results) == page.render(results)


def test_results_are_saved_as_json(results, tmp_path):
    results.save(tmp_path / "results.json")
    saved = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert saved["pairs"]["runs"]["DPO"][1]["evaluation"]["recall"] == pytest.approx([0.6, 0.5, 0.7, 0.6])
    assert saved["chains"]["runs"]["frozen"]["MPO"][0]["evaluation"]["chain_logps"][0] == [-1.0, -2.0, -3.0]
    assert saved["environment"]["hardware"] == "a <fast> one"
