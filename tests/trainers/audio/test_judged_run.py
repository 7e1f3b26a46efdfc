"""AVoCaDO's own setting, whole: `vidalign train avocado/grpo` on films with their sound, launched from another folder than the
data's, with a judge a task, one of which is shown the video."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vidalign

sys.path.insert(0, str(Path(__file__).parents[2] / "judge"))

from server import JudgeServer, data_of

ROOT = Path(vidalign.__file__).parent.parent
# Every word of the tiny model's vocabulary has letters of it.
SPOKEN = "the quick brown fox jumps over the lazy dog"


def answer(number, body):
    task, data = body["response_format"]["json_schema"]["name"], data_of(body)
    if task == "checklist":
        return json.dumps({"verdicts": [{"index": 1, "mentioned": number % 2 == 0}]})
    if task == "dialogue":
        return json.dumps({"turns": [{"speaker": "somebody", "content": data["caption"]}]})
    return json.dumps({"verdicts": [{"index": pair["index"], "same": True} for pair in data["pairs"]]})


def task_of(request):
    return request.body["response_format"]["json_schema"]["name"]


@pytest.fixture
def servers():
    started = [JudgeServer(answer).start() for _ in range(2)]
    yield started
    for server in started:
        server.stop()


@pytest.fixture
def launch(saved_model, sound_folder, write_rows, servers, tmp_path):
    """`launch(*options)`: one step of the recipe on two films -> the finished process."""
    rows = [
        {
            "videos": [f"{number}.mp4"],
            "prompt": [{"role": "user", "content": "describe"}],
            "keypoints": ["a bell rings"],
            "dialogue": [{"speaker": f"speaker {number}", "content": SPOKEN}],
        }
        for number in range(2)
    ]
    data = write_rows(sound_folder / "inventory.jsonl", rows)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def run(*options):
        command = [sys.executable, "-m", "vidalign.cli", "train", "avocado/grpo", "--accelerate", "cpu"]
        command += ["--dataset_name", data, "--model_name_or_path", saved_model("qwen2_5_omni_thinker")]
        command += ["--output_dir", str(tmp_path / "out"), "--dtype", "float32", "--bf16", "false"]
        command += ["--per_device_train_batch_size", "16", "--max_steps", "1", "--max_completion_length", "6"]
        command += ["--save_strategy", "no", "--report_to", "none", *options]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("VIDALIGN")}
        clean |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=elsewhere, env=clean, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
        return done

    return run


def test_the_judge_of_speakers_receives_the_film_itself(launch, servers, sound_folder, tmp_path):
    checker, watcher = servers
    cache = str(tmp_path / "answers")
    judges = {
        "checklist": {
            "model": "openai/checker",
            "api_base": checker.url,
            "cache_dir": cache,
            "price": [1, 1],
        },
        "dialogue, speakers": {
            "model": "openai/watcher",
            "api_base": watcher.url,
            "sees": ["video"],
            "cache_dir": cache,
            "max_calls": 1000,
        },
    }
    # Any letter in common makes a pair.
    settings = {"avocado_dialogue_reward": {"threshold": 0.0}}
    done = launch("--judges", json.dumps(judges), "--reward_settings", json.dumps(settings))
    assert "NO JUDGE IS NAMED" not in done.stderr

    assert {task_of(request) for request in checker.requests} == {"checklist"}
    assert {request.body["model"] for request in watcher.requests} == {"watcher"}
    assert {task_of(request) for request in watcher.requests} == {"dialogue", "speakers"}
    asked = [request.body for request in watcher.requests if task_of(request) == "speakers"]
    shown = set()
    for body in asked:
        [video, _] = body["messages"][-1]["content"]
        kind, content = video["video_url"]["url"].split(",")
        assert kind == "data:video/mp4;base64"
        number = data_of(body)["pairs"][0]["reference"]["speaker"].removeprefix("speaker ")
        assert base64.b64decode(content) == (sound_folder / f"{number}.mp4").read_bytes()
        shown.add(number)
    assert shown == {"0", "1"}

    for name in ("checklist", "dialogue", "speakers"):
        assert f"judge/{name}/calls" in done.stdout, name
    assert "rewards/dialogue_reward/mean" in done.stdout
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "checklist: openai/checker; dialogue: openai/watcher; speakers: openai/watcher" in card
