import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidalign.data.chains.tokens import tokens


def words(text):
    return [token.word for token in tokens(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A red-haired man.", ["a", "red", "haired", "man"]),
        ("The man’s hat isn't RED", ["the", "man", "'s", "hat", "isn't", "red"]),
        ("It's 25 o'clock", ["it", "'s", "25", "o'clock"]),
        ("猫が走る two", ["猫", "が", "走", "る", "two"]),
        ("café naïve ＡＢ", ["café", "naïve", "ab"]),
        ("...", []),
        ("", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_places_are_those_of_the_text():
    text = "A “red” dog’s bone."
    assert [text[token.start : token.end] for token in tokens(text)] == ["A", "red", "dog", "’s", "bone"]


@given(st.text(alphabet="aS's09 -_.\n'", max_size=30))
def test_words_in_ascii_are_those_of_any_text(text):
    # A letter at the end that is not of ASCII takes the other way.
    assert tokens(text) == tokens(text + " é")[:-1]
