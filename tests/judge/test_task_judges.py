"""One judge a task: who is asked what, with whose limits, and what it costs in all."""

import asyncio
import importlib
import json
import pickle

import pytest
from aiohttp import web
from server import data_of

from vidalign.judge import (
    BudgetExceeded,
    JudgeDown,
    Ledger,
    LexicalJudge,
    LLMJudge,
    Medium,
    TaskJudges,
    tasks,
)
from vidalign.judge.settings import judge_of, judges_of
from vidalign.judge.tasks import checklist, dialogue, keypoints, speakers
from vidalign.judge.tasks.dialogue import Turn

PAIR = (Turn("a man", "hello"), Turn("the host", "hello"))
ASKED = [
    checklist.question("a dog barks", ["a dog barks"]),
    dialogue.question("a dog barks"),
    speakers.question([PAIR]),
]


def answer(number, body):
    task = body["response_format"]["json_schema"]["name"]
    return {
        "checklist": lambda data: json.dumps({"verdicts": [{"index": 1, "mentioned": True}]}),
        "dialogue": lambda data: json.dumps({"turns": []}),
        "speakers": lambda data: json.dumps({"verdicts": [{"index": 1, "same": True}]}),
    }[task](data_of(body))


def tasks_asked(server):
    return [request.body["response_format"]["json_schema"]["name"] for request in server.requests]


@pytest.fixture
def two(serve, tmp_path):
    """A server for checklists and one for the rest, and the judges over them."""
    first, second = serve(answer), serve(answer)

    def judges(one=None, other=None):
        given = {"cache_dir": str(tmp_path / "cache")}
        one = LLMJudge("openai/one", api_base=first.url, **{**given, **(one or {})})
        other = LLMJudge("openai/other", api_base=second.url, **{**given, **(other or {})})
        return TaskJudges({"dialogue": other, "speakers": other}, one)

    return judges, first, second


def test_each_question_goes_to_the_judge_of_its_task_and_comes_back_in_its_place(two):
    judges, first, second = two
    answers = judges().ask_sync([*ASKED[::-1], checklist.question("a cat", ["a cat"])])
    assert [given.value for given in answers] == [[True], [], [True], [True]]
    assert tasks_asked(first) == ["checklist"] * 2
    assert sorted(tasks_asked(second)) == ["dialogue", "speakers"]
    assert asyncio.run(judges().ask(ASKED[1])).value == []


def test_one_ledger_by_task_and_judge(two):
    judges, _, _ = two
    both = judges({"price": (1.0, 0.0)}, {"price": (0.0, 10.0)})
    both.ask_sync(ASKED)
    both.ask_sync(ASKED[:1])
    # 100 tokens in and 20 out a request.
    assert both.ledger.dollars == pytest.approx(100e-6 + 2 * 200e-6)
    assert both.ledger.calls == 3 and both.ledger.cache_hits == 1 and both.ledger.asked == 4
    assert {task: counts.calls for task, counts in both.ledger.tasks.items()} == dict.fromkeys(
        ("checklist", "dialogue", "speakers"), 1
    )
    one, other = both.of("checklist").ledger, both.of("speakers").ledger
    assert one.dollars == pytest.approx(100e-6) and set(one.tasks) == {"checklist"}
    assert (
        other.tasks["dialogue"].dollars == pytest.approx(200e-6)
        and other.tasks["dialogue"].output_tokens == 20
    )
    assert both.ledger.summary()["tasks"]["checklist"]["cache_hits"] == 1


def test_all_counts_come_by_task(serve, tmp_path):
    def behave(number, body):
        return [web.Response(status=500), "no JSON", "no JSON", answer(0, body)][number]

    one = LLMJudge("openai/judge", api_base=serve(behave).url, cache_dir="", max_reasks=1)
    one.ask_sync(ASKED[:1])
    one.ask_sync(ASKED[1:2])
    asked, lost = one.ledger.tasks["dialogue"], one.ledger.tasks["checklist"]
    assert (
        lost.retries == {"server_error": 1, "no_json": 1}
        and lost.unscored == {"no_json": 1}
        and lost.calls == 3
    )
    assert (asked.answered, asked.calls, asked.unscored) == (1, 1, {})
    total = Ledger.sum([asked, lost])
    assert (total.asked, total.calls, total.unscored) == (
        one.ledger.asked,
        one.ledger.calls,
        one.ledger.unscored,
    )


def test_tasks_of_one_judge_share_its_budget_and_others_have_their_own(two):
    judges, first, second = two
    with pytest.raises(BudgetExceeded, match=r"openai/other.*1 of 1 calls"):
        judges({"max_calls": 1}, {"max_calls": 1}).ask_sync(ASKED)
    assert len(first.requests) == len(second.requests) == 1


def test_one_that_is_down_leaves_the_others_answers_in_the_cache(serve, tmp_path):
    down, up = serve(lambda number, body: web.Response(status=500)), serve(answer)
    given = {"cache_dir": str(tmp_path / "cache"), "max_retries": 0, "patience": 1}
    judges = TaskJudges(
        {"dialogue": LLMJudge("openai/a", api_base=down.url, **given)},
        LLMJudge("openai/b", api_base=up.url, **given),
    )
    with pytest.raises(JudgeDown, match="openai/a"):
        judges.ask_sync([ASKED[1], ASKED[0]])
    assert judges.ask_sync(ASKED[:1])[0].value == [True] and len(up.requests) == 1


def test_the_answers_of_two_models_are_told_apart_in_one_cache(serve, tmp_path):
    server = serve(answer)
    for model in ("openai/one", "openai/other"):
        LLMJudge(model, api_base=server.url, cache_dir=str(tmp_path / "cache")).ask_sync(ASKED[:1])
    assert len(server.requests) == 2


def test_what_it_sees_is_asked_by_task(two, tmp_path):
    judges, _, second = two
    both = judges({}, {"sees": ("image",)})
    assert asyncio.run(both.senses("checklist")) == frozenset()
    assert asyncio.run(both.senses("speakers")) == frozenset({"image"})
    both.ask_sync([speakers.question([PAIR], media=[Medium("image", b"\xff\xd8 picture")])])
    assert second.requests[0].body["messages"][-1]["content"][0]["type"] == "image_url"


def test_pickled_they_share_what_they_shared(two):
    judges, _, _ = two
    both = judges()
    again = pickle.loads(pickle.dumps(both))
    assert again == both and again.of("speakers") is again.of("dialogue") and len(again.parts()) == 2
    assert again != judges({"max_calls": 1})


def test_inside_each_other():
    inner = TaskJudges({"dialogue": LexicalJudge()}, LLMJudge("openai/a"))
    outer = TaskJudges({"checklist": LLMJudge("openai/b")}, inner)
    assert isinstance(outer.of("dialogue"), LexicalJudge)
    assert [outer.of(task).name for task in ("checklist", "speakers")] == ["openai/b", "openai/a"]
    assert len(outer.parts()) == 3


def test_every_task_is_known():
    for name in tasks.TASKS:
        module = importlib.import_module(f"vidalign.judge.tasks.{name}")
        assert callable(module.question)
    assert keypoints.question("a").task == "keypoints"


# From a recipe


def test_a_recipes_judges():
    judges = judges_of(
        {
            "checklist": "openai/gpt-4.1",
            "dialogue, speakers": {
                "model": "gemini/gemini-2.5-pro",
                "max_dollars": 5,
                "sees": ["video"],
                "timeout": "3e2",
            },
        },
        LexicalJudge,
    )
    assert judges.of("checklist") == LLMJudge("openai/gpt-4.1")
    assert judges.of("speakers") == LLMJudge(
        "gemini/gemini-2.5-pro", max_dollars=5.0, sees=("video",), timeout=300.0
    )
    assert judges.of("speakers") is judges.of("dialogue")
    assert isinstance(judges.of("keypoints"), LexicalJudge)


def test_default_is_the_judge_of_all_others():
    def never():
        raise AssertionError

    assert judges_of({"default": "openai/a"}, never) == LLMJudge("openai/a")
    assert judges_of({"default": "openai/a", "speakers": "lexical"}, never).of("dialogue") == LLMJudge(
        "openai/a"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("openai/gpt-4.1", "is not a mapping of tasks to judges"),
        ({"dialog": "openai/a"}, "'dialog' is no task of a judge; known are checklist, dialogue"),
        ({"dialogue": {"max_dollars": 5}}, "dialogue: dict without `model`"),
        ({"dialogue": None}, "dialogue: NoneType without `model`"),
        ({"dialogue": {"model": "openai/a", "max_dollar": 5}}, "dialogue: max_dollar is no setting of the judge 'openai/a'; known"),
        ({"dialogue": {"model": "openai/a", "max_calls": 2.5}}, "dialogue: max_calls=2.5 is not of the kind int"),
        ({"dialogue": {"model": "openai/a", "structured": "perhaps"}}, "structured='perhaps' is not of the kind bool"),
        ({"dialogue": {"model": "openai/a", "sees": [1]}}, r"sees=\[1\] is not of the kind tuple"),
        ({"dialogue": {"model": "openai/a", "max_concurrency": 0}}, "dialogue: the judge 'openai/a': max_concurrency=0"),
        ({"dialogue": {"model": "lexical", "max_calls": 2}}, "'lexical' has no settings"),
        ({"dialogue": "openai/a", "speakers, dialogue": "openai/b"}, "dialogue has two judges"),
    ],
)  # fmt: skip
def test_recipes_judges_that_cannot_be(given, said):
    with pytest.raises(ValueError, match=said):
        judges_of(given, LexicalJudge)


def test_a_key_in_a_recipe_is_refused_and_not_shown():
    with pytest.raises(ValueError, match="taken from the environment") as caught:
        judge_of({"model": "openai/a", "params": {"api_key": "sk-secret-123"}})
    assert "sk-secret-123" not in str(caught.value)


def test_the_key_of_ones_own_server_is_not_sent_to_a_provider(serve, monkeypatch, ask):
    monkeypatch.setenv("VIDALIGN_JUDGE_API_KEY", "sk-own-server-123")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-provider-123")
    server = serve()
    monkeypatch.setenv("ANTHROPIC_API_BASE", server.url.removesuffix("/v1"))
    LLMJudge("anthropic/claude-sonnet-4-20250514", cache_dir="").ask_sync([ask()])
    assert "sk-own-server-123" not in str(server.requests[0].headers)
    assert "sk-provider-123" in str(server.requests[0].headers)
