import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vidalign.cli import main

SERVER = Path(__file__).parent.parent / "judge" / "server.py"


@pytest.fixture(scope="session")
def judge_server():
    """The module of the scripted judge server."""
    spec = importlib.util.spec_from_file_location("vidalign_test_judge_server", SERVER)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Script:
    """A judge over HTTP. `answers` holds what a (task, caption) gets in place of a good answer; `asked`, in
    order, what it was asked."""

    def __init__(self, module, delay=0.0):
        self.module, self.answers = module, {}
        self.server = module.JudgeServer(lambda number, body: self.answer(body), delay=delay).start()

    def answer(self, body):
        task, caption = self.asked_in(body)
        answer = self.answers.get((task, caption), good_answer)
        return answer(task, caption) if callable(answer) and not isinstance(answer, type) else answer

    def asked_in(self, body):
        return body["response_format"]["json_schema"]["name"], self.module.data_of(body)["caption"]

    @property
    def asked(self):
        return [self.asked_in(request.body) for request in list(self.server.requests)]


def good_answer(task, caption):
    if task == "keypoints":
        points = [
            {"dimension": "entity", "text": f"{caption} (1)"},
            {"dimension": "sound", "text": "a sound"},
        ]
        return json.dumps({"keypoints": points})
    return json.dumps({"turns": [{"speaker": "she", "content": caption}]})


@pytest.fixture
def start_judge(judge_server):
    started = []

    def start(delay=0.0):
        started.append(Script(judge_server, delay))
        return started[-1]

    yield start
    for script in started:
        script.server.stop()


@pytest.fixture
def judge(start_judge):
    return start_judge()


class TaskScript:
    """A judge over HTTP for any task. `answers`: task -> function of the material that returns the answer, as a
    text or as JSON; `asked`, in order: (task, material)."""

    def __init__(self, module, answers, delay=0.0):
        self.module, self.answers = module, answers
        self.server = module.JudgeServer(lambda number, body: self.answer(body), delay=delay).start()

    def answer(self, body):
        task, data = self.asked_in(body)
        answer = self.answers[task](data)
        return json.dumps(answer) if isinstance(answer, (dict, list)) else answer

    def asked_in(self, body):
        return body["response_format"]["json_schema"]["name"], self.module.data_of(body)

    @property
    def asked(self):
        return [self.asked_in(request.body) for request in list(self.server.requests)]

    def judge(self, **settings):
        """The same judge in this process; no cache if none is named."""
        from vidalign.judge import LLMJudge

        given = {"cache_dir": "", "max_reasks": 0, **settings}
        return LLMJudge("openai/judge", api_base=self.server.url, **given)


@pytest.fixture
def scripted(judge_server):
    """`scripted({task: function of the material}, delay=...)`"""
    started = []

    def start(answers, delay=0.0):
        started.append(TaskScript(judge_server, answers, delay))
        return started[-1]

    yield start
    for script in started:
        script.server.stop()


@pytest.fixture
def clip(tmp_path):
    """Writes a file that is taken for a video, and returns its name."""

    def write(name="clip.mp4"):
        (tmp_path / name).write_bytes(b"not looked into")
        return name

    return write


class CommandLine:
    """`vidalign build KIND` in a process of its own. The judge's cache is off."""

    kind = "keypoints"

    def __init__(self, folder, monkeypatch, capfd):
        self.folder, self.monkeypatch, self.capfd = folder, monkeypatch, capfd

    def start(self, *args, judge=None, env=None, before=""):
        """`before` is run in the process first."""
        code = f"{before}import vidalign.cli; raise SystemExit(vidalign.cli.main())"
        command = [sys.executable, "-c", code, "build", self.kind, *map(str, args)]
        clean = {k: v for k, v in os.environ.items() if not k.startswith("VIDALIGN")}
        if judge is not None:
            command += ["--judge", "judge", "--api-base", judge.server.url, "--cache-dir", ""]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env={**clean, "PYTHONPATH": str(Path(__file__).parents[2]), "TQDM_DISABLE": "1", **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *args, **options):
        """(exit code, stdout, stderr)"""
        process = self.start(*args, **options)
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        return process.returncode, out, err

    def here(self, *args, env=None):
        """The same in this process, for what ends before the first question."""
        self.monkeypatch.chdir(self.folder)
        with self.monkeypatch.context() as patch:
            for name in os.environ:
                if name.startswith("VIDALIGN"):
                    patch.delenv(name)
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            try:
                code = main(["build", self.kind, *map(str, args)])
            except SystemExit as error:
                code = error.code
        return code, *self.capfd.readouterr()

    def captions(self, texts, name="in.jsonl"):
        path = self.folder / name
        path.write_text(
            "".join(json.dumps({"id": i, "caption": t}) + "\n" for i, t in enumerate(texts)), "utf-8"
        )
        return path


@pytest.fixture
def cli(tmp_path, monkeypatch, capfd):
    return CommandLine(tmp_path, monkeypatch, capfd)


@pytest.fixture
def read_rows():
    return lambda path: [json.loads(line) for line in Path(path).read_bytes().split(b"\n") if line]


@pytest.fixture
def wait_until():
    def wait(condition, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not come to that"
            time.sleep(0.005)

    return wait
