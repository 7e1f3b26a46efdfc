"""Questions that are answered by a text."""

import pytest
from server import completion

from vidalign.judge import Question
from vidalign.llm.question import text_of, whole_text


def tell(read=whole_text, **more):
    return Question("tell", "Sum the material up.", {"caption": "A dog runs."}, None, read, **more)


def test_no_form_is_asked_for_and_the_text_comes_back(serve, judge):
    server = serve(lambda number, body: "  A dog.\n")
    assert judge(server).ask_sync([tell()])[0].value == "A dog."
    system, user = server.requests[0].body["messages"]
    assert "response_format" not in server.requests[0].body and "JSON object" not in system["content"]
    # The material is data here as well.
    assert user["content"].startswith("<data-") and '"A dog runs."' in user["content"]


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("<think>Is it?\n</think>\nIt is.", "It is."),
        ("Is it?</think>It is.", "It is."),
        ("<Reasoning>a</Reasoning> b <think>c</think>", "b <think>c</think>"),
        ('{"a": 1}', '{"a": 1}'),
    ],
)
def test_thoughts_are_no_part_of_it(serve, judge, said, text):
    assert judge(serve(lambda number, body: said)).ask_sync([tell()])[0].value == text


@pytest.mark.parametrize(
    ("said", "reason"),
    [("<think>for ever", "empty"), (" \n", "empty"), (completion("A do", finish="length"), "truncated")],
)
def test_what_is_no_whole_text(serve, judge, said, reason):
    server = serve(lambda number, body: said)
    assert judge(server, max_reasks=1).ask_sync([tell()])[0].reason == reason
    assert len(server.requests) == 2


def test_a_text_that_may_be_cut(serve, judge):
    server = serve(lambda number, body: completion("A do", finish="length"))
    assert judge(server).ask_sync([tell(text_of)])[0].value == "A do"


def test_draws_and_parameters_are_questions_of_their_own(serve, judge):
    server = serve(lambda number, body: f"text {number}")
    one = judge(server)
    asked = [tell(), tell(draw=1), tell(params={"temperature": 1.0}), tell(params={"max_tokens": 7}), tell()]
    values = [answer.value for answer in one.ask_sync(asked)]
    assert len(set(values)) == 4 and values[0] == values[4]
    sent = sorted((r.body["temperature"], r.body["max_tokens"]) for r in server.requests)
    assert sent == [(0.0, 7), (0.0, 8192), (0.0, 8192), (1.0, 8192)]


def test_the_worst_case_of_a_budget_has_the_questions_own_length(serve, judge):
    settings = {"price": (0.0, 10.0), "max_dollars": 0.001}  # 100 tokens
    assert judge(serve(lambda n, b: "Yes."), **settings).ask_sync([tell(params={"max_tokens": 50})])[0].value
    with pytest.raises(Exception, match="budget does not allow"):
        judge(serve(), cache_dir="", **settings).ask_sync([tell()])


def test_keys_are_taken_out_of_texts(serve, judge, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-very-secret")
    assert judge(serve(lambda n, b: "It is sk-very-secret.")).ask_sync([tell()])[0].value == "It is ***."
