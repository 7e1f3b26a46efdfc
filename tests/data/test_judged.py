"""What a build says of its judges."""

from pathlib import Path

import pytest

from vidalign.data.judged import accounts, asked_of, judge_or_default, name_of, shown_name, window_of
from vidalign.judge import LexicalJudge, LLMJudge, TaskJudges, environment, judge_from_env, tasks
from vidalign.llm.forks import PerProcess

BOTH = ("keypoints", "dialogue")
GEMINI = LLMJudge("gemini/gemini-2.5-pro", api_base="http://localhost:1/v1", max_concurrency=3)


def test_one_judge_is_called_the_same_alone_and_for_each_task():
    apart = TaskJudges({"dialogue": GEMINI, "keypoints": GEMINI}, LexicalJudge())
    for judge in (GEMINI, apart):
        assert name_of(judge, BOTH) == {"model": "gemini/gemini-2.5-pro", "temperature": 0.0, "params": {}}
        assert shown_name(judge, BOTH) == "gemini/gemini-2.5-pro, temperature 0.0"
        assert window_of(judge, BOTH) == 6


def test_judges_are_called_by_task_and_those_of_other_tasks_are_not_named():
    judges = TaskJudges({"dialogue": GEMINI, "checklist": LLMJudge("openai/gpt-4.1")}, LexicalJudge())
    assert name_of(judges, BOTH) == {
        "keypoints": {"model": "LexicalJudge", "temperature": None, "params": {}},
        "dialogue": {"model": "gemini/gemini-2.5-pro", "temperature": 0.0, "params": {}},
    }
    assert (
        shown_name(judges, BOTH)
        == "keypoints: LexicalJudge; dialogue: gemini/gemini-2.5-pro, temperature 0.0"
    )
    assert window_of(judges, BOTH) == 64 and window_of(judges, ["dialogue"]) == 6


def test_the_default_is_named_like_the_offline_judge_that_is_meant(monkeypatch, capfd):
    monkeypatch.delenv("VIDALIGN_JUDGE", raising=False)
    monkeypatch.setattr(environment, "_noticed", PerProcess(list))
    unnamed = judge_or_default(judge_from_env(), BOTH)
    assert capfd.readouterr().err.count("NO JUDGE IS NAMED") == 1
    assert name_of(unnamed, BOTH) == name_of(LexicalJudge(), BOTH)
    assert shown_name(unnamed, BOTH) == "LexicalJudge" and repr(unnamed) == "LexicalJudge()"


def test_a_question_that_was_reworded_is_another_setting(monkeypatch, tmp_path):
    before = asked_of(GEMINI, BOTH)
    assert before["judge"] == name_of(GEMINI, BOTH) and set(before["questions"]) == set(BOTH)
    folder = Path(tasks.__file__).parent
    for name in BOTH:
        (tmp_path / f"{name}.py").write_text((folder / f"{name}.py").read_text())
    monkeypatch.setattr(tasks, "__file__", str(tmp_path / "__init__.py"))
    assert asked_of(GEMINI, BOTH) == before
    (tmp_path / "dialogue.py").write_text((folder / "dialogue.py").read_text().replace("caption", "text"))
    after = asked_of(GEMINI, BOTH)["questions"]
    assert after["dialogue"] != before["questions"]["dialogue"]
    assert after["keypoints"] == before["questions"]["keypoints"]


@pytest.mark.parametrize("count", [1, 2])
def test_accounts_are_told_apart_where_there_are_several(count):
    judge = LLMJudge("openai/a")
    for task in BOTH[:count]:
        judge.ledger.book(task, asked=1, answered=1)
    lines = accounts(judge)
    assert [line.split(":")[0] for line in lines[:-1]] == (
        ["keypoints (openai/a)", "dialogue (openai/a)"] if count == 2 else []
    )
    assert lines[-1].startswith(f"{count} questions: {count} answered")
