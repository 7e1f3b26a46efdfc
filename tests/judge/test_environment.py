"""The judge that the environment names."""

import pytest

from vidalign.judge import LexicalJudge, LLMJudge, default_judge, judge_from_env


def setting(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(f"VIDALIGN_JUDGE_{name}", value)


@pytest.mark.parametrize("value", [None, "", " ", "lexical"])
def test_offline_by_default(monkeypatch, value):
    if value is not None:
        monkeypatch.setenv("VIDALIGN_JUDGE", value)
    assert isinstance(judge_from_env(), LexicalJudge)


def test_every_kind_of_setting(monkeypatch):
    monkeypatch.setenv("VIDALIGN_JUDGE", "openai/some/model")
    setting(
        monkeypatch,
        API_BASE="http://localhost:8000/v1",
        API_KEY_ENV="SOME_KEY",
        TEMPERATURE="0.5",
        MAX_TOKENS="100",
        PARAMS='{"seed": 3}',
        STRUCTURED="false",
        SEES="image, audio",
        REQUESTS_PER_MINUTE="90",
        MAX_DOLLARS="1.5",
        PRICE="0.1,0.4",
        CACHE_DIR="",
    )
    judge = judge_from_env()
    assert isinstance(judge, LLMJudge)
    assert (judge.model, judge.api_base) == ("openai/some/model", "http://localhost:8000/v1")
    assert (judge.api_key_env, judge.temperature, judge.max_tokens) == ("SOME_KEY", 0.5, 100)
    assert (judge.params, judge.structured, judge.sees) == ({"seed": 3}, False, ("image", "audio"))
    assert (judge.requests_per_minute, judge.max_dollars, judge.price) == (90.0, 1.5, (0.1, 0.4))
    assert judge.cache_dir == ""
    assert judge.timeout == LLMJudge("m").timeout


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("SEES", '["video"]', ("video",)),
        ("SEES", "", ()),
        ("PRICE", "[1, 2]", (1, 2)),
        ("STRUCTURED", "TRUE", True),
        ("STRUCTURED", "", None),
    ],
)
def test_other_spellings(monkeypatch, name, text, value):
    monkeypatch.setenv("VIDALIGN_JUDGE", "some-model")
    setting(monkeypatch, **{name: text})
    assert getattr(judge_from_env(), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MAX_TOKENS", "many"),
        ("MAX_TOKENS", "1.5"),
        ("TIMEOUT", "soon"),
        ("STRUCTURED", "maybe"),
        ("PARAMS", "seed=3"),
        ("PARAMS", "[1]"),
        ("PRICE", "cheap,dear"),
        ("PRICE", "1"),
        ("SEES", "smell"),
        ("SEES", "[1"),
        ("MAX_CONCURRENCY", "0"),
        ("API_BASE", "localhost"),
        ("COLOUR", "blue"),
        ("MAX_DOLLAR", "3"),
    ],
)
def test_what_cannot_be_is_refused_by_name(monkeypatch, name, text):
    monkeypatch.setenv("VIDALIGN_JUDGE", "some-model")
    setting(monkeypatch, **{name: text})
    with pytest.raises(ValueError, match=rf"(?i){name}|api_base|sees|price"):
        judge_from_env()


def test_a_mistyped_setting_is_told_also_to_who_judges_offline(monkeypatch):
    setting(monkeypatch, MAX_DOLLAR="3")
    with pytest.raises(
        ValueError, match=r"VIDALIGN_JUDGE_MAX_DOLLAR is no setting.*VIDALIGN_JUDGE_MAX_DOLLARS"
    ):
        judge_from_env()


def test_the_key_is_no_setting_and_stays_out_of_messages(monkeypatch):
    monkeypatch.setenv("VIDALIGN_JUDGE", "some-model")
    setting(monkeypatch, API_KEY="sk-secret-123")
    assert "sk-secret-123" not in repr(vars(judge_from_env()))
    setting(monkeypatch, PARAMS='{"api_key": "sk-other-456"')
    with pytest.raises(ValueError, match="VIDALIGN_JUDGE_PARAMS") as caught:
        judge_from_env()
    assert "sk-other-456" not in str(caught.value)


def test_one_judge_for_all_until_the_environment_changes(monkeypatch):
    monkeypatch.setenv("VIDALIGN_JUDGE", "some-model")
    first = default_judge()
    assert default_judge() is first
    setting(monkeypatch, MAX_CALLS="3")
    assert default_judge().max_calls == 3


def test_rewards_ask_the_environments_judge_over_http(serve, monkeypatch, tmp_path):
    import asyncio

    from vidalign.rewards.checklist import ChecklistReward

    server = serve()
    monkeypatch.setenv("VIDALIGN_JUDGE", "openai/judge")
    setting(monkeypatch, API_BASE=server.url, CACHE_DIR=str(tmp_path / "cache"))
    given = {"completions": ["a caption"], "keypoints": [["a fact"]]}
    assert asyncio.run(ChecklistReward()(**given)) == [1.0]
    assert len(server.requests) == 1
