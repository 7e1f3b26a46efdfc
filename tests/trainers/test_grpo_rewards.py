"""Rewards under GRPO: they run beside the scoring, and a judge that is gone stops training with a checkpoint."""

import asyncio
import sys
import threading
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "judge"))

from server import JudgeServer, all_true, completion, data_of

from vidalign.judge import LexicalJudge, LLMJudge, environment
from vidalign.llm.forks import PerProcess
from vidalign.rewards import ChecklistReward, DialogueReward, LengthReward, avocado_rewards
from vidalign.rows import MediaFolder
from vidalign.trainers.online.batch import OnlineBatch
from vidalign.trainers.online.rewarding import judges_asked


@pytest.fixture
def keypoint_rows(online_rows):
    return [{**row, "keypoints": ["a dog barks"]} for row in online_rows(4)]


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """`judged(behave)`: a checklist reward that asks a real HTTP server, and the server."""
    monkeypatch.setattr("vidalign.llm.sender.backoff", lambda failures: 0.001)
    servers = []

    def build(behave=None, **settings):
        server = JudgeServer(**({} if behave is None else {"behave": behave})).start()
        servers.append(server)
        given = {"cache_dir": str(tmp_path / "cache"), "max_retries": 0, **settings}
        return ChecklistReward(LLMJudge("openai/judge", api_base=server.url, **given)), server

    yield build
    for server in servers:
        server.stop()


def test_awaitable_rewards_run_while_completions_are_scored(grpo_of):
    """Each waits for the other: run one after the other, neither would end."""
    rewarding, scoring = threading.Event(), threading.Event()

    async def reward(completions, **_):
        rewarding.set()
        while not scoring.is_set():
            await asyncio.sleep(0.01)
        return [float(number) for number in range(len(completions))]

    trainer = grpo_of(rewards=reward, num_iterations=2, max_steps=1)
    score = trainer._get_per_token_logps_and_entropies

    def score_meanwhile(*args, **kwargs):
        assert rewarding.wait(60)
        scoring.set()
        return score(*args, **kwargs)

    trainer._get_per_token_logps_and_entropies = score_meanwhile
    trainer.train()
    logged = trainer.state.log_history[0]
    assert 0 <= logged["reward_time/hidden_share"] <= 1
    assert logged["rewards/reward/mean"] == pytest.approx(3.5)


def test_blocking_rewards_run_in_the_trainers_own_thread(grpo_of):
    threads = []

    def reward(completions, **_):
        threads.append(threading.current_thread())
        return [1.0] * len(completions)

    grpo_of(rewards=reward, max_steps=1).train()
    assert threads == [threading.main_thread()]


def test_columns_reach_the_rewards(grpo_of, online_rows):
    from PIL import Image

    seen = {}

    def reward(completions, **columns):
        seen.update(columns)
        return [0.0] * len(completions)

    picture = Image.new("RGB", (60, 60))
    rows = [{**row, "images": [picture], "name": str(n)} for n, row in enumerate(online_rows(2))]
    grpo_of(rows=rows, rewards=reward, max_steps=1).train()
    assert {"videos", "images", "name", "prompts", "completion_ids", "trainer_state"} <= set(seen)
    assert sorted(seen["name"]) == ["0"] * 4 + ["1"] * 4
    assert not any(name.startswith("vidalign") for name in seen)
    assert all(isinstance(image, Image.Image) and image.size == (60, 60) for [image] in seen["images"])


def test_a_judge_over_http_rewards_each_completion(grpo_of, keypoint_rows, judged):
    reward, server = judged()
    trainer = grpo_of(rows=keypoint_rows, rewards=reward, max_steps=1)
    trainer.train()
    assert trainer.state.log_history[0]["rewards/checklist_reward/mean"] == 1.0
    assert server.requests


def test_a_judge_that_fails_for_good_stops_training_with_a_checkpoint(
    grpo_of, keypoint_rows, judged, tmp_path
):
    """After the first step every answer is 500: no zeros are learnt, and a resumed run goes on from the checkpoint."""
    broken = threading.Event()

    def behave(number, body):
        from aiohttp import web
        from server import all_true

        return web.Response(status=500) if broken.is_set() else all_true(body)

    reward, _ = judged(behave, patience=3)
    settings = {"rows": keypoint_rows, "rewards": reward, "max_steps": 3, "output_dir": str(tmp_path / "run")}
    trainer = grpo_of(**settings)
    calls = []
    compute = trainer._compute_loss
    trainer._compute_loss = lambda *a: calls.append(broken.set()) or compute(*a)
    with pytest.raises(Exception, match="judge") as caught:
        trainer.train()
    note = "\n".join(caught.value.__notes__)
    assert "stopped at step 1: the reward checklist_reward failed" in note and "checkpoint-1" in note
    assert len(calls) == 1
    checkpoint = tmp_path / "run" / "checkpoint-1"
    assert (checkpoint / "model.safetensors").exists() and (checkpoint / "optimizer.pt").exists()
    broken.clear()
    again = grpo_of(**{**settings, "rewards": judged()[0]})
    again.train(resume_from_checkpoint=str(checkpoint))
    assert again.state.global_step == 3
    assert [entry["step"] for entry in again.state.log_history if "reward" in entry] == [1, 2, 3]


@pytest.mark.parametrize("step", [0, 2, 3, 4])  # three steps an epoch
def test_resuming_after_a_failure_is_as_if_it_had_not_failed(step, grpo_of, online_rows, tmp_path):
    def reward_of(failing):
        def reward(completion_ids, trainer_state, **_):
            if failing and trainer_state.global_step == step:
                raise ConnectionError("the judge is gone")
            return [sum(ids) % 7 / 7 for ids in completion_ids]

        return reward

    def losses(trainer):
        return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    settings = {"rows": online_rows(6), "max_steps": step + 2}
    whole = grpo_of(rewards=reward_of(False), output_dir=str(tmp_path / "whole"), **settings)
    whole.train()
    broken = grpo_of(rewards=reward_of(True), output_dir=str(tmp_path / "broken"), **settings)
    with pytest.raises(ConnectionError, match="gone"):
        broken.train()
    resumed = grpo_of(rewards=reward_of(False), output_dir=str(tmp_path / "broken"), **settings)
    resumed.train(resume_from_checkpoint=str(tmp_path / "broken" / f"checkpoint-{step}"))
    assert losses(resumed) == pytest.approx(losses(whole), abs=1e-6)
    for one, other in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_functions_are_adapted_once_and_a_batch_ends_with_its_failure(grpo_of):
    ended = threading.Event()

    async def waits(**_):
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    def gone(**_):
        return []

    given = [waits, gone]
    trainer = grpo_of(rewards=list(given), max_steps=1)
    adapted = list(trainer.reward_funcs)
    assert [own.function for own in adapted] == given

    def fails(*_):
        assert len(trainer._batch.rows) == 8 and trainer.reward_funcs == adapted
        raise KeyboardInterrupt

    trainer._calculate_rewards = fails
    with pytest.raises(KeyboardInterrupt):
        trainer.train()
    assert trainer.reward_funcs == adapted and trainer._batch == OnlineBatch()
    assert ended.wait(60)  # what still ran was stopped


def test_the_judges_of_adapted_rewards_are_known(grpo_of, keypoint_rows):
    given = avocado_rewards(LLMJudge("openai/a"))
    trainer = grpo_of(rewards=list(given), rows=keypoint_rows)
    assert judges_asked(trainer.reward_funcs) == judges_asked(given) != []


def test_wrong_numbers_of_rewards_stop_with_a_checkpoint_too(grpo_of, tmp_path):
    with pytest.raises(ValueError, match="returned 1 rewards for 8 completions") as caught:
        grpo_of(rewards=lambda completions, **_: [0.0], max_steps=1).train()
    assert "checkpoint-0" in caught.value.__notes__[0]
    assert (tmp_path / "out" / "checkpoint-0" / "trainer_state.json").exists()


def test_a_file_that_fails_in_training_stops_with_a_checkpoint(
    grpo_of, online_rows, media_folder, make_broken, tmp_path
):
    """Its first frame can be read, and so it passes before training."""
    import shutil

    folder = tmp_path / "media"
    shutil.copytree(media_folder, folder)
    make_broken(folder / "3.mp4")
    trainer = grpo_of(rows=online_rows(4), media_root=str(folder), shuffle_dataset=False)
    with pytest.raises(ValueError, match=r"row 3 of the dataset: .*3\.mp4") as caught:
        trainer.train()
    assert "stopped at step 1: reading the media of the next batch failed" in caught.value.__notes__[0]
    assert (tmp_path / "out" / "checkpoint-1" / "model.safetensors").exists()


def test_evaluating_by_itself_shows_the_rewards_own_error(grpo_of, online_rows, tmp_path):
    from datasets import Dataset

    def reward(completions, **_):
        raise ConnectionError("the judge is gone")

    trainer = grpo_of(rewards=reward, per_device_eval_batch_size=4)
    with pytest.raises(ConnectionError, match="gone"):
        trainer.evaluate(eval_dataset=Dataset.from_list(online_rows(1)))
    assert not list((tmp_path / "out").glob("checkpoint-*"))


def test_a_checkpoint_of_an_earlier_run_is_not_taken_for_this_ones(grpo_of, tmp_path):
    def failing(completion_ids, trainer_state, **_):
        if trainer_state.global_step:
            raise ConnectionError("the judge is gone")
        return [sum(ids) % 7 / 7 for ids in completion_ids]

    old = tmp_path / "out" / "checkpoint-1"
    old.mkdir(parents=True)
    (old / "trainer_state.json").write_text("{}")
    with pytest.raises(ConnectionError):
        grpo_of(rewards=failing).train()
    assert (old / "model.safetensors").exists()


def test_rewards_get_the_columns_as_the_dataset_has_them_and_where_the_trainer_found_the_media(
    grpo_of, online_rows, media_folder
):
    seen = {}

    def reward(completions, **given):
        seen.update(given)
        return [float(number) for number in range(len(completions))]

    rows = [{**row, "title": f"row {number}"} for number, row in enumerate(online_rows(4))]
    grpo_of(rewards=reward, rows=rows, max_steps=1, media_allow=["/elsewhere"]).train()
    titles = {row["title"]: row["videos"] for row in rows}
    assert [titles[title] for title in seen["title"]] == seen["videos"]
    folder = seen["media_folder"]
    assert folder.locate(seen["videos"][0][0]) == str(media_folder / seen["videos"][0][0])
    assert folder == MediaFolder(str(media_folder), ("/elsewhere",))


@pytest.fixture
def unnamed(monkeypatch):
    monkeypatch.delenv("VIDALIGN_JUDGE", raising=False)
    monkeypatch.setattr(environment, "_noticed", PerProcess(list))


def test_before_the_first_batch_it_is_said_that_nobody_named_a_judge(grpo_of, keypoint_rows, unnamed, capfd):
    grpo_of(rewards=avocado_rewards(), rows=keypoint_rows)
    assert capfd.readouterr().err.count("NO JUDGE IS NAMED") == 1


def test_each_of_the_judges_of_one_task_is_named(grpo_of, keypoint_rows, unnamed, capfd):
    rewards = [ChecklistReward(), ChecklistReward(LLMJudge("openai/a")), ChecklistReward(LexicalJudge())]
    asked = judges_asked(rewards)
    assert [(task, judge.name) for task, judge in asked] == [
        ("checklist", name) for name in ("LexicalJudge", "openai/a", "LexicalJudge")
    ]
    assert judges_asked([rewards[1]] * 2) == judges_asked(rewards[1]) == asked[1:2]
    grpo_of(rewards=rewards[:2], rows=keypoint_rows)
    assert capfd.readouterr().err.count("NO JUDGE IS NAMED") == 1


def test_nothing_is_said_where_a_judge_is_named_or_none_is_asked(
    grpo_of, keypoint_rows, unnamed, capfd, monkeypatch
):
    for rewards in ([LengthReward()], [ChecklistReward(LexicalJudge())], avocado_rewards(LexicalJudge())):
        grpo_of(rewards=rewards, rows=keypoint_rows)
    monkeypatch.setenv("VIDALIGN_JUDGE", "lexical")
    grpo_of(rewards=avocado_rewards(), rows=keypoint_rows)
    assert "NO JUDGE" not in capfd.readouterr().err


def test_a_wrong_setting_of_the_environments_judge_stops_before_the_model_is_loaded(grpo_of, monkeypatch):
    monkeypatch.setenv("VIDALIGN_JUDGE__DIALOGUE__MAX_DOLLAR", "3")
    with pytest.raises(ValueError, match="VIDALIGN_JUDGE__DIALOGUE__MAX_DOLLAR"):
        grpo_of(rewards=DialogueReward(), model=None)


def test_what_several_judges_cost_is_logged_by_task(judged, grpo_of, keypoint_rows):
    """TRL takes the mean of what functions log under one name, so no name may be that of two judges."""

    def behave(number, body):
        answer = all_true(body) if "keypoints" in data_of(body) else '{"turns": []}'
        return completion(answer, usage=(100, 0))

    checklist, _ = judged(behave, price=(1.0, 0.0))
    other, _ = judged(behave, price=(10.0, 0.0))
    rows = [{**row, "dialogue": []} for row in keypoint_rows]
    trainer = grpo_of(rewards=[checklist, DialogueReward(other.judge)], rows=rows, max_steps=1)
    trainer.train()
    logged = trainer.state.log_history[0]
    for task, ledger, price in (
        ("checklist", checklist.judge.ledger, 1e-4),
        ("dialogue", other.judge.ledger, 1e-3),
    ):
        assert logged[f"judge/{task}/calls"] == ledger.calls > 0
        assert logged[f"judge/{task}/dollars"] == pytest.approx(ledger.calls * price)
    assert "judge/calls" not in logged and "judge/speakers/calls" not in logged
