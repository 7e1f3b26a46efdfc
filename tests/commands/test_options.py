"""A documented function as a command line, with files of options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import yaml

from vidalign.commands.options import FunctionParser


@dataclass(frozen=True)
class Settings:
    """How.

    Args:
        mode: one of two.
        hidden: is no option.
    """

    mode: Literal["slow", "fast"] = "slow"
    hidden: int = 7


def make(
    rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    output: str | os.PathLike[str],
    judge: object = None,
    *,
    method: str,
    max_words: int = 5,
    share: float | None = None,
    names: Sequence[str] | None = None,
    folders: Iterable[str] = ("here",),
    title: str | None = None,
    sound: bool = True,
    overwrite: bool = False,
) -> None:
    """Makes something of rows.

    What the help leaves out.

    Args:
        rows: where from.
        output: where to.
        judge: is no option.
        method: how; 100% or less.
        max_words: most words.
        share: of all,
            in two lines.
        names: some.
        folders: others.
        title: of it.
        sound: with it.
        overwrite: what is there.
    """


@pytest.fixture
def parser():
    return FunctionParser(make, "make", settings=[Settings], skip=["judge", "hidden"])


def values(parser, *args):
    parsed = parser.parse(args)
    return {**parser.arguments(parsed), "mode": parser.setting(Settings, parsed).mode}


DEFAULTS = {
    "rows": "a", "output": "b", "method": "m", "max_words": 5, "share": None, "names": None, "folders": ["here"],
    "title": None, "sound": True, "overwrite": False, "mode": "slow",
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["--max-words", "3"], {"max_words": 3}),
        (["--max_words=3"], {"max_words": 3}),
        (["--share", "1e-3"], {"share": 0.001}),
        (["--names", "x", "--names", "y, [z]"], {"names": ["x", "y, [z]"]}),
        (["--folders", "there"], {"folders": ["there"]}),
        (["--title", "a: b_c"], {"title": "a: b_c"}),
        (["--title=--x_y"], {"title": "--x_y"}),
        (["--title", "5"], {"title": "5"}),
        (
            ["--no-sound", "--overwrite", "--mode", "fast"],
            {"sound": False, "overwrite": True, "mode": "fast"},
        ),
    ],
)
def test_options_are_the_function_s(parser, words, expected):
    assert values(parser, "a", "b", "--method", "m", *words) == {**DEFAULTS, **expected}


@pytest.mark.parametrize("text", ["null", "a: b", "[1, 2]", "5", "- a", "{}", "~/a"])
def test_a_path_is_taken_as_it_is(parser, text):
    assert values(parser, text, text, "--method", "m")["rows"] == text


def test_the_help_is_the_docstring_s(parser, capsys):
    with pytest.raises(SystemExit) as stop:
        parser.parse(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0
    assert told.startswith(
        "usage: make ROWS OUTPUT --method METHOD [options] Makes something of rows. positional"
    )
    for part in (
        "ROWS where from.",
        "--method METHOD how; 100% or less.",
        "--max-words MAX_WORDS most words. (default: 5)",
        "--share SHARE of all, in two lines. --names",
        "--folders FOLDERS others. (default: here)",
        "--sound, --no-sound with it. (default: yes)",
        "--overwrite, --no-overwrite what is there. --mode",
    ):
        assert part in told
    assert "judge" not in told and "hidden" not in told and "leaves out" not in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a"], "the following arguments are required: OUTPUT, --method"),
        (["a", "b", "c", "--method", "m"], "unrecognized arguments: c"),
        (["a", "b", "--method", "m", "--max-word", "3"], "unrecognized arguments: --max-word 3; did you mean --max-words?"),
        (["a", "b", "--method", "m", "--max-words", "x"], "--max-words: 'x' is not a whole number"),
        (["a", "b", "--method", "m", "--share", "x"], "--share: 'x' is not a number"),
        (["a", "b", "--method", "m", "--mode", "other"], "--mode: 'other' is not one of slow, fast"),
        (["a", "b", "--method"], "argument --method: expected one argument"),
        (["a", "b", "--method", "m", "--names"], "argument --names: expected one argument"),
        (["a", "b", "--method", "m", "--config"], "argument --config: expected one argument"),
        (["a", "b", "--method", "m", "--config", "--names", "x"], "argument --config: expected one argument"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_one_line(parser, capsys, words, said):
    with pytest.raises(SystemExit) as stop:
        parser.parse(words)
    [line] = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2 and line.startswith(f"make: {said}")


@pytest.fixture
def file(tmp_path):
    def write(name="options.yaml", text=None, **given):
        path = tmp_path / name
        path.write_text(yaml.safe_dump(given) if text is None else text)
        return str(path)

    return write


def test_what_is_given_stands_above_a_file_and_a_later_file_above_an_earlier_one(parser, file):
    first = file("1.yaml", rows="a", output="o", method="m", max_words=1, names=["x", "y"], sound=False)
    second = file("2.yaml", output="p", share=0.5)
    # Wherever it stands.
    found = values(parser, "--max-words", "3", "--names", "z", "--config", first, f"--config={second}")
    assert found == {
        **DEFAULTS, "output": "p", "max_words": 3, "share": 0.5, "names": ["z"], "sound": False
    }  # fmt: skip
    assert values(parser, "other", "--config", first)["rows"] == "other"


def test_a_file_s_keys_may_have_dashes_one_text_is_a_list_and_null_is_nothing(parser, file):
    given = file(
        text="rows: a\noutput: b\nmethod: m\nmax-words: 3\nnames: x\ntitle: null\nshare:\noverwrite: yes\n"
    )
    expected = {**DEFAULTS, "max_words": 3, "names": ["x"], "overwrite": True}
    assert values(parser, "--config", given) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_word: 3", "unknown key 'max_word'; did you mean max_words?; known are rows, output, method"),
        ("judge: x", "unknown key 'judge'; known are"),
        ("config: x.yaml", "unknown key 'config'; known are"),
        ("max_words: many", "max_words: 'many' is not a whole number"),
        ("max_words: 1.5", "max_words: '1.5' is not a whole number"),
        ("names: 3", "names: '3' is not a list of texts"),
        ("title: [a]", "title: \"['a']\" is not text"),
        ("mode: other", "mode: 'other' is not one of slow, fast"),
        ("overwrite: perhaps", "overwrite: 'perhaps' is not yes or no"),
        ("- rows", "it must hold keys and values"),
        ("a: [b", "it is not YAML"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_file_and_key(parser, file, capsys, text, said):
    given = file(text=text)
    with pytest.raises(SystemExit) as stop:
        parser.parse(["a", "b", "--method", "m", "--config", given])
    [line] = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2 and line.startswith(f"make: {given}: {said}")


def test_a_missing_file_is_named(parser, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        parser.parse(["--config", str(tmp_path / "none.yaml")])
    assert stop.value.code == 2 and "none.yaml: it cannot be read" in capsys.readouterr().err


def printed(parser, capsys, *words):
    with pytest.raises(SystemExit) as stop:
        parser.parse([*words, "--print-config"])
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_what_is_printed_can_be_given_back(parser, file, capsys):
    words = [
        "a: b",
        "o",
        "--method",
        "m",
        "--names",
        "x, y",
        "--names",
        "z",
        "--title",
        "Größe # 1",
        "--no-sound",
    ]
    text = printed(parser, capsys, *words)
    given = file(text=text)
    assert printed(parser, capsys, "--config", given) == text
    assert values(parser, "--config", given) == values(parser, *words)
    # Also what is not whole yet.
    assert "rows: null" in printed(parser, capsys, "--max-words", "9")
