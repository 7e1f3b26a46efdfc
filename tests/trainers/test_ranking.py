"""Chains: the objective against hand-made log-probs and against DPO, rows of every form, the shared prefix."""

import math
from itertools import combinations

import numpy as np
import pytest
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Picture
from trl import DPOConfig, DPOTrainer

from vidalign.families import FAMILIES
from vidalign.video import read_video

SEEING = [name for name, family in FAMILIES.items() if family.vision_tower]


def as_chains(rows):
    return [
        {
            **{k: row[k] for k in row if k not in ("chosen", "rejected")},
            "ranked": [row["chosen"], row["rejected"]],
        }
        for row in rows
    ]


# --- the objective ------------------------------------------------------------------------------------------------


def by_hand(loss_type, rewards, logps):
    """One chain."""
    if loss_type == "hinge":
        return sum(max(0.0, b - a) for a, b in combinations(logps, 2))
    if loss_type == "dpo":
        rewards = rewards[:2]
    steps = range(1 if loss_type == "mpo" else len(rewards))
    return sum(math.log(sum(math.exp(r) for r in rewards[k:])) - rewards[k] for k in steps)


@pytest.mark.parametrize("question", [False, True])
@pytest.mark.parametrize("loss_type", ["plackett_luce", "mpo", "hinge", "dpo"])
def test_losses_by_hand(loss_type, question, trainer_of, chain_rows, first_step, moved, logps_by_hand):
    rows = chain_rows(4, question=question)
    settings = {"loss_type": [loss_type], "beta": 0.4, "ntp_weight": 0.3, "per_device_train_batch_size": 4}
    trainer = moved(trainer_of("ranking", rows=rows, **settings))
    batch = next(iter(trainer.get_train_dataloader()))
    if loss_type != "dpo":
        assert sorted(batch["chain"].bincount().tolist()) == [2, 3, 4, 5]
    loss, _ = first_step(trainer, batch)
    policy = logps_by_hand(trainer.model.eval(), batch)
    reference = np.zeros_like(policy) if loss_type == "hinge" else logps_by_hand(trainer.ref_model, batch)
    total, best = 0.0, []
    for number in range(4):
        own = (batch["chain"] == number).nonzero().flatten().tolist()
        total += by_hand(loss_type, 0.4 * (policy[own] - reference[own]), policy[own]) / 4
        best.append(own[0])
    ntp = -policy[best].sum() / int(batch["completion_mask"][best].sum())
    assert loss == pytest.approx(total + 0.3 * ntp, abs=1e-4)


@pytest.mark.parametrize("loss_type", ["plackett_luce", "mpo", "dpo"])
def test_chains_of_two_are_dpo_on_video(
    loss_type, trainer_of, pair_rows, first_step, moved, assert_same_gradients
):
    pairs = pair_rows(2)
    settings = {"beta": 0.3, "per_device_train_batch_size": 2}
    dpo = moved(
        trainer_of("dpo", rows=pairs, loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.1], **settings)
    )
    ours = moved(trainer_of("ranking", rows=as_chains(pairs), loss_type=[loss_type], **settings))
    expected, expected_grads = first_step(dpo)
    loss, grads = first_step(ours)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads)
    logged, theirs = ours._metrics["train"], dpo._metrics["train"]
    for name, other in {
        "rewards/rank_1": "rewards/chosen",
        "rewards/rank_2": "rewards/rejected",
        "rank/accuracy": "rewards/accuracies",
        "logps/rank_2": "logps/rejected",
        "entropy": "entropy",
        "num_tokens": "num_tokens",
        "mean_token_accuracy": "mean_token_accuracy",
    }.items():
        assert logged[name] == pytest.approx(theirs[other], abs=1e-4), name


def test_chains_of_two_are_stock_dpo_on_frames(
    media_folder, pair_rows, trainer_of, first_step, moved, assert_same_gradients
):
    messages = List({"role": Value("string"), "content": Value("string")})
    pairs = []
    for row in pair_rows(2):
        frames = read_video(str(media_folder / row.pop("videos")[0]), fps=1.0).frames
        pairs.append({"images": [Picture.fromarray(frame) for frame in frames], **row})
    columns = {"images": List(Image()), "prompt": messages}
    stock = trainer_of(
        "dpo",
        rows=Dataset.from_list(
            pairs, features=Features({**columns, "chosen": messages, "rejected": messages})
        ),
        classes=(DPOTrainer, DPOConfig),
        loss_type=["sigmoid", "sft"],
        loss_weights=[1.0, 0.1],
        max_length=None,
    )
    chains = Dataset.from_list(as_chains(pairs), features=Features({**columns, "ranked": List(messages)}))
    expected, expected_grads = first_step(moved(stock))
    loss, grads = first_step(moved(trainer_of("ranking", rows=chains)))
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads)


@pytest.mark.parametrize("model", ["llama", "qwen2", "video_llava"])
def test_chains_of_two_plain_strings_are_stock_dpo(
    model, pair_rows, trainer_of, first_step, moved, assert_same_gradients
):
    """Of the models, llama's and Video-LLaVA's tokenizers begin a plain string with BOS."""
    text = lambda messages: messages[0]["content"]  # noqa: E731
    pairs = [{name: text(value) for name, value in row.items()} for row in pair_rows(2, media=False)]
    settings = {"model": model, "beta": 0.3, "max_length": None}
    stock = trainer_of(
        "dpo",
        rows=pairs,
        classes=(DPOTrainer, DPOConfig),
        loss_type=["sigmoid", "sft"],
        loss_weights=[1.0, 0.1],
        **settings,
    )
    expected, expected_grads = first_step(moved(stock))
    loss, grads = first_step(moved(trainer_of("ranking", rows=as_chains(pairs), **settings)))
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads)


def test_several_losses_are_added(trainer_of, first_step, moved):
    settings = {"ntp_weight": 0.0, "beta": 0.5}
    parts = [
        first_step(moved(trainer_of("ranking", loss_type=[name], **settings)))[0] for name in ("mpo", "hinge")
    ]
    both = trainer_of("ranking", loss_type=["mpo", "hinge"], loss_weights=[2.0, 0.5], **settings)
    assert first_step(moved(both))[0] == pytest.approx(2 * parts[0] + 0.5 * parts[1], abs=1e-4)


# --- the shared prefix --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "form"),
    [
        *((family, "both") for family in SEEING),
        *(("qwen2_5_vl", form) for form in ("captions", "questions", "text")),
    ],
)
def test_shared_is_separate(family, form, trainer_of, chain_rows, first_step, moved, assert_same_gradients):
    if form == "both":
        captions, questions = chain_rows(4), chain_rows(4, question=True)
        rows = [
            {**dict.fromkeys(("prompt", "ranked", "prompts", "completion")), **row}
            for row in (captions[0], questions[0], questions[1], captions[3])
        ]
    else:
        rows = chain_rows(4, question=form == "questions", media=form != "text")
    # The load-balancing term of experts is a mean over all tokens that are run, and shared ones are run once.
    settings = {"rows": rows, "model": family, "per_device_train_batch_size": 4, "router_aux_loss_coef": 0.0}
    shared, separate = (
        moved(trainer_of("ranking", share_prefix=share, **settings)) for share in (True, False)
    )
    loss, grads = first_step(shared)
    expected, expected_grads = first_step(separate)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads, relative=2e-4)


def test_a_long_chain(trainer_of, chain_rows, first_step, moved, assert_same_gradients):
    [row] = chain_rows(1)
    words = [f"{'red ' * (1 + n // 8)}circle {'abcdefgh'[n % 8]}" for n in range(64)]
    row["ranked"] = [[{"role": "assistant", "content": text}] for text in words]
    shared, separate = (
        moved(trainer_of("ranking", rows=[row], per_device_train_batch_size=1, share_prefix=share))
        for share in (True, False)
    )
    loss, grads = first_step(shared)
    expected, expected_grads = first_step(separate)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert_same_gradients(grads, expected_grads, relative=2e-4)
    assert {"rewards/rank_1", "rewards/rank_64"} <= set(shared._metrics["train"])


@pytest.mark.parametrize("family", SEEING)
@pytest.mark.parametrize("question", [False, True])
def test_a_chain_has_its_video_once(family, question, trainer_of, chain_rows, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        "vidalign.encoding.encoder.read_video",
        lambda path, **options: decoded.append(path) or read_video(path, **options),
    )
    [row] = chain_rows(1, question=question)
    trainer = trainer_of("ranking", rows=[row], model=family, per_device_train_batch_size=1)
    batch = next(iter(trainer.get_train_dataloader()))
    assert len(batch["chain"]) == 5 and len(decoded) == len(batch["media"]) == 1
    assert batch["prefix_group"].tolist() == [0] * 5
    # What stands in the rows is what the processor makes of each question by itself.
    encoder = trainer.data_collator.encoder
    items = [{**row, "prompt": p} for p in row["prompts"]] if question else [row]
    for number, item in enumerate(items):
        encoder._last = None
        alone = encoder({**item, "completion": [{"role": "assistant", "content": "no"}]}, ("completion",))
        ids = batch["input_ids"][number, : len(alone.prompt.input_ids)]
        assert ids.tolist() == alone.prompt.input_ids
        assert all(alone.prompt.media[name].equal(tensor) for name, tensor in batch["media"][0].items())


def test_questions_that_stand_before_the_video_have_groups_of_their_own(
    trainer_of, chain_rows, first_step, moved
):
    [row] = chain_rows(1, question=True)
    row["prompts"] = [
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": p[0]["content"]}, {"type": "video", "text": None}],
            }
        ]
        for p in row["prompts"]
    ]
    row["completion"] = [{"role": "assistant", "content": [{"type": "text", "text": "no"}]}]
    settings = {"rows": [row], "per_device_train_batch_size": 1}
    shared = moved(trainer_of("ranking", **settings))
    batch = next(iter(shared.get_train_dataloader()))
    assert batch["prefix_group"].tolist() == [0, 1, 2, 3, 4]
    separate = moved(trainer_of("ranking", share_prefix=False, **settings))
    assert first_step(shared)[0] == pytest.approx(first_step(separate)[0], abs=1e-5)


def test_two_question_chains_on_one_video_share_it(trainer_of, chain_rows):
    rows = [{**row, "videos": ["0.mp4"]} for row in chain_rows(2, question=True)]
    batch = next(iter(trainer_of("ranking", rows=rows).get_train_dataloader()))
    assert len(batch["media"]) == 1 and set(batch["chain"].tolist()) == {0, 1}
