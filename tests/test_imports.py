import ast
import subprocess
import sys
from pathlib import Path

import pytest

import vidalign
from vidalign.data.builds import BUILDS

PACKAGE = Path(vidalign.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# cli -> trainers, data, evaluate -> rewards, report -> judge, generate -> commands -> prefix, stages -> encoding, llm -> families, text, video
# -> losses, rows, provenance -> _version
LEVELS = [
    {"_version"},
    {"losses", "rows", "provenance"},
    {"families", "text", "video"},
    {"encoding", "llm"},
    {"prefix", "stages"},
    {"commands"},
    {"judge", "generate"},
    {"rewards", "report"},
    {"trainers", "data", "evaluate"},
    {"cli"},
]
LEVEL_OF = {part: level for level, parts in enumerate(LEVELS) for part in parts}


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(source, module, is_package):
    """Every (module, name or None) that the source imports, at any depth, with relative imports resolved."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                anchor = module.split(".") if is_package else module.split(".")[:-1]
                anchor = anchor[: len(anchor) - node.level + 1]
                base = ".".join([*anchor, base] if base else anchor)
            found += [(base, alias.name) for alias in node.names]
    return found


def part_of(module):
    """`vidalign.video.read` -> `video`; None outside the package and for its root."""
    parts = module.split(".")
    return parts[1] if parts[0] == "vidalign" and len(parts) > 1 else None


def violations(source, module, is_package=False):
    here, out = part_of(module), []
    for base, name in imports_of(source, module, is_package):
        if base == "vidalign" and name is not None:
            base = vidalign._MODULE_OF.get(name, f"vidalign.{name}")
        there = part_of(base)
        if base.split(".")[0] == "trl":
            private = base.startswith("trl.trainer.utils") or any(
                p.startswith("_") for p in [*base.split("."), name or ""]
            )
            if private and not module.endswith("._trl"):
                out.append(f"{module} names the private {base}.{name}; only the files _trl.py may")
        elif there is None or there == here or there.startswith("__"):
            continue
        elif there == "cli" or there == "toyworld":
            out.append(f"{module} imports {base}")
        elif here != "toyworld" and LEVEL_OF[there] >= LEVEL_OF[here]:
            out.append(f"{module} imports {base}, which is not below it")
    return out


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(PACKAGE)) for p in FILES])
def test_imports_flow_one_way(path):
    module = module_name(path)
    if module == "vidalign":
        pytest.skip("its imports are lazy; test_importing_vidalign_loads_nothing_heavy holds that")
    if module != "vidalign.__main__":
        assert part_of(module) in {*LEVEL_OF, "toyworld"}, "a new part of the package needs a level in LEVELS"
        assert violations(path.read_text("utf-8"), module, path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("vidalign.losses", "from vidalign.video import read_video"),
        ("vidalign.video.read", "from ..prefix.layout import pack_rows"),
        ("vidalign.families.known", "from vidalign import video"),
        ("vidalign.rows", "from vidalign.families import FAMILIES"),
        ("vidalign.llm.client", "from vidalign.judge.tasks import checklist"),
        ("vidalign.rewards.dialogue", "import vidalign.trainers.dpo"),
        ("vidalign.prefix.forward", "from vidalign import SynPOTrainer"),
        ("vidalign.prefix.forward", "def f():\n    from vidalign.trainers.dpo import VideoDPOTrainer"),
        ("vidalign.toyworld.world", "from vidalign.cli import main"),
        ("vidalign.trainers.dpo", "from vidalign.toyworld.world import write"),
        ("vidalign.trainers.dpo", "from trl.trainer.utils import pad"),
        ("vidalign.trainers.dpo", "import trl.trainer.utils"),
        ("vidalign.trainers.dpo", "from trl.trainer.dpo_trainer import _anything"),
        ("vidalign.evaluate.report", "from trl._compat import x"),
    ],
)
def test_a_wrong_import_is_seen(module, source):
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("vidalign.video.read", "from .sampling import pick"),
        ("vidalign.trainers.dpo", "from vidalign import __version__"),
        (
            "vidalign.trainers.dpo",
            "from vidalign.prefix import SharedPrefix\nfrom vidalign.losses import dpop_loss",
        ),
        ("vidalign.trainers._trl", "from trl.trainer.utils import pad"),
        ("vidalign.trainers.dpo", "from trl import DPOTrainer"),
        ("vidalign.toyworld.world", "from vidalign.trainers.dpo import VideoDPOTrainer"),
        ("vidalign.cli", "from vidalign.trainers import sft"),
    ],
)
def test_a_right_import_passes(module, source):
    assert violations(source, module) == []


def loaded_by(statement):
    """Which of the heavy packages a fresh interpreter holds after the statement."""
    heavy = ["accelerate", "av", "datasets", "litellm", "numpy", "peft", "torch", "transformers", "trl"]
    code = f"import sys\n{statement}\nprint(*[m for m in {heavy} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return set(result.stdout.split())


def test_importing_vidalign_loads_nothing_heavy():
    assert loaded_by("import vidalign, vidalign.cli; dir(vidalign)") == set()


@pytest.mark.parametrize(
    "words", [["--help"], ["recipes"], ["build", "--help"], *(["build", kind, "--help"] for kind in BUILDS), ["caption", "--help"]]
)  # fmt: skip
def test_a_command_line_that_says_what_it_can_do_loads_nothing_heavy(words):
    told = "from contextlib import redirect_stdout, suppress\nfrom vidalign.cli import main\n"
    told += f"with redirect_stdout(sys.stderr), suppress(SystemExit):\n    main({words!r})"
    assert loaded_by(told) == set()


def test_importing_rewards_loads_nothing_heavy():
    assert loaded_by("import vidalign.rewards") == set()


def test_litellm_is_loaded_when_a_judge_is_asked_and_not_before():
    assert loaded_by("from vidalign.judge import LLMJudge; LLMJudge('openai/gpt-4.1')") == set()


def test_scoring_offline_loads_no_model_library():
    score = "from vidalign.judge import run_sync; from vidalign.rewards import avocado_reward as reward; "
    score += "row = {'keypoints': [['a dog']], 'dialogue': [[]], 'completion_ids': [[1]]}; "
    score += "print(run_sync(reward(completions=['A dog.'], **row)), file=sys.stderr)"
    assert loaded_by(score) - {"numpy"} == set()


def test_a_loss_loads_torch_only():
    assert loaded_by("from vidalign import synpo_loss") - {"numpy"} == {"torch"}


def test_reading_a_video_loads_no_model_library():
    assert (
        loaded_by("from vidalign import read_video") & {"transformers", "trl", "peft", "accelerate"} == set()
    )


def test_public_names():
    assert set(vidalign.__all__) == {*vidalign._MODULE_OF, "__version__"}
    assert set(vidalign.__all__) <= set(dir(vidalign))
    for name in vidalign._MODULE_OF:
        assert getattr(vidalign, name).__name__ == name


def test_unknown_name():
    with pytest.raises(AttributeError, match="'vidalign' has no attribute 'synpo'"):
        vidalign.synpo  # noqa: B018
