"""The rule-based degrader: one more wrong fact a step, everything else kept, and nothing where nothing fits."""

import asyncio
import collections
import itertools
import random

import pytest

from vidalign.data.chains.steps import Draft, change
from vidalign.llm.ledger import JudgeError
from vidalign.llm.question import Question, Unusable
from vidalign.toyworld.captions import caption, caption_facts, score
from vidalign.toyworld.degrade import VALUES, ToyDegrader, degrade, errors, places
from vidalign.toyworld.scene import BACKGROUNDS, COLOURS, random_scene

TRUE = "the background is grey . a red circle moves left . a blue square stays at the top right ."


def ask_for(kind, text=TRUE, earlier=(), **more):
    error = {} if kind is None else {"error": {"type": kind, "meaning": "..."}}
    return degrade({"caption": text, **error, "earlier": list(earlier), **more})


def chain_of(text, rng, length, where=True):
    """A chain as a build makes it: types in random order, another where one is not possible, every step checked."""
    chain, draft = [text], Draft(text)
    while len(chain) < length:
        earlier = [
            {"before": span.before, "after": draft.text[span.start : span.end], "where": draft.around(span)}
            for span in draft.used
        ]
        if not where:
            earlier = [{key: change[key] for key in ("before", "after")} for change in earlier]
        for kind in rng.sample(list(VALUES), len(VALUES)):
            answer = ask_for(kind, draft.text, earlier)
            if answer["possible"]:
                break
        else:
            return chain
        draft = change(draft, answer["caption"], text, chain).added_to(draft)
        chain.append(draft.text)
    return chain


def wrong_at(text, reference):
    """Number of the place -> its value, for places that differ."""
    values = [[place.value for place in places(one)] for one in (text, reference)]
    return {at: ours for at, (ours, theirs) in enumerate(zip(*values, strict=True)) if ours != theirs}


def test_places_are_where_the_facts_stand():
    assert [(place.kind, place.value) for place in places(TRUE)] == [
        ("scene", "grey"),
        ("colour", "red"),
        ("object", "circle"),
        ("direction", "left"),
        ("colour", "blue"),
        ("object", "square"),
        ("spatial", "top right"),
    ]
    assert all(TRUE[place.start : place.end] == place.value for place in places(TRUE))


@pytest.mark.parametrize("kind", list(VALUES))
def test_the_asked_type_is_what_changes(kind):
    answer = ask_for(kind)
    assert answer["possible"]
    [wrong] = errors(answer["caption"], TRUE)
    assert wrong.kind == kind
    assert wrong.value in VALUES[kind]


def test_a_chain_has_one_more_wrong_fact_at_each_step():
    rng = random.Random(0)
    for index in range(200):
        scene = random_scene(rng, events=index % 2 == 1)
        chain = chain_of(caption(scene), rng, 5)
        assert len(chain) == 5  # even one shape has four places
        first, made = chain[0], len(caption_facts(chain[0])[0])
        for number, text in enumerate(chain):
            assert len(errors(text, first)) == number
            assert len(text.split()) == len(first.split())
            # As many statements as before, all in the grammar: no contradiction, nothing said twice.
            assert caption_facts(text)[1] == 0
            assert len(caption_facts(text)[0]) == score(text, scene).made == made
            colours = [place.value for place in places(text) if place.kind == "colour"]
            assert colours == sorted(set(colours), key=COLOURS.index)
        for better, worse in itertools.pairwise(chain):
            # What was wrong stays so, where it was.
            assert wrong_at(better, first).items() <= wrong_at(worse, first).items()


def test_the_score_falls_by_what_hangs_on_the_changed_fact():
    # A statement of motion is right only together with its object's, and both only once: a step costs one statement,
    # two where it takes a motion's object from it, and none where that has happened before.
    rng = random.Random(1)
    for _ in range(200):
        scene = random_scene(rng)
        chain = chain_of(caption(scene), rng, 5)
        right = [score(text, scene).right for text in chain]
        falls = [a - b for a, b in itertools.pairwise(right)]
        assert set(falls) <= {0, 1, 2}
        assert falls[0] > 0
        shapes = len(scene.shapes)
        assert right[-1] <= (1 + 2 * shapes) - 2  # four errors hit two statements at least
        if shapes == 1:
            assert right[-1] == 0  # all four places are wrong


@pytest.mark.parametrize("kind", ["colour", "object"])
def test_without_its_object_a_motion_is_wrong_too(kind):
    rng = random.Random(2)
    for _ in range(200):
        scene = random_scene(rng)
        worse = ask_for(kind, caption(scene))["caption"]
        assert score(caption(scene), scene).right - score(worse, scene).right == 2


def test_an_earlier_error_is_never_undone_or_changed_again():
    text = "the background is grey . a green circle moves left ."
    earlier = [{"before": "red", "after": "green", "where": "is grey . a green circle moves left"}]
    assert ask_for("colour", text, earlier) == {"possible": False, "caption": text}


def test_the_words_around_an_error_tell_its_place():
    text = "the background is grey . a red square moves left . a blue square moves up ."
    error = {"before": "circle", "after": "square"}
    for attempt in range(20):
        earlier = [error | {"where": "a red square moves left"}]
        [wrong] = errors(ask_for("object", text, earlier, attempt=attempt)["caption"], text)
        assert wrong.start > text.index("blue")
    # Without them both may be the one.
    assert not ask_for("object", text, [error])["possible"]


def test_without_the_words_around_chains_may_end_early():
    rng = random.Random(3)
    lengths = collections.Counter()
    for _ in range(200):
        first, *rest = chain_of(caption(random_scene(rng)), rng, 5, where=False)
        lengths[len(rest)] += 1
        assert [len(errors(text, first)) for text in rest] == list(range(1, len(rest) + 1))
    assert lengths[4] > 150


def test_earlier_errors_may_come_as_whole_captions():
    text = "the background is grey . a red square moves left . a blue square moves up ."
    earlier = [{"before": text.replace("red square", "red circle"), "after": text}]
    for attempt in range(20):
        [wrong] = errors(ask_for("object", text, earlier, attempt=attempt)["caption"], text)
        assert wrong.start > text.index("blue")


def test_colours_that_were_once_there_do_not_come_back():
    # Blue was the square's: a blue circle would take part in a comparison with the reference's blue square.
    text = "the background is grey . a red circle moves left . a purple square moves left ."
    earlier = [{"before": "blue", "after": "purple", "where": "moves left . a purple square moves left"}]
    for attempt in range(50):
        answer = ask_for("colour", text, earlier, attempt=attempt)
        assert answer["possible"]
        assert "blue" not in answer["caption"]


def test_no_two_shapes_rest_in_one_quarter():
    text = (
        "the background is grey . a red circle stays at the top left . a blue square stays at the top right ."
    )
    for attempt in range(50):
        rests = [place.value for place in places(ask_for("spatial", text, attempt=attempt)["caption"])]
        assert len({value for value in rests if " " in value}) == 2


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("direction", "the background is grey . a red circle stays at the top left ."),
        ("spatial", "the background is grey . a red circle moves left ."),
        ("count", TRUE),  # a type that this world does not have
        ("colour", "a dog runs through the park ."),
        ("colour", TRUE.removesuffix(" .")),  # cut off
        ("colour", ""),
    ],
)
def test_what_does_not_apply_is_not_possible(kind, text):
    assert ask_for(kind, text) == {"possible": False, "caption": text}


def test_without_a_type_any_place_may_be_wrong():
    kinds = collections.Counter()
    for attempt in range(700):
        [wrong] = errors(ask_for(None, attempt=attempt)["caption"], TRUE)
        kinds[wrong.kind] += 1
    # Seven places, each as likely: 100 times, give or take three standard deviations (9.3 each).
    assert 72 < kinds["scene"] < 128
    assert 140 < kinds["colour"] < 260
    assert set(kinds) == set(VALUES)


def test_equal_questions_have_equal_answers_and_captions_differ():
    assert ask_for("scene") == ask_for("scene")
    texts = {ask_for("scene", TRUE, attempt=attempt)["caption"] for attempt in range(40)}
    assert len(texts) == len(BACKGROUNDS) - 1


def test_errors_need_the_same_structure():
    with pytest.raises(ValueError, match="is not"):
        errors("the background is grey .", TRUE)


def question(task, data, read=lambda answer: answer):
    return Question(task=task, instructions="", data=data, schema={}, read=read)


def test_as_a_judge():
    judge = ToyDegrader()
    [answer] = judge.ask_sync([question("degrade", {"caption": TRUE, "earlier": []})])
    assert len(errors(answer.value["caption"], TRUE)) == 1
    assert (judge.ledger.asked, judge.ledger.answered, judge.ledger.calls) == (1, 1, 0)
    assert asyncio.run(judge.senses("speakers")) == frozenset()


def test_an_unusable_answer_is_counted():
    def refuse(answer):
        raise Unusable("not_possible")

    judge = ToyDegrader()
    [answer] = judge.ask_sync([question("degrade", {"caption": "a dog .", "earlier": []}, refuse)])
    assert (answer.value, answer.reason) == (None, "not_possible")
    assert judge.ledger.unscored == {"not_possible": 1}


def test_another_task_asks_for_a_model():
    with pytest.raises(JudgeError, match="VIDALIGN_JUDGE"):
        ToyDegrader().ask_sync([question("checklist", {})])
