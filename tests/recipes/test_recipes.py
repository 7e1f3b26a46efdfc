"""Recipes as files: every value arrives, batches are the papers', and the accelerate configurations beside them."""

import itertools
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from recipe_files import path_of, text_of

import vidalign
from vidalign import cli

ROOT = Path(vidalign.__file__).parent.parent
NAMES = cli.recipe_names()
every_recipe = pytest.mark.parametrize("name", NAMES)

# Rows in a step (pairs, chains, captions, responses), as the papers have it; the toy world's is ours.
BATCH = {
    "avc_dpo/spatial": 64,
    "avc_dpo/temporal": 64,
    "avocado/grpo": 64,
    "avocado/grpo_512": 512,
    "avocado/grpo_dialogue": 64,
    "avocado/grpo_dialogue_checklist": 64,
    "avocado/grpo_sequence": 64,
    "avocado/grpo_small": 64,
    "avocado/sft": 128,
    "avocado/sft_2k": 128,
    "avocado/sft_small": 128,
    **{
        f"caption_chains/{model}_{method}": 8
        for model in ("plm_1b", "qwen2_5_vl_3b")
        for method in ("rank", "mpo", "dpo", "hinge", "sft")
    },
    **{f"caption_chains/qwen2_5_vl_3b_{method}_frozen": 8 for method in ("rank", "dpo", "sft")},
    "caption_chains/plm_1b_rank_frozen": 8,
    "caption_chains/plm_1b_questions": 8,
    "llava_hound/dpo": 128,
    "synpo/internvl2_5_8b": 32,
    "synpo/llama3_8b_instruct_ultrafeedback": 128,
    "synpo/llama3_8b_ultrafeedback": 128,
    "synpo/mistral_7b_instruct_ultrafeedback": 128,
    "synpo/mistral_7b_ultrafeedback": 128,
    "synpo/llava_next_video_7b": 32,
    "synpo/qwen2_5_vl_7b": 32,
    "toyworld/dpo": 32,
    "toyworld/grpo": 64,
    "toyworld/ranking": 16,
    "toyworld/sft": 32,
    "toyworld/synpo": 32,
}


def header_of(name):
    """The opening comment, without its marks and with continued lines joined."""
    lines = []
    for line in text_of(name).splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return "\n".join(lines).replace("\\\n", " ")


def parse(name, *args):
    from vidalign.trainers.dpo import VideoDPOConfig
    from vidalign.trainers.grpo import VideoGRPOConfig
    from vidalign.trainers.online.reward_names import RewardArguments
    from vidalign.trainers.ranking import RankingConfig
    from vidalign.trainers.script import RecipeArguments, parser
    from vidalign.trainers.sft import VideoSFTConfig
    from vidalign.trainers.synpo import SynPOConfig

    configs = {
        "dpo": VideoDPOConfig,
        "grpo": VideoGRPOConfig,
        "ranking": RankingConfig,
        "sft": VideoSFTConfig,
        "synpo": SynPOConfig,
    }
    path = path_of(name) if isinstance(name, str) else name
    method = yaml.safe_load(path.read_text("utf-8"))["method"]
    # Without use_cpu, transformers refuses bf16 where there is no GPU.
    script = RewardArguments if method == "grpo" else RecipeArguments
    arguments = ["--config", str(path), "--use_cpu", "true", *args]
    if method == "grpo":
        # TRL wants whole groups in what all processes generate together, and here there is but one.
        arguments += ["--steps_per_generation", "16"]
    return parser(configs[method], script).parse_args_and_config(arguments)


@every_recipe
def test_every_value_arrives(name):
    parsed = parse(name)
    for key, value in yaml.safe_load(text_of(name)).items():
        [arrived] = [getattr(part, key) for part in parsed if hasattr(part, key)]
        if key == "lora_target_modules":
            value = value[0]  # TRL takes a list of one for the name of a preset
        assert arrived == value, key
        assert isinstance(arrived, type(value)), f"{key}: {value!r} is of another type than {arrived!r}"


@every_recipe
def test_the_command_line_overrides(name):
    _, args, model = parse(name, "--learning_rate", "0.125", "--model_name_or_path", "elsewhere")
    assert args.learning_rate == 0.125
    assert model.model_name_or_path == "elsewhere"


def test_an_unknown_key_fails(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(text_of("toyworld/dpo") + "video_frames: 8\n", "utf-8")
    with pytest.raises(ValueError, match=r"Unknown arguments from config file.*video_frames"):
        parse(recipe)


@every_recipe
def test_a_recipe_says_what_it_is(name):
    recipe = yaml.safe_load(text_of(name))
    assert recipe["recipe"] == name
    assert recipe["method"] in cli.METHODS
    assert recipe["paper"]
    assert recipe["hardware"]
    assert f"out/{name.split('/')[0].replace('_', '-')}" in recipe["output_dir"]


@every_recipe
def test_the_batch_is_the_papers(name):
    recipe = yaml.safe_load(text_of(name))
    stated = re.search(r"--num_processes (\d+)", header_of(name))
    processes = int(stated.group(1)) if stated else 1
    size = recipe["per_device_train_batch_size"] * recipe["gradient_accumulation_steps"] * processes
    assert size == BATCH[name]
    # and the arithmetic in the comment is that of the values
    assert re.search(
        rf"{recipe['per_device_train_batch_size']}(?: (?:pair|chain|caption|response)s?)? x {recipe['gradient_accumulation_steps']}"
        rf"(?: accumulated)? x {processes}",
        text_of(name),
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("synpo/")])
def test_synpo_takes_its_best_epoch_by_validation(name):
    """SynPO, App. C."""
    recipe = yaml.safe_load(text_of(name))
    assert recipe["eval_strategy"] == recipe["save_strategy"] == "epoch"
    assert recipe["load_best_model_at_end"] and recipe["metric_for_best_model"] == "eval_loss"
    assert recipe["dataset_test_split"] != recipe["dataset_train_split"]


def test_avocados_ablation_is_here():
    """AVoCaDO, Table 4: the supervised stage, once more on GRPO's rows, and the rewards added one after the other."""
    recipes = {
        name: yaml.safe_load(text_of(f"avocado/{name}"))
        for name in ("grpo_dialogue", "grpo_dialogue_checklist", "grpo", "sft", "sft_2k")
    }
    rewards = {
        name: {path.split("_")[1] for path in recipe["reward_funcs"]}
        for name, recipe in recipes.items()
        if recipe["method"] == "grpo"
    }
    assert rewards == {
        "grpo_dialogue": {"dialogue"},
        "grpo_dialogue_checklist": {"dialogue", "checklist"},
        "grpo": {"dialogue", "checklist", "length"},
    }
    starts = {name: recipe["model_name_or_path"] for name, recipe in recipes.items()}
    stage = recipes["sft"]["output_dir"]
    assert starts == {**dict.fromkeys([*rewards, "sft_2k"], stage), "sft": "Qwen/Qwen2.5-Omni-7B"}
    # But for what they are about, they are alike.
    own = {"recipe", "reward_funcs", "judges", "output_dir"}
    common = [{key: value for key, value in recipes[name].items() if key not in own} for name in rewards]
    assert all(recipe == common[0] for recipe in common)
    for name in rewards:
        judges = recipes["grpo"]["judges"]
        asked = (
            judges if "checklist" in rewards[name] else {k: v for k, v in judges.items() if k != "checklist"}
        )
        assert recipes[name]["judges"] == asked


def test_the_readme_names_every_recipe():
    """`synpo/{a,b}` names two."""
    named = set()
    for quoted in re.findall(r"`([\w/{},]+)`", (ROOT / "README.md").read_text("utf-8")):
        parts = [part.split(",") for part in re.split(r"[{}]", quoted)]
        named |= {"".join(choice) for choice in itertools.product(*parts)}
    assert set(NAMES) <= named


@every_recipe
def test_both_launch_lines_run_the_same_command(name):
    header = header_of(name)
    assert "Hardware: " in header
    [long] = [shlex.split(x) for x in header.splitlines() if x.startswith("accelerate launch ")]
    [short] = [shlex.split(x) for x in header.splitlines() if x.startswith("vidalign train ")]
    assert (ROOT / long[long.index("--config_file") + 1]).is_file()
    assert long[long.index("--config") + 1] == f"recipes/{name}.yaml"

    args, trainer_args = cli.parser().parse_known_args(short[1:])
    assert args.recipe == name
    command = cli.launch_command(args.recipe, args.accelerate, args.num_processes, trainer_args)
    expected = [str(cli.PACKAGE / x) if x.startswith("recipes/") else x for x in long[2:]]
    assert command[3:] == expected


# --- accelerate configurations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", cli.accelerate_names())
def test_accelerate_reads_it(name):
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import launch_command_parser

    path = cli.ACCELERATE / f"{name}.yaml"
    config = load_config_from_file(str(path))  # raises on an unknown key
    assert config.num_processes >= 1
    assert config.gpu_ids in (None, "all")
    # Keys of the plugins are not checked on loading: a misspelt one is ignored.
    options = {action.dest for action in launch_command_parser()._actions}
    assert {*config.fsdp_config, *config.deepspeed_config} <= options
    if config.num_processes > 1:
        assert re.search(r"num_processes: \d+ # a default", path.read_text("utf-8"))


def test_there_is_one_for_each_setting():
    assert set(cli.accelerate_names()) == {"cpu", "single_gpu", "ddp", "fsdp2", "zero2", "zero3"}


def test_cpu_runs_as_many_processes_as_asked(tmp_path):
    # What vidalign.trainers.* does with its settings, in a second instead of a minute.
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from transformers import HfArgumentParser, TrainingArguments\n"
        "[args] = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses()\n"
        "seen = f'{args.process_index} of {args.world_size} {args.device.type}'\n"
        # A file for each, because what two processes print can mix within a line.
        "Path(args.output_dir, f'rank{args.process_index}').write_text(seen)\n"
    )
    command = cli.launch_command(
        "toyworld/sft", "cpu", 2, ["--output_dir", str(tmp_path), "--use_cpu", "true"]
    )
    at = command.index("-m", 3)
    command[at : at + 4] = ["--main_process_port", "0", str(script)]  # in place of -m MODULE --config RECIPE
    subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert sorted(path.read_text() for path in tmp_path.glob("rank*")) == ["0 of 2 cpu", "1 of 2 cpu"]


@pytest.mark.parametrize(
    ("recipe", "accelerate", "args", "added"),
    [
        ("synpo/qwen2_5_vl_7b", "cpu", [], True),
        ("synpo/qwen2_5_vl_7b", "cpu", ["--use_cpu=false"], False),
        ("synpo/qwen2_5_vl_7b", "cpu", ["--use_cpu", "true"], False),
        ("synpo/qwen2_5_vl_7b", "ddp", [], False),
        ("toyworld/sft", "cpu", [], False),
    ],
)
def test_the_trainer_is_told_of_the_cpu(recipe, accelerate, args, added):
    command = cli.launch_command(recipe, accelerate, None, args)
    assert (command[-2:] == ["--use_cpu", "true"] and args != command[-2:]) == added
