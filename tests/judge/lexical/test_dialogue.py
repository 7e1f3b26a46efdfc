"""Which quotations are speech, and whose."""

import pytest


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ('The man in the red hat says, "Hello there."', [("The man in the red hat", "Hello there.")]),
        ('The man with blue glasses says "Hi".', [("The man with blue glasses", "Hi")]),
        ("He says “Don’t go.” She asks, «Why?»", [("He", "Don’t go."), ("She", "Why?")]),
        ("‘Don’t go,’ says Anna.", [("Anna", "Don’t go,")]),
        ("He says: 'hello there, don't go'", [("He", "hello there, don't go")]),
        ("Er sagt nichts, she says „Hallo“.", [("she", "Hallo")]),
        ("男人说：“你好。”", [("男人", "你好。")]),
        ("男人说：「你好」", [("男人", "你好")]),
        ('"Hi," says the man in the crowd.', [("the man in the crowd", "Hi,")]),
        ('"Hi," the tall man shouts.', [("the tall man", "Hi,")]),
        ('"Yes," he says, nodding. "Of course."', [("he", "Yes,"), ("he", "Of course.")]),
        ('"Is it?" he asks, "Or not?"', [("he", "Is it?"), ("he", "Or not?")]),
        ('"Hi," says the man who answered, "come in."', [("the man who answered", "Hi, come in.")]),
        ('"Stop!" The man shouts "Go!"', [("The man", "Go!")]),
        ('He opens by saying "Hi".', [("unknown", "Hi")]),
        ('The boys, laughing, shout "Hi".', [("The boys", "Hi")]),
        ('He hears Anna shout "Fire".', [("Anna", "Fire")]),
        ('The family says "Hi".', [("The family", "Hi")]),
        ('The man who holds a sign says "Hi".', [("The man who holds a sign", "Hi")]),
        ('A man is standing at the door and says "Hi".', [("A man", "Hi")]),
        ('"Stop!" The man shouts.', [("The man", "Stop!")]),
        ('"Hello" is said by a tall man.', [("a tall man", "Hello")]),
        ('"Yes," he says, "of course."', [("he", "Yes, of course.")]),
        ('"Yes," he says. "Of course."', [("he", "Yes,"), ("he", "Of course.")]),
        ('He says, "A." and then "B."', [("He", "A."), ("He", "B.")]),
        ('"Hi," says the man. "Bye," the woman whispers.', [("the man", "Hi,"), ("the woman", "Bye,")]),
        ('"Hi," says the man, and the woman replies, "Bye."', [("the man", "Hi,"), ("the woman", "Bye.")]),
        ('The man turns to her and says "Go away".', [("The man", "Go away")]),
        ('He turns around, saying, "What is it?"', [("He", "What is it?")]),
        ('The man, smiling, says softly: "Yes"', [("The man", "Yes")]),
        ('A boy is heard shouting, "Help!"', [("A boy", "Help!")]),
        ('A woman hears a boy shout "Fire".', [("a boy", "Fire")]),
        ('The camera cuts to a woman who asks, "Where?"', [("a woman", "Where?")]),
        ('In the kitchen, a girl sang "La la".', [("a girl", "La la")]),
        ('The man in front of the screen says "Hi".', [("The man in front of the screen", "Hi")]),
        ('The man calls, "Wait!"', [("The man", "Wait!")]),
        ('The man calls out "Wait!"', [("The man", "Wait!")]),
        ('Suddenly says "Hi".', [("unknown", "Hi")]),
        ('Man in red: "Hello" Woman: "Hi"', [("Man in red", "Hello"), ("Woman", "Hi")]),
        ("Speaker 1: hello there\nSpeaker 2: hi", [("Speaker 1", "hello there"), ("Speaker 2", "hi")]),
        ("JOHN: hi\nMARY: bye", [("JOHN", "hi"), ("MARY", "bye")]),
        ("- Man in red: hi\n- The woman: bye", [("Man in red", "hi"), ("The woman", "bye")]),
        ('He says:\n"Hello"', [("He", "Hello")]),
    ],
)
def test_speech(asked, caption, expected):
    assert asked.turns(caption) == expected


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "A man says hello.",
        'A sign reads "EXIT".',
        'A sign says "STOP".',
        'The man points to a sign saying "EXIT".',
        'The text on the screen says "Bye".',
        'The subtitle says: "Hello".',
        'The title "My Day" appears.',
        '"Hello" is written on the wall.',
        'A dog called "Rex" runs.',
        'He calls the dog "Rex".',
        'The man does not say "hello".',
        'She could say "hello".',
        'The caption says "a red circle moves left".',
        'A 5" circle and a 6" square; he says no.',
        "The boys' dog isn't the man's.",
        'The man says "hello.',
        "Man: tall and in red.",
        'The title "My Day" appears and a man sings.',
        'He holds a sign that says "Go".',
        'Title: "My Day"',
        'Here come five very old rusty cars: "Go".',
        '3 pm: "Go".',
        "Note: this is loud.\nAudio: music.",
        "NOTE: this is loud.\nAUDIO: music.",
    ],
)
def test_no_speech(asked, caption):
    assert asked.turns(caption) == []


def test_a_sign_between_two_utterances(asked):
    caption = 'She says "Look". A sign reads "EXIT". "Come," she adds.'
    assert asked.turns(caption) == [("She", "Look"), ("she", "Come,")]
