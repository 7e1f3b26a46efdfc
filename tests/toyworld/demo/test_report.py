"""Table, sentences and page say what the numbers say."""

import json
import math
import re
from html.parser import HTMLParser

import pytest

from vidalign.toyworld.demo import page, summary, table
from vidalign.toyworld.demo.results import clip_recall, difference, spread


def test_differences_are_paired_over_clips():
    # Gaps 0.1, 0.1, 0.4: mean 0.2, sample variance (0.01 + 0.01 + 0.04) / 2 = 0.03, error sqrt(0.03 / 3) = 0.1.
    gap = difference([0.6, 0.3, 0.9], [0.5, 0.2, 0.5])
    assert gap.mean == pytest.approx(0.2)
    assert gap.error == pytest.approx(0.1)
    assert gap.errors == pytest.approx(2.0)
    assert difference([0.5, 0.5], [0.5, 0.5]).errors == 0
    assert difference([0.75, 0.75], [0.5, 0.5]).errors == math.inf


def test_spread_is_the_sample_deviation():
    assert spread([1.0, 3.0]) == (2.0, pytest.approx(math.sqrt(2)))
    assert spread([0.7]) == (0.7, 0.0)


def test_a_clips_recall_is_its_mean_over_seeds(results):
    assert clip_recall(results.runs["DPO"]) == pytest.approx([0.55, 0.45, 0.65, 0.55])


def test_the_table_has_a_row_a_method(results):
    rows = {row[0]: row[1:] for row in summary.rows(results)}
    assert rows["SFT"] == ("0.600", "0.500", "", "−2.00", "−3.00", "0.250", "120 MB")
    # DPO's seeds have recall 0.5 and 0.6; paired with the checkpoint: -0.05, 0.05, -0.15, -0.05.
    assert rows["DPO"][:3] == ("0.550 ± 0.071", "0.500 ± 0.000", "−0.050 (0.041)")
    assert rows["DPO"][3:5] == ("−2.55", "−9.00")
    assert all(len(row) == len(summary.HEADERS) for row in summary.rows(results))


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.02, "within noise"), (0.04, "a hint"), (0.2, "beyond noise")]
)
def test_verdicts_follow_the_standard_errors(results, shift, verdict):
    base = results.base.evaluation.recall
    # Gaps shift - 0.05 and shift + 0.05, twice each: error sqrt((4 * 0.05^2 / 3) / 4) = 0.0289.
    gaps = [shift - 0.05, shift + 0.05] * 2
    for run in results.runs["DPO"]:
        run.evaluation.recall[:] = [value + gap for value, gap in zip(base, gaps, strict=True)]
    said = next(text for text in summary.sentences(results) if text.startswith("DPO against the checkpoint"))
    assert verdict in said


def test_all_comparisons_are_made_and_none_is_hidden(results):
    said = " ".join(summary.sentences(results))
    for title in ("DPO", "SynPO", "SFT on best"):
        assert f"{title} against the checkpoint: recall" in said
        assert f"{title} moves the log-prob of chosen captions from −2.00 to" in said
    for pair in ("DPO against SynPO", "DPO against SFT on best", "SynPO against SFT on best"):
        assert pair in said
    assert "Of 100 fresh clips, 80 gave a pair and 20" in said


def test_a_rate_at_the_edge_of_the_grid_is_confessed(results):
    assert any("highest learning rate" in text for text in summary.caveats(results))


def test_the_terminal_shows_the_table(results):
    text = table.render(results)
    assert "0.550 ± 0.071" in text
    assert "beyond noise" in text
    assert len({len(line) for line in text.splitlines()[:6]}) == 1
    assert max(map(len, text.splitlines())) <= table.WIDTH


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


def test_the_page_is_whole(results, tmp_path):
    page.write(results, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    # Nothing is fetched from elsewhere; clips lie beside the page.
    assert [source for source in tags.sources if not source.startswith("data:image/svg+xml;base64,")] == [
        "clips/test-00000.mp4"
    ]
    assert text.count("<figure>") == 8
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
    assert "write the world 3 s; try learning rates 7 s; total 10 s" in text


def test_the_same_results_give_the_same_page(results):
    assert page.render(results) == page.render(results)


def test_results_are_saved_as_json(results, tmp_path):
    results.save(tmp_path / "results.json")
    saved = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert saved["runs"]["DPO"][1]["evaluation"]["recall"] == pytest.approx([0.6, 0.5, 0.7, 0.6])
    assert saved["environment"]["hardware"] == "a <fast> one"
