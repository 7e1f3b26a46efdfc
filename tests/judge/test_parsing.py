"""A model's text -> the one object in it, or a reason; never a repair, never a guess."""

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidalign.judge import Unusable
from vidalign.llm.parsing import json_object

YES = {"verdicts": [{"index": 1, "mentioned": True}]}
NO = {"verdicts": [{"index": 1, "mentioned": False}]}
yes, no = json.dumps(YES), json.dumps(NO)


def reason(text):
    with pytest.raises(Unusable) as caught:
        json_object(text)
    return caught.value.reason


@pytest.mark.parametrize(
    "text",
    [
        yes,
        f"\n\ufeff {yes} \n",
        json.dumps(YES, indent=4),
        f"```json\n{yes}\n```",
        f"Sure! Here it is:\n{yes}\nI hope {{this}} helps.",
        f"The set {{x, y}} does not matter. {yes}",
        f"{yes}\n{yes}",
        f'He said "stop". {yes}',
        f"<think>maybe {no}</think>{yes}",
        f"<THINK>maybe {no}</THINK>\n```\n{yes}\n```",
        f"<thinking>a</thinking><reasoning>{no}</reasoning>{yes}",
        f"maybe {no} or not.</think>{yes}",  # the template had opened the thought
        f'<think>I would write {{"verdicts": [ and so on</think>{yes}',
        f"{yes} <think>was that right? {no}",
    ],
)
def test_the_object_is_found_in_what_stands_around_it(text):
    assert json_object(text) == YES


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "empty"),
        ("", "empty"),
        (" \n\t", "empty"),
        (f"<think>{yes}", "empty"),
        (f"<think>{yes}</think>", "empty"),
        ("Yes, all of them.", "no_json"),
        ("[true, true]", "no_json"),
        ("null", "no_json"),
        (json.dumps(yes), "no_json"),  # JSON in a string is a text
        ("{index: 1, mentioned: true}", "no_json"),
        ("{'verdicts': []}", "no_json"),
        (yes.replace("true", "True"), "no_json"),
        (yes.replace("true", "NaN"), "no_json"),
        (yes.replace("true", "Infinity"), "no_json"),
        (yes.replace("true", "1" * 5000), "no_json"),
        (yes[:-1] + ",}", "no_json"),
        (yes[:-2], "truncated"),
        (yes[:20], "truncated"),
        ('Here: {"verdicts": [{"index": 1, "mentioned": true}, {"index', "truncated"),
        (f"{yes} and {yes[:-1]}", "truncated"),
        ("The answer is {", "truncated"),
        ("{", "truncated"),
        (f"{yes} No: {no}", "ambiguous"),
        (f"{{}} {yes}", "ambiguous"),
        ('{"verdicts": [], "verdicts": [1]}', "ambiguous"),
        ('{"verdicts": [{"index": 1, "mentioned": false, "mentioned": true}]}', "ambiguous"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("I\u2019m sorry, but I can\u2019t help with that.", "refusal"),
        ("I cannot assist with this request.", "refusal"),
        ("As an AI, I have no view.", "refusal"),
    ],
)
def test_what_is_no_answer_has_a_reason(text, why):
    assert reason(text) == why


def test_a_part_of_a_broken_object_is_not_the_answer():
    assert reason(f'{{"example": {yes}, "mine": nothing}}') == "no_json"
    assert reason(f'{{"example": {yes}, "mine": ') == "truncated"


def test_tags_inside_a_string_are_text():
    answer = {"turns": [{"speaker": "a man", "content": '<think> of me, </think> and {"go": 1}'}]}
    assert json_object(f"<think>hm</think>```json\n{json.dumps(answer)}\n```") == answer


def test_a_key_twice_with_one_value_is_one_key():
    assert json_object('{"a": 1, "a": 1}') == {"a": 1}


@pytest.mark.parametrize("levels", [65, 900, 5_000, 50_000])
def test_nesting_beyond_reason_is_no_answer(levels):
    nested = '{"a":' * levels + "1" + "}" * levels
    assert reason(nested) == "no_json"
    assert reason(nested + nested.replace("1", "2")) == "no_json"
    assert reason('{"a":' + "[" * levels) == "truncated"


def test_an_endless_answer_is_not_read():
    assert reason("x" * 2**20 + yes) == "too_long"


@pytest.mark.parametrize(
    "unit",
    [
        "{",
        '{"',
        '{"x',
        '{"a":1,',
        "{}",
        "{ ",
        "<think>",
        "<think></think>",
        "</think>",
        '"',
        "\\",
        '{"\\',
        '{"a":x}',
    ],
)
def test_a_degenerate_answer_does_not_hold_up_the_others(unit):
    start = time.process_time()
    with contextlib.suppress(Unusable):
        json_object((unit * 2**19)[:500_000])
    assert time.process_time() - start < 3


def test_very_many_different_objects_do_not_hold_up_the_others():
    start = time.process_time()
    assert reason("".join(f'{{"a":{n}}}' for n in range(70_000))) == "ambiguous"
    assert time.process_time() - start < 3


@given(st.text(alphabet='{}[]":,\\ tn1<think>/', max_size=60))
def test_any_text_gives_an_object_or_a_reason(text):
    try:
        assert isinstance(json_object(text), dict)
    except Unusable as error:
        assert error.reason in ("empty", "refusal", "truncated", "no_json", "ambiguous")  # noqa: PT017


text = st.text(alphabet='ab{}[]",:\\<think>/\n\u00e9\ud83d', max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(text, json_values, max_size=3), st.booleans())
def test_any_object_is_read_back_as_it_is(value, escaped):
    assert json_object(f"Well: {json.dumps(value, ensure_ascii=escaped)} That is all.") == value


@given(st.dictionaries(text, json_values, min_size=1, max_size=3), st.data())
def test_any_beginning_of_an_object_is_no_object(value, data):
    whole = json.dumps(value)
    cut = data.draw(st.integers(1, len(whole) - 1))
    assert reason(whole[:cut]) == "truncated"
