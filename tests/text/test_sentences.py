"""Sentences, quotations and words."""

from vidalign.text.sentences import sentences


def read(text):
    """The words of each sentence, those of quotations in their place."""
    return [" ".join(token.word for token in sentence.opened) for sentence in sentences(text)]


def quotes(text):
    return [t for sentence in sentences(text) for t in sentence.tokens if t.role == "quote"]


def test_where_sentences_end():
    assert read("a red circle . it moves 3.5 m! ok? x;y\nz") == [
        "a red circle",
        "it moves 3.5 m",
        "ok",
        "x",
        "y",
        "z",
    ]
    assert read("人走。狗叫！") == ["人 走", "狗 叫"]
    assert read("Mr. Smith visits example.com today.") == ["mr smith visits example.com today"]
    assert read(" . ?! \n") == []


def test_quotations_stay_within_their_sentence():
    assert read('He says, "Stop! Go." A dog barks.') == ["he says stop go", "a dog barks"]
    assert read('"Stop!" he says.') == ["stop he says"]
    assert ["?" in s.end for s in sentences('He asks, "Is it?" Is it?')] == [False, True]


def test_contractions_possessives_and_hyphens():
    assert read("It's the man's; he can’t and they're") == ["it is the man's", "he can not and they are"]
    assert read("well-known red - blue") == ["well-known red - blue"]
    assert next(sentences("red - blue")).tokens[1].role == "pause"


def test_quotes_of_every_kind():
    text = "\"a\" “b” „c“ «d» 「e」 『f』 ‘g’s’ 'h'"
    assert [quote.word for quote in quotes(text)] == ["a", "b", "c", "d", "e", "f", "g’s", "h"]
    assert all(text[quote.start + 1 : quote.end - 1] == quote.word for quote in quotes(text))


def test_apostrophes_inches_and_lone_marks_are_no_quotes():
    assert quotes("the boys' dog isn't the man’s, rock 'n roll") == []
    assert quotes('a 5" and a 6" circle, “never closed, "nor this\n"') == []


def test_what_ends_a_sentence_stands_with_it():
    text = "All:\n- a cat\n- a dog; a bird\n\nReally...?! A dog barks. It “runs.” It"
    assert [sentence.end for sentence in sentences(text)] == ["\n", "; ", "\n\n", "...?! ", ". ", "", "\n"]
    assert [sentence.quotes for sentence in sentences(text)] == [False] * 5 + [True, False]
