import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the sources, so that no `build/` or egg-info is left in the clone."""
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "vidalign", source / "vidalign", ignore=shutil.ignore_patterns("__pycache__"))
    for link in ("trainers", "rewards", "recipes"):
        os.symlink(f"vidalign/{link}", source / link)
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    run("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", source / "dist", source)
    [built] = (source / "dist").glob("vidalign-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder that holds the wheel's content, as site-packages would."""
    target = tmp_path_factory.mktemp("site-packages")
    run("-m", "pip", "install", "--no-deps", "--no-index", "--target", target, wheel)
    return target


def run(*argv, cwd=None, env=None):
    result = subprocess.run(
        [sys.executable, *map(str, argv)], cwd=cwd, env=env, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def away(installed, tmp_path):
    """Runs Python with the installed wheel in an empty folder; the clone is not on its path."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONPATH": str(installed)}

    def run_away(*argv):
        return run(*argv, cwd=tmp_path, env=env)

    return run_away


def test_only_vidalign_is_installed(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    [info] = top - {"vidalign"}
    assert info.startswith("vidalign-")
    assert info.endswith(".dist-info")
    assert f"{info}/licenses/LICENSE" in names


def test_everything_is_in_the_wheel(wheel):
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("vidalign/")}
    files = {p.relative_to(ROOT).as_posix() for p in (ROOT / "vidalign").rglob("*") if p.is_file()}
    assert packed == {f for f in files if "__pycache__" not in f}


def test_it_is_the_wheel_that_runs(away, installed):
    assert Path(away("-c", "import vidalign; print(vidalign.__file__)").strip()).is_relative_to(installed)


def test_the_command_is_installed(wheel):
    with zipfile.ZipFile(wheel) as content:
        [name] = [n for n in content.namelist() if n.endswith("entry_points.txt")]
        assert "vidalign = vidalign.cli:main" in content.read(name).decode()


def test_recipes_are_found_by_name(away, installed):
    listed = away("-m", "vidalign.cli", "recipes")
    for path in (ROOT / "vidalign" / "recipes").rglob("*.yaml"):
        name = path.relative_to(ROOT / "vidalign" / "recipes").with_suffix("").as_posix()
        assert name.removeprefix("accelerate/") in listed

    command = shlex.split(away(
        "-m", "vidalign.cli", "train", "recipes/synpo/qwen2_5_vl_7b.yaml", "--accelerate", "zero3", "--dry-run"
    ))  # fmt: skip
    recipes = installed / "vidalign" / "recipes"
    assert command[command.index("--config_file") + 1] == str(recipes / "accelerate" / "zero3.yaml")
    assert command[command.index("--config") + 1] == str(recipes / "synpo" / "qwen2_5_vl_7b.yaml")


def test_it_trains_away_from_the_clone(away, saved_model, media_folder, pair_rows, write_rows, tmp_path):
    rows = write_rows(media_folder / "wheel.jsonl", pair_rows(2))
    away(
        *("-m", "vidalign.cli", "train", "toyworld/synpo", "--accelerate", "cpu"),
        *("--model_name_or_path", saved_model("qwen2_5_vl"), "--dataset_name", rows, "--output_dir", "out"),
        *("--max_steps", "2", "--per_device_train_batch_size", "1", "--report_to", "none"),
    )
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "| recipe | toyworld/synpo |" in card
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_types_are_declared(installed):
    assert (installed / "vidalign" / "py.typed").is_file()
