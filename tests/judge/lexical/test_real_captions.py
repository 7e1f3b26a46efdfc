"""Captions as people and models write them of real videos, with the verdicts that a person would give."""

import pytest

KITCHEN = """\
The video opens in a dimly lit kitchen, where a middle-aged man in a grey apron chops onions on a wooden board. Soft jazz \
music plays in the background. He looks up at the camera and says, "Welcome back to my channel." A young woman with curly \
hair enters, laughing, and replies, "You forgot the garlic again!\""""
NEWS = """\
A news anchor in a navy suit sits behind a desk. The headline at the bottom of the screen reads "STORM HITS COAST". She says \
calmly, "Thousands are without power tonight," and turns to the reporter on the screen beside her. The reporter, standing in \
heavy rain, shouts, "The wind is getting stronger!" No music is heard."""
PARK = """\
Two boys are playing football in a park while a brown dog watches them. The taller boy kicks the ball towards the goal. The \
ball does not go in. "Nice try," the shorter boy says, grinning. "Next time," the taller boy mutters. A whistle blows in the \
distance, and upbeat electronic music begins to play."""
OFFICE = """\
A close-up shows a woman's hands typing on a laptop. A male voice-over explains, "This is how we built the app." The camera \
then pans to the left, revealing a man who is drinking coffee. He might be her colleague. Is she smiling? The woman never \
looks up."""
STREET = """\
As the man leaves, the woman waves and smiles. A woman in a red dress walks into the cafe and sits down. A boy stands by the \
window, holding a cup. In blue pants, a girl dances next to a man in a hat. The driver is about to shout. A sign warns that \
dogs bite. The red car overtakes the blue car."""


@pytest.mark.parametrize(
    ("caption", "keypoint"),
    [
        (KITCHEN, "a man in a grey apron chops onions on a wooden board"),
        (KITCHEN, "a man chops onions"),
        (KITCHEN, "soft jazz music plays in the background"),
        (KITCHEN, 'he says "Welcome back to my channel"'),
        (KITCHEN, "a young woman enters"),
        (NEWS, "a news anchor sits behind a desk"),
        (NEWS, 'the headline reads "storm hits coast"'),
        (NEWS, "the reporter stands in heavy rain"),
        (NEWS, 'the reporter shouts "the wind is getting stronger"'),
        (PARK, "two boys play football"),
        (PARK, "a brown dog watches them"),
        (PARK, "the taller boy kicks the ball"),
        (PARK, "a whistle blows"),
        (PARK, "upbeat electronic music plays"),
        (OFFICE, "a man drinks coffee"),
        (OFFICE, "the camera pans to the left"),
        (STREET, "the woman smiles"),
        (STREET, "a woman sits down"),
        (STREET, "a boy holds a cup"),
    ],
)
def test_what_a_person_finds_stated(asked, caption, keypoint):
    assert asked.states(caption, keypoint)


@pytest.mark.parametrize(
    ("caption", "keypoint"),
    [
        (KITCHEN, "a woman chops onions"),
        (KITCHEN, 'the woman says "Welcome back to my channel"'),
        (KITCHEN, "the man forgot the garlic"),
        (KITCHEN, "loud jazz music plays in the background"),
        (NEWS, "music is heard"),
        (NEWS, "the wind is getting stronger"),
        (NEWS, "thousands are without power"),
        (NEWS, "the reporter turns to the anchor"),
        (NEWS, "the anchor stands in heavy rain"),
        (PARK, "the ball goes in"),
        (PARK, "the shorter boy kicks the ball"),
        (PARK, "the dog kicks the ball"),
        (PARK, "the dog plays football"),
        (OFFICE, "the camera pans to the right"),
        (OFFICE, "the woman looks up"),
        (OFFICE, "she is smiling"),
        (OFFICE, "he is her colleague"),
        (OFFICE, "a woman drinks coffee"),
        (OFFICE, "we built the app"),
        (STREET, "the man smiles"),
        (STREET, "the man waves"),
        (STREET, "a boy sits down"),
        (STREET, "a woman holds a cup"),
        (STREET, "a man dances"),
        (STREET, "the driver shouts"),
        (STREET, "dogs bite"),
        (STREET, "the blue car overtakes the red car"),
    ],
)
def test_what_a_person_does_not_find_stated(asked, caption, keypoint):
    assert not asked.states(caption, keypoint)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        (
            KITCHEN,
            [
                ("He", "Welcome back to my channel."),
                ("A young woman with curly hair", "You forgot the garlic again!"),
            ],
        ),
        (
            NEWS,
            [
                ("She", "Thousands are without power tonight,"),
                ("The reporter", "The wind is getting stronger!"),
            ],
        ),
        (PARK, [("the shorter boy", "Nice try,"), ("the taller boy", "Next time,")]),
        (OFFICE, [("A male voice-over", "This is how we built the app.")]),
        (
            'A poster reads "NEVER GIVE UP". A boy in a red jacket points at it and reads aloud, "Never give up!"',
            [("A boy in a red jacket", "Never give up!")],
        ),
        (
            'A girl sings, "Twinkle, twinkle," as a piano plays. The title "Lullaby" fades in. "Good night," a man\'s voice '
            "whispers.",
            [("A girl", "Twinkle, twinkle,"), ("a man's voice", "Good night,")],
        ),
        (
            'The teacher does not say "sit down"; she only points. A child asks, "Now?"',
            [("A child", "Now?")],
        ),
        (
            'The video features a song called "Blue Moon". The singer, wearing sunglasses, sings "Blue moon, you saw me".',
            [("The singer", "Blue moon, you saw me")],
        ),
        (
            'The woman on the left says "Hello", and the woman on the right says "Goodbye".',
            [("The woman on the left", "Hello"), ("the woman on the right", "Goodbye")],
        ),
        (
            'A woman in a white coat, holding a clipboard, tells the patient, "You\'re fine." The patient, relieved, says, '
            '"Thank you, doctor."',
            [
                ("A woman in a white coat", "You're fine."),
                ("The patient", "Thank you, doctor."),
            ],
        ),
        ('His T-shirt says "PARIS". He waves and says "Bonjour".', [("He", "Bonjour")]),
        (
            'On-screen text appears: "Day 3". The narrator says, "It had been raining."',
            [("The narrator", "It had been raining.")],
        ),
        (
            '"Stop right there!" A police officer shouts. "Hands up," she adds, "now."',
            [("A police officer", "Stop right there!"), ("she", "Hands up, now.")],
        ),
    ],
)
def test_who_says_what(asked, caption, expected):
    assert asked.turns(caption) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the man in the red hat", "the man wearing a red hat"),
        ("the woman with curly hair", "a woman"),
        ("a male voice-over", "the male narrator"),
        ("a male voice", "the father"),
        ("the shorter boy", "a boy"),
    ],
)
def test_descriptions_that_a_person_takes_for_one(asked, one, other):
    assert asked.same([(one, other)]) == [True]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the taller boy", "the shorter boy"),
        ("the woman on the left", "the woman on the right"),
        ("the host", "the guest"),
        ("the man", "the man's daughter"),
        ("the man with glasses", "the man without glasses"),
        ("two men", "a man"),
        ("the mother", "a man"),
        ("the father", "a boy"),
    ],
)
def test_descriptions_that_a_person_takes_for_two(asked, one, other):
    assert asked.same([(one, other)]) == [False]
