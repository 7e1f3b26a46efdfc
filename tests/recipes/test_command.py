"""The commands on recipes: what is listed and shown, what is launched, and what cannot be."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from recipe_files import path_of, text_of

import vidalign
from vidalign import cli

ROOT = Path(vidalign.__file__).parent.parent
NAMES = cli.recipe_names()
every_recipe = pytest.mark.parametrize("name", NAMES)

# --- the command line ---------------------------------------------------------------------------------------------


def run(capsys, *argv):
    code = cli.main(list(argv))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_list(capsys):
    code, out, _ = run(capsys, "recipes")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["recipe", "method", "paper", "model", "hardware"]
    assert [line.split()[0] for line in lines[1 : 1 + len(NAMES)]] == NAMES
    [line] = [line for line in lines if line.startswith("synpo/llava_next_video_7b")]
    assert re.split(r"  +", line) == [
        "synpo/llava_next_video_7b",
        "synpo",
        "SynPO, Table 3",
        "llava-hf/LLaVA-NeXT-Video-7B-hf",
        "4x 80 GB",
    ]
    assert lines[-2] == "--accelerate: cpu, ddp, fsdp2, single_gpu, zero2, zero3"
    assert lines[-1] == "vidalign build --config: avc_dpo/build, llava_hound/build"


@pytest.mark.parametrize("given", ["avc_dpo/spatial", "avc_dpo/spatial.yaml", "recipes/avc_dpo/spatial.yaml"])
def test_show_one(capsys, given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "recipes", given)
    assert code == 0
    assert out == f"# {path_of('avc_dpo/spatial')}\n{text_of('avc_dpo/spatial')}"


def test_show_an_accelerate_configuration(capsys):
    code, out, _ = run(capsys, "recipes", "accelerate/fsdp2")
    assert code == 0
    assert "fsdp_version: 2" in out


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("synpo/qwen2_5_vl", "synpo/qwen2_5_vl_7b"),
        ("qwen2_5_vl_7b", "synpo/qwen2_5_vl_7b"),
        ("recipes/avc_dpo/tempral.yaml", "avc_dpo/temporal"),
        ("llava_hound", "llava_hound/dpo"),
    ],
)
def test_unknown_recipe(capsys, given, meant):
    code, out, err = run(capsys, "train", given, "--accelerate", "cpu", "--dry-run")
    assert (code, out) == (2, "")
    assert f"{given!r} is neither a file nor the name of a recipe; did you mean {meant}?" in err
    assert all(name in err for name in NAMES)


def test_unknown_recipe_that_resembles_none(capsys):
    code, _, err = run(capsys, "recipes", "zzzzzz")
    assert code == 2
    assert "did you mean" not in err
    assert all(name in err for name in NAMES)


def test_unknown_accelerate_configuration(capsys):
    code, _, err = run(capsys, "train", "toyworld/sft", "--accelerate", "zero4", "--dry-run")
    assert code == 2
    assert "'zero4' is neither a file nor the name of an accelerate configuration; did you mean zero" in err


def dry_run(capsys, *argv):
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", *argv, "--dry-run"])
    assert stop.value.code == 0
    return shlex.split(capsys.readouterr().out)


def test_dry_run(capsys):
    assert dry_run(
        capsys, "synpo/qwen2_5_vl_7b", "--accelerate", "ddp", "--num-processes", "2",
        "--learning_rate", "1e-6", "--seed", "-1", "--output_dir=out/a b",
    ) == [
        sys.executable, "-m", "accelerate.commands.launch",
        "--config_file", str(cli.ACCELERATE / "ddp.yaml"), "--num_processes", "2",
        "-m", "vidalign.trainers.synpo", "--config", str(path_of("synpo/qwen2_5_vl_7b")),
        "--learning_rate", "1e-6", "--seed", "-1", "--output_dir=out/a b",
    ]  # fmt: skip


def test_own_files(capsys, tmp_path):
    recipe, config = tmp_path / "mine.yaml", tmp_path / "machine.yaml"
    recipe.write_text("method: dpo\n")
    config.write_text("distributed_type: MULTI_GPU\n")
    command = dry_run(capsys, str(recipe), "--accelerate", str(config))
    assert command[3:] == [
        "--config_file", str(config), "-m", "vidalign.trainers.dpo", "--config", str(recipe)
    ]  # fmt: skip


def test_default_accelerate_configuration(capsys):
    import torch

    expected = "single_gpu.yaml" if torch.cuda.is_available() else "cpu.yaml"
    assert dry_run(capsys, "toyworld/sft")[4] == str(cli.ACCELERATE / expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "learning_rate: 1.0e-6\n",
            "has method: None; set `method` to the trainer that runs it, one of dpo, grpo, ranking, sft, synpo",
        ),
        ("method: ppo\n", "has method: ppo; set"),
        ("- method: dpo\n", "must hold keys and values"),
        ("method: [dpo\n", "is not valid YAML"),
    ],
)
def test_unusable_recipe(capsys, tmp_path, content, message):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(content)
    code, _, err = run(capsys, "train", str(recipe), "--accelerate", "cpu", "--dry-run")
    assert code == 2
    assert message in err
    assert str(recipe) in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--accelerate", "single_gpu", "--num-processes", "2"],
            "which runs one process whatever it is told",
        ),
        (["--accelerate", "ddp", "--num-processes", "0"], "at least one process"),
        (["extra", "--accelerate", "cpu"], "'extra' is not an option"),
    ],
)
def test_wrong_use(capsys, argv, message):
    code, _, err = run(capsys, "train", "toyworld/sft", *argv, "--dry-run")
    assert code == 2
    assert message in err


def test_wrong_use_of_recipes(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["recipes", "--model", "x"])
    assert stop.value.code == 2
    assert "unrecognized arguments: --model" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"vidalign {vidalign.__version__}\n"


def test_the_exit_code_is_the_trainers(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("method: dpo\nno_such_key: 1\n")
    result = subprocess.run(
        [sys.executable, "-m", "vidalign.cli", "train", recipe, "--accelerate", "cpu"],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 1
    assert "no_such_key" in result.stderr
