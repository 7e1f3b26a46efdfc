"""The judges that the environment names."""

import os
import pickle
import subprocess
import sys

import pytest

from vidalign.judge import LexicalJudge, LLMJudge, TaskJudges, default_judge, environment, judge_from_env
from vidalign.judge.settings import kinds_of
from vidalign.judge.tasks import TASKS
from vidalign.llm.forks import PerProcess


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


# One judge a task


def of_tasks(monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(f"VIDALIGN_JUDGE__{name}", value)


def test_names_of_tasks_and_of_settings_cannot_be_mixed_up():
    names = {*TASKS, *kinds_of(LLMJudge), "api_key"}
    assert len(names) == len(TASKS) + len(kinds_of(LLMJudge)) + 1
    assert not any("__" in name for name in names)


def test_a_judge_of_each_task_with_settings_of_its_own(monkeypatch):
    monkeypatch.setenv("VIDALIGN_JUDGE", "openai/gpt-4o")
    setting(monkeypatch, MAX_DOLLARS="3", CACHE_DIR="/elsewhere")
    of_tasks(
        monkeypatch,
        CHECKLIST="openai/gpt-4.1",
        CHECKLIST__PRICE="2,8",
        DIALOGUE__SPEAKERS="gemini/gemini-2.5-pro",
        SPEAKERS__DIALOGUE__MAX_DOLLARS="20",
    )
    judges = judge_from_env()
    assert isinstance(judges, TaskJudges)
    assert judges.of("keypoints") == LLMJudge("openai/gpt-4o", max_dollars=3.0, cache_dir="/elsewhere")
    assert judges.of("checklist") == LLMJudge("openai/gpt-4.1", price=(2.0, 8.0))  # nothing of the other's
    assert judges.of("dialogue") == LLMJudge("gemini/gemini-2.5-pro", max_dollars=20.0)
    assert judges.of("speakers") is judges.of("dialogue")
    assert len(judges.parts()) == 3


def test_tasks_without_a_judge_of_their_own_are_offline(monkeypatch):
    of_tasks(monkeypatch, SPEAKERS="gemini/gemini-2.5-pro", YES_NO="lexical")
    judges = judge_from_env()
    assert isinstance(judges.of("checklist"), environment.UnnamedJudge)
    assert type(judges.of("yes_no")) is LexicalJudge


def test_a_task_behind_one_underscore_is_told_apart_from_a_setting(monkeypatch):
    setting(monkeypatch, DIALOGUE="gemini/gemini-2.5-pro")
    with pytest.raises(
        ValueError, match=r"VIDALIGN_JUDGE_DIALOGUE .*two underscores: VIDALIGN_JUDGE__DIALOGUE"
    ):
        judge_from_env()


def test_a_tasks_own_key(monkeypatch):
    of_tasks(
        monkeypatch,
        DIALOGUE="one",
        DIALOGUE__API_BASE="http://localhost:1/v1",
        DIALOGUE__API_KEY="sk-secret-123",
    )
    judge = judge_from_env().of("dialogue")
    assert judge.api_key_env == "VIDALIGN_JUDGE__DIALOGUE__API_KEY"
    assert "sk-secret-123" not in repr(judge) + repr(vars(judge))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("DIALOG", "VIDALIGN_JUDGE__DIALOG names no task of a judge; known are CHECKLIST, DIALOGUE,"),
        ("DIALOG__MAX_DOLLARS", "VIDALIGN_JUDGE__DIALOG__MAX_DOLLARS names no task"),
        ("", "VIDALIGN_JUDGE__ names no task"),
        ("DIALOGUE__MAX_DOLLAR", "VIDALIGN_JUDGE__DIALOGUE__MAX_DOLLAR is no setting of VIDALIGN_JUDGE__DIALOGUE"),
        ("DIALOGUE__MAX_CALLS", "VIDALIGN_JUDGE__DIALOGUE__MAX_CALLS='x' is not of the kind int"),
        ("SPEAKERS__TIMEOUT", "VIDALIGN_JUDGE__SPEAKERS__TIMEOUT is set, and VIDALIGN_JUDGE__SPEAKERS names no model"),
        ("DIALOGUE__SPEAKERS", "VIDALIGN_JUDGE__DIALOGUE: the task has two judges"),
        ("DIALOGUE__MAX_CONCURRENCY", "VIDALIGN_JUDGE__DIALOGUE: max_concurrency=0; the minimum is 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_of_a_task_is_refused_by_name(monkeypatch, name, said):
    of_tasks(monkeypatch, **{"DIALOGUE": "some-model", name: "0" if name.endswith("CONCURRENCY") else "x"})
    with pytest.raises(ValueError, match=said):
        judge_from_env()


# Nobody named a judge


@pytest.fixture
def unsaid(monkeypatch):
    monkeypatch.setattr(environment, "_noticed", PerProcess(list))


def test_it_is_said_once_where_nobody_named_a_judge(unsaid, capfd, ask):
    for _ in range(3):
        judge_from_env().ask_sync([ask()])
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1
    assert "NO JUDGE IS NAMED" in err and "VIDALIGN_JUDGE=gemini" in err and "VIDALIGN_JUDGE=lexical" in err


@pytest.mark.parametrize("variable", ["VIDALIGN_JUDGE", "VIDALIGN_JUDGE__CHECKLIST"])
def test_offline_by_name_is_silent(unsaid, capfd, ask, monkeypatch, variable):
    monkeypatch.setenv(variable, "lexical")
    judge = judge_from_env()
    environment.notice_unnamed(judge, ["checklist"])
    judge.ask_sync([ask()])
    assert capfd.readouterr().err == ""


def test_it_is_said_before_the_first_question_of_the_tasks_that_are_asked(unsaid, capfd, monkeypatch):
    of_tasks(monkeypatch, CHECKLIST="some-model")
    judge = judge_from_env()
    environment.notice_unnamed(judge, ["checklist"])
    assert capfd.readouterr().err == ""
    environment.notice_unnamed(judge, ["checklist", "dialogue"])
    assert "NO JUDGE IS NAMED" in capfd.readouterr().err


@pytest.mark.parametrize(("rank", "said"), [("0", 1), ("1", 0)])
def test_the_first_process_of_a_launch_says_it(rank, said):
    program = (
        "import asyncio\nfrom vidalign.rewards import checklist_reward\n"
        "print(asyncio.run(checklist_reward(completions=['A dog barks.'], keypoints=[['a dog barks']])))"
    )
    launched = {**os.environ, "RANK": rank, "WORLD_SIZE": "2"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=launched, check=True
    )
    assert done.stdout == "[1.0]\n" and done.stderr.count("NO JUDGE IS NAMED") == said


def test_the_judge_that_nobody_named_is_pickled(unsaid):
    assert pickle.loads(pickle.dumps(judge_from_env())).name == "LexicalJudge"
