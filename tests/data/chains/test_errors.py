import pytest

from vidalign.data.chains.errors import TYPES, types_named
from vidalign.data.chains.steps import Draft, change
from vidalign.stages.errors import PipelineError


def fitting(caption):
    words = Draft(caption).words()
    return {name for name, kind in TYPES.items() if kind.applies(words)}


RICH = (
    "A woman in a red dress quickly hands a man two large wooden bowls behind a table in a kitchen at night, then walks "
    "toward the door and smiles, as the camera zooms in on a sign that reads 'Open'. The floor is wet."
)


def test_a_rich_caption_has_every_type():
    assert fitting(RICH) == set(TYPES)


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("colour", "The wagon is covered in hundreds of reddened, blackened, whitewashed things."),
        ("direction", "A man left the room and was right about it. He left his bag."),
        ("spatial", "He left the room. She is right. The background is grey."),
        ("action", "A building with a ceiling during the wedding. Something interesting, a walk, the play."),
        ("camera", "He shot the ball and pans for gold. Pans hang on the wall. They view it."),
        ("text", "A man signs to her. She reads a book and says hello."),
        ("count", "No one is there. Another one of them."),
        ("order", "It is filmed from a first person view on the second floor, next to a tree."),
        ("material", "A man signs a paper, in the glass."),
        ("person", "A mango, a womanly chair, kidney beans."),
        ("size", "A smallpox ward. Along the road. He is hidden."),
        ("time", "A nightingale sings of Sundays and weathermen."),
        ("scene", "She parked it, barely."),
        ("object", "She runs and he is not slow."),
        ("clothing", "A capable coatless person."),
        ("role", "A man hands a man a bowl."),
        ("role", "A man and a woman."),
        ("manner", "A lovely family reply."),
        ("expression", "A crystal happening."),
    ],
)
def test_no_false_hit(name, caption):
    assert name not in fitting(caption)


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("direction", "A car turns to the left."),
        ("direction", "It moves up."),
        ("direction", "They go from left to right."),
        ("direction", "She swims upstream."),
        ("spatial", "The tree is on the left."),
        ("spatial", "A tree at the top right."),
        ("spatial", "He stands to the left of her, next to a tree."),
        ("spatial", "Mountains in the background."),
        ("camera", "The camera pans slowly."),
        ("camera", "The scene then tilts up. A wide shot."),
        ("camera", "A close-up of it, in slow-motion."),
        ("count", "One dog sleeps beside 3 cats."),
        ("action", "Dogs run. He kneels."),
        ("order", "First he opens it."),
        ("material", "A paper bag. A cup of glass."),
        ("role", "A girl chases the boys."),
        ("text", "A logo and the subtitles."),
        ("scene", "The background is grey."),
        ("person", "Children laugh."),
    ],
)
def test_hits(name, caption):
    assert name in fitting(caption)


def test_a_word_that_is_wrong_already_counts_no_more():
    caption = "A red dog sleeps."
    draft = Draft(caption)
    assert TYPES["colour"].applies(draft.words())
    draft = change(draft, "A blue dog sleeps.", caption).added_to(draft)
    assert not TYPES["colour"].applies(draft.words())


def test_a_caption_in_another_language_has_none():
    assert fitting("Ein Hund läuft über die Straße.") == set() == fitting("一只狗在跑。")


def test_names():
    assert types_named(None) == tuple(TYPES.values())
    assert [kind.name for kind in types_named(["count", "colour", "count"])] == ["colour", "count"]
    with pytest.raises(PipelineError, match=r"'color' is no type of error; did you mean colour\?"):
        types_named(["color"])
    with pytest.raises(PipelineError, match="no type of error; known are object"):
        types_named([])
    assert all(kind.meaning and name == kind.name for name, kind in TYPES.items())
