"""The page is one file that plays its clips with their sound."""

import json
import re

from demo.av import page
from demo.av.settings import ARMS


def test_the_page(results):
    text = page.render(results)
    sources = re.findall(r'src="([^"]+)"', text)
    assert [source for source in sources if not source.startswith("data:")] == ["clips/test-00000.mp4"]
    video = re.search(r"<video[^>]*>", text)[0]
    assert "controls" in video
    assert "muted" not in video
    assert text.count('<span class="wrong">moves &lt;left&gt;.</span>') == 1 + len(ARMS)
    assert "a &lt;fast&gt; one" in text
    assert "http" not in text.replace("http://www.w3.org", "")


def test_the_same_results_give_the_same_page(results):
    assert page.render(results) == page.render(results)


def test_results_are_saved_as_json(results, tmp_path):
    results.save(tmp_path / "results.json")
    saved = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert list(saved["runs"]) == list(ARMS)
    assert saved["base"]["evaluations"]["greedy"]["speech"] == [True] * 4 + [False] * 2
