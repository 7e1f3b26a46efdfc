"""Every value of a recipe stands where its comment says, and every place that a recipe names exists in its paper."""

import re

import pytest
import yaml
from papers import NAMES, PLACES, ROWS, STATED

from vidalign import cli

every_recipe = pytest.mark.parametrize("name", cli.recipe_names())

DESCRIPTION = ("recipe", "method", "paper", "hardware")
NUMBER = r"\d+(?:\.\d+)*"


def places_in(text, appendices=r"[A-Z](?:\.\d+)*"):
    """The places that a text cites, in the form of `PLACES`: "sections 3.3 and 5" are two."""
    found = set()
    for numbers in re.findall(rf"[Ss]ections? ({NUMBER}(?:(?:, | and ){NUMBER})*)", text):
        found |= {f"section {number}" for number in re.findall(NUMBER, numbers)}
    for first, last in re.findall(r"Tables (\d+)(?: to |-)(\d+)", text):
        found |= {f"Table {number}" for number in range(int(first), int(last) + 1)}
    for kind, word in (("Table", "Tables?"), ("Figure", r"(?:Figures?|Figs?\.)"), ("Eq.", r"Eqs?\.")):
        for numbers in re.findall(rf"{word} (\d+(?:(?:, | and )\d+)*)", text):
            found |= {f"{kind} {number}" for number in re.findall(r"\d+", numbers)}
    return found | {f"App. {letter}" for letter in re.findall(rf"App\. ({appendices})(?!\w)", text)}


def rows_in(text):
    """(table, name of a row or column) pairs that a text cites."""
    named = re.findall(r'Table (\d+),?(?: rows?| columns?)? "([^"]+)"', text)
    numbered = re.findall(r"Table (\d+)'s row (\[\d+\])", text)
    return {(f"Table {table}", row) for table, row in named + numbered}


def paper_of(name, text):
    """The paper that a line is about: the folder's, or in recipes of no paper the one that it names."""
    folder = name.split("/")[0]
    if folder in PLACES:
        return folder
    return next((paper for words, paper in NAMES.items() if words in text), None)


def lines_of(name):
    return (cli.RECIPES / f"{name}.yaml").read_text("utf-8").splitlines()


def entries_of(name):
    """(key, value, comment) of each line with a value; items of a list are entries of their own."""
    recipe = yaml.safe_load("\n".join(lines_of(name)))
    batch = recipe["per_device_train_batch_size"] * recipe["gradient_accumulation_steps"]
    batch *= int((re.search(r"--num_processes (\d+)", "\n".join(lines_of(name))) or [0, 1])[1])
    listed = None
    for line in lines_of(name):
        code, _, comment = line.partition(" # ")
        if not line or line.startswith("#"):
            continue
        if line.startswith("  - "):
            yield listed, code.removeprefix("  - "), comment
            continue
        key = listed = code.split(":")[0]
        if key not in DESCRIPTION:
            yield (
                ("batch", batch, comment)
                if key == "per_device_train_batch_size"
                else (
                    key,
                    recipe[key],
                    comment,
                )
            )


def stated(paper, place, key, method):
    values = STATED.get((paper, place), {}).get(key, [])
    return values.get(method, []) if isinstance(values, dict) else values


def wrong_source(paper, key, value, comment, method):
    """What is wrong with the source that a comment names, None if nothing is.

    A source is `ours`, `code` (or `X's released code`), "see above", or places up to the first semicolon, in each of
    which the value has to stand.
    """
    if comment.startswith(("ours", "see above")):
        return None
    if comment.startswith("code") or "'s released code" in comment:
        cited = {"code"}
    else:
        cited = places_in(comment.split(";")[0])
    if not cited:
        return "names no source"
    missing = sorted(place for place in cited if value not in stated(paper, place, key, method))
    return f"does not stand in {paper}'s {', '.join(missing)}" if missing else None


@every_recipe
def test_every_value_stands_where_it_is_said_to(name):
    method = yaml.safe_load("\n".join(lines_of(name)))["method"]
    wrong = [
        f"{key}: {value!r} # {comment}: {problem}"
        for key, value, comment in entries_of(name)
        if (problem := wrong_source(paper_of(name, comment), key, value, comment, method))
    ]
    assert not wrong


@every_recipe
def test_every_place_that_is_named_exists(name):
    # Sentences of the opening comment go over lines.
    text = re.sub(r"\n# ?", " ", "\n".join(lines_of(name)))
    for line in [text, *lines_of(name)] if name.split("/")[0] in PLACES else lines_of(name):
        paper, places = paper_of(name, line), places_in(line)
        assert places <= PLACES.get(paper, set()), (paper, sorted(places - PLACES.get(paper, set())), line)
        for table, row in rows_in(line):
            assert row in ROWS.get((paper, table), ()), (paper, table, row)


def test_the_tables_agree():
    for paper, place in STATED:
        assert place == "code" or place in PLACES[paper], (paper, place)
    for paper, table in ROWS:
        assert table in PLACES[paper], (paper, table)


# --- what the checks themselves catch ---------------------------------------------------------------------------------


def test_places_are_read():
    assert places_in("sections 3.3 and 5, Tables 1 to 4 (App. D.2; Figure 6)") == {
        "section 3.3", "section 5", "Table 1", "Table 2", "Table 3", "Table 4", "App. D.2", "Figure 6",
    }  # fmt: skip
    assert places_in("Eq. 2 and 3; Tables 5 and 6, Section 3.1: batch 4") == {
        "Eq. 2", "Eq. 3", "Table 5", "Table 6", "section 3.1",
    }  # fmt: skip
    assert places_in("ours, 2.0 of all. Appendix") == set()
    assert rows_in("Table 3's row [10], Table 4 \"AVoCaDO-SFT\", Table 2, row \"DPO\" of") == {
        ("Table 3", "[10]"), ("Table 4", "AVoCaDO-SFT"), ("Table 2", "DPO"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "comment", "problem"),
    [
        ("learning_rate", 5e-7, "section 5", None),
        ("learning_rate", 5e-7, "section 4", "does not stand in llava_hound's section 4"),
        ("learning_rate", 5e-7, "section 5, section 4", "does not stand in llava_hound's section 4"),
        ("learning_rate", 5e-7, "section 5; not section 4", None),
        ("learning_rate", 5e-6, "section 5", "does not stand in llava_hound's section 5"),
        ("save_steps", 70, "code; Figure 6", None),
        ("save_steps", 71, "code", "does not stand in llava_hound's code"),
        ("save_steps", 71, "ours; as in the code", None),
        ("save_steps", 70, "of the paper", "names no source"),
        ("save_steps", 70, "", "names no source"),
    ],
)
def test_wrong_sources_are_found(key, value, comment, problem):
    assert wrong_source("llava_hound", key, value, comment, "dpo") == problem


def test_a_place_that_no_paper_has():
    assert "section 6.1" not in PLACES["synpo"]
    assert not places_in("section 6.1") <= PLACES["synpo"]
