"""Captions say what the scene has, the rewards read them, and wrong ones get less."""

import pytest

from vidalign.judge import LexicalJudge, run_sync
from vidalign.rewards import ChecklistReward, DialogueReward
from vidalign.toyworld.sound.captions import (
    Facts,
    caption,
    dialogue,
    keypoints,
    marked,
    pieces,
    read_caption,
    vocabulary,
)
from vidalign.toyworld.sound.scene import VOICES, WORDS, Entrance, Line, SoundScene
from vidalign.toyworld.sound.tokenizer import build_tokenizer

SCENE = SoundScene(
    "grey",
    (
        Entrance("red", "circle", "left", (0.3, -0.2), (-0.3, -0.2), "appears", 1, "chime"),
        Entrance("blue", "square", "up", (0.1, 0.3), (0.1, -0.1), "disappears", 10, "buzz"),
    ),
    (Line("low", ("kalo", "mipe"), 0.52), Line("high", ("tusa", "ronu", "vedi"), 1.52)),
)
CAPTION = (
    'the background is grey . a red circle appears on a chime and moves left . a low voice says " kalo mipe " . '
    'a blue square moves up and disappears on a buzz . a high voice says " tusa ronu vedi " .'
)


def scores(texts, scenes):
    columns = {"dialogue": [dialogue(s) for s in scenes], "keypoints": [keypoints(s) for s in scenes]}
    judge = LexicalJudge()
    return tuple(
        run_sync(reward(completions=texts, **columns))
        for reward in (DialogueReward(judge), ChecklistReward(judge))
    )


def test_the_caption():
    assert caption(SCENE) == CAPTION
    assert dialogue(SCENE) == [
        {"speaker": "a low voice", "content": "kalo mipe"},
        {"speaker": "a high voice", "content": "tusa ronu vedi"},
    ]
    assert keypoints(SCENE) == [
        "the background is grey",
        "there is a red circle",
        "the red circle appears on a chime",
        "the red circle moves left",
        'a low voice says " kalo mipe "',
        "there is a blue square",
        "the blue square moves up",
        "the blue square disappears on a buzz",
        'a high voice says " tusa ronu vedi "',
    ]


def test_captions_give_their_facts_back(scenes):
    for scene in scenes:
        assert read_caption(caption(scene)) == Facts(keypoints(scene), dialogue(scene))
        assert " ".join(piece.text for piece in pieces(caption(scene))) == caption(scene)
        assert all(right for _, right in marked(caption(scene), scene))
    assert len({tuple(keypoints(scene)) for scene in scenes}) > 250


def test_every_word_is_known(scenes):
    tokenizer = build_tokenizer()
    assert set(" ".join(map(caption, scenes)).split()) <= set(vocabulary())
    for scene in scenes:
        ids = tokenizer(caption(scene))["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == caption(scene)


def test_a_reference_caption_gets_full_marks(scenes):
    said, seen = scores([caption(scene) for scene in scenes], scenes)
    assert said == seen == [1.0] * len(scenes)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a low voice", "a high voice", 0.75),  # one of two speakers
        ("kalo mipe", "tusa ronu", 0.5),  # one of two lines
        ("tusa ronu vedi", "tusa ronu mipe", (1 + (1 + 10 / 14) / 2) / 2),  # 4 of 14 characters
        (' a low voice says " kalo mipe " .', "", 2 / 3),  # precision 1, recall 1/2
        ('tusa ronu vedi " .', 'tusa ronu vedi " . a low voice says " mipe mipe " .', 0.8),  # precision 2/3
    ],
)
def test_wrong_dialogue_gets_less(old, new, expected):
    assert old in CAPTION
    said, _ = scores([CAPTION.replace(old, new)], [SCENE])
    assert said[0] == pytest.approx(expected)


def test_lines_in_the_wrong_order_get_less():
    low, high = 'a low voice says " kalo mipe " .', 'a high voice says " tusa ronu vedi " .'
    said, seen = scores([f"{high} {low}"], [SCENE])
    assert said == [0.5]  # either of them matches, not both
    assert seen == [pytest.approx(2 / 9)]


def test_no_dialogue_where_nobody_speaks():
    silent = SoundScene("grey", (SCENE.shapes[0],))
    plain = caption(silent)
    said, _ = scores([plain, f'{plain} a low voice says " kalo mipe " .', ""], [silent] * 3)
    assert said == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("grey", "pink", 1),
        ("moves left", "moves right", 1),
        ("on a chime", "on a whistle", 1),
        ("appears on a chime and moves left", "moves left and disappears on a chime", 1),
        ("red circle", "red square", 3),
        ("kalo mipe", "mipe kalo", 1),
        ("a low voice", "a high voice", 1),
    ],
)
def test_a_wrong_statement_costs_its_keypoints(old, new, lost):
    _, seen = scores([CAPTION.replace(old, new)], [SCENE])
    assert seen[0] == pytest.approx(1 - lost / 9)
    wrong = [text for text, right in marked(CAPTION.replace(old, new), SCENE) if not right]
    assert len(wrong) == lost


def test_what_is_outside_the_grammar_is_wrong():
    text = 'a red circle dances . a low voice says " kalo'
    assert read_caption(text) == Facts(unreadable=["a red circle dances .", 'a low voice says " kalo'])
    assert marked(text, SCENE) == [("a red circle dances .", False), ('a low voice says " kalo', False)]
    assert marked("", SCENE) == []


def test_names_of_speakers_and_words_stay_apart():
    """Two lines of different words must never come close enough to match."""
    from vidalign.rewards import similarity

    assert all(similarity(one, other) < 0.3 for one in WORDS for other in WORDS if one != other)
    assert len(set(VOICES)) == 2
