import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Picture
from transformers import set_seed

from vidalign.families import FAMILIES
from vidalign.trainers.dpo import VideoDPOConfig, VideoDPOTrainer
from vidalign.trainers.grpo import VideoGRPOConfig, VideoGRPOTrainer
from vidalign.trainers.ranking import RankingConfig, RankingTrainer
from vidalign.trainers.sft import VideoSFTConfig, VideoSFTTrainer
from vidalign.trainers.synpo import SynPOConfig, SynPOTrainer
from vidalign.video import read_video

MESSAGES = List({"role": Value("string"), "content": Value("string")})

OURS = {
    "dpo": (VideoDPOTrainer, VideoDPOConfig),
    "synpo": (SynPOTrainer, SynPOConfig),
    "sft": (VideoSFTTrainer, VideoSFTConfig),
    "ranking": (RankingTrainer, RankingConfig),
}


@pytest.fixture
def chain_rows(pair_rows):
    """Ragged chains of 2 to 5 completions, on video or text: `chain_rows(n, media=True, question=False)`.

    question: rows of several prompts with one completion.
    """

    def rows(count, *, media=True, question=False):
        table = []
        for number, row in enumerate(pair_rows(count, media=media)):
            texts = [f"{'very ' * (place % 3)}red {word} moves" for place, word in enumerate("abcde")]
            texts = texts[: 5 - number % 4]
            del row["chosen"], row["rejected"]
            if question:
                del row["prompt"]
                row["prompts"] = [[{"role": "user", "content": f"is there {text} ?"}] for text in texts]
                row["completion"] = [{"role": "assistant", "content": "no"}]
            else:
                row["ranked"] = [[{"role": "assistant", "content": text}] for text in texts]
            table.append(row)
        return table

    return rows


@pytest.fixture
def frame_rows(media_folder, pair_rows):
    """Rows whose `images` are frames of the files."""

    def rows(columns, count=4):
        table = []
        for row in pair_rows(count):
            frames = read_video(str(media_folder / row["videos"][0]), fps=1.0).frames
            pictures = [Picture.fromarray(frame) for frame in frames]
            row = {**row, "completion": row["chosen"]}
            table.append({"images": pictures, **{name: row[name] for name in ("prompt", *columns)}})
        features = {"images": List(Image()), **dict.fromkeys(("prompt", *columns), MESSAGES)}
        return Dataset.from_list(table, features=Features(features))

    return rows


@pytest.fixture
def moved():
    """The policy a little off its reference."""

    def move(trainer):
        generator = torch.Generator().manual_seed(1)
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data.add_(0.02 * torch.randn(parameter.shape, generator=generator))
        return trainer

    return move


@pytest.fixture
def logps_by_hand():
    """`logps_by_hand(model, batch)`: sequence log-probs [M] from the model's plain logits, row by row."""

    def logps(model, batch):
        family, sums = FAMILIES[model.config.model_type], []
        for row, number in enumerate(batch["prefix_group"].tolist()):
            length = int(batch["attention_mask"][row].sum())
            ids = batch["input_ids"][row : row + 1, :length]
            types = torch.zeros_like(ids)
            types[ids == model.config.video_token_id] = 2
            media = family.merge([batch["media"][number]])
            with torch.no_grad():
                logits = model(input_ids=ids, mm_token_type_ids=types, **media).logits[0].double().numpy()
            shifted = logits - logits.max(axis=-1, keepdims=True)
            logp = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
            scored = np.nonzero(batch["completion_mask"][row, :length].numpy())[0]
            sums.append(sum(logp[t - 1, int(ids[0, t])] for t in scored))
        return np.array(sums)

    return logps


@pytest.fixture
def trainer_of(tmp_path, media_folder, saved_model, pair_rows, chain_rows):
    """`trainer_of("dpo", rows=..., model=..., **settings)`: one of our trainers on tiny rows; settings go to its config."""

    def build(
        method,
        *,
        rows=None,
        model="qwen2_5_vl",
        family_rows=6,
        classes=None,
        trainer_options=None,
        **settings,
    ):
        trainer_class, config_class = classes or OURS[method]
        if rows is None:
            rows = (chain_rows if method == "ranking" else pair_rows)(family_rows)
        if method == "sft" and isinstance(rows, list):
            rows = [{**row, "completion": row["chosen"]} for row in rows]
            rows = [{key: row[key] for key in row if key not in ("chosen", "rejected")} for row in rows]
        dataset = Dataset.from_list(rows) if isinstance(rows, list) else rows
        options = {
            "output_dir": str(tmp_path / "out"),
            "per_device_train_batch_size": 2,
            "use_cpu": True,
            "bf16": False,
            "report_to": [],
            "logging_steps": 1,
            "learning_rate": 1e-3,
            "save_strategy": "no",
            "gradient_checkpointing": False,
        }
        if classes is None:
            options.update(media_root=str(media_folder), video_fps=2.0)
        model = saved_model(model) if isinstance(model, str) else model
        set_seed(0)
        return trainer_class(
            model=model,
            args=config_class(**{**options, **settings}),
            train_dataset=dataset,
            **(trainer_options or {}),
        )

    return build


@pytest.fixture
def grpo_of(tmp_path, media_folder, saved_model, online_rows):
    """`grpo_of(rows=..., model=..., rewards=..., **settings)`: our GRPO trainer (or `classes`) on tiny rows."""

    def build(
        *, rows=None, model="qwen2_5_vl", rewards=varied, classes=None, trainer_options=None, **settings
    ):
        trainer_class, config_class = classes or (VideoGRPOTrainer, VideoGRPOConfig)
        rows = online_rows(4) if rows is None else rows
        options = {
            "output_dir": str(tmp_path / "out"),
            "per_device_train_batch_size": 8,
            "num_generations": 4,
            "max_completion_length": 6,
            "use_cpu": True,
            "bf16": False,
            "report_to": [],
            "logging_steps": 1,
            "learning_rate": 1e-3,
            "save_strategy": "no",
            "gradient_checkpointing": False,
            "beta": 0.04,
        }
        if classes is None:
            options.update(media_root=str(media_folder), video_fps=2.0)
        set_seed(0)
        return trainer_class(
            model=saved_model(model) if isinstance(model, str) else model,
            reward_funcs=rewards,
            args=config_class(**{**options, **settings}),
            train_dataset=Dataset.from_list(rows) if isinstance(rows, list) else rows,
            **(trainer_options or {}),
        )

    return build


@pytest.fixture
def online_rows(pair_rows):
    """Prompts with media or without, for GRPO: `online_rows(n, media=True)`."""

    def rows(count, *, media=True):
        kept = ("videos", "prompt") if media else ("prompt",)
        return [{name: row[name] for name in kept} for row in pair_rows(count, media=media)]

    return rows


def varied(completion_ids, **_):
    """A reward that tells completions apart."""
    return [sum(ids) % 7 / 7 for ids in completion_ids]


@pytest.fixture
def first_step():
    """Loss and gradients of a trainer's first batch."""

    def step(trainer, batch=None):
        trainer.current_gradient_accumulation_steps = 1
        batch = batch if batch is not None else next(iter(trainer.get_train_dataloader()))
        trainer.model.zero_grad()
        loss = trainer.training_step(trainer.model, dict(batch))
        grads = {n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.grad is not None}
        return float(loss), grads

    return step


@pytest.fixture
def losses_of():
    def run(trainer, **options):
        trainer.train(**options)
        return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    return run


@pytest.fixture
def assert_same_gradients():
    def check(one, other, relative=1e-4):
        assert set(one) == set(other)
        total = torch.stack([grad.norm() for grad in other.values()]).norm()
        difference = torch.stack([(one[name] - grad).norm() for name, grad in other.items()]).norm()
        assert total > 0 and difference <= relative * total

    return check
