"""The comparisons on the terminal."""

import pytest

from demo.chains.summary import summarise as summarise_chains
from demo.pairs.summary import summarise as summarise_pairs
from vidalign.report import tables


@pytest.mark.parametrize("summarise", [summarise_pairs, summarise_chains])
def test_the_terminal_shows_the_table(results, summarise):
    summary = summarise(results)
    title, _, *lines = tables.render(summary).splitlines()
    assert title == summary.title
    assert len({len(line) for line in lines[: len(summary.rows) + 2]}) == 1
    assert max(map(len, lines)) <= tables.WIDTH
    text = " ".join(line.removeprefix("- ").strip() for line in lines)
    assert all(sentence in text for sentence in (*summary.sentences, *summary.notes, *summary.caveats))
