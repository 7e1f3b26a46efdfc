"""GRPO with prompts that run once a group gives what separate rows, and TRL itself, give."""

import copy

import pytest
import torch
from trl import GRPOConfig, GRPOTrainer

from vidalign.families import FAMILIES
from vidalign.trainers.adapters import lora_preset
from vidalign.trainers.online.batch import OnlineBatch

FAMILY_NAMES = [name for name, family in FAMILIES.items() if family.vision_tower and "moe" not in name]


def step_on(trainer, inputs):
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.zero_grad()
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, dict(inputs))
    loss.backward()
    return float(loss), {n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.grad is not None}


def first_inputs(trainer):
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))


def scored(trainer, inputs):
    """Old log-probs of prepared inputs by this trainer's own way."""
    ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
    mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
    with torch.no_grad(), trainer._working_on(OnlineBatch.of_inputs(inputs)):
        logps, entropies, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model, ids, mask, inputs["completion_ids"].size(1), compute_entropy=True
        )
    mask = inputs["completion_mask"]
    return logps * mask, entropies * mask


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_shared_is_separate(family, grpo_of, moved, assert_same_gradients):
    shared = moved(grpo_of(model=family))
    separate = moved(grpo_of(model=family, share_prefix=False))
    inputs = first_inputs(shared)
    for one, other in zip(scored(shared, inputs), scored(separate, inputs), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    loss, grads = step_on(shared, inputs)
    expected, expected_grads = step_on(separate, inputs)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads)


@pytest.mark.parametrize("share", [True, False])
def test_text_is_trls_own(share, grpo_of, online_rows, assert_same_gradients):
    rows = online_rows(4, media=False)
    settings = {"rows": rows, "model": "qwen2"}
    stock = grpo_of(classes=(GRPOTrainer, GRPOConfig), **settings)
    expected = first_inputs(stock)
    expected_loss, expected_grads = step_on(stock, expected)
    ours = grpo_of(share_prefix=share, **settings)
    inputs = first_inputs(ours)
    key = lambda batch: sorted(map(tuple, batch["completion_ids"].tolist()))  # noqa: E731
    assert key(inputs) == key(expected)
    loss, grads = step_on(ours, inputs)
    assert loss == pytest.approx(expected_loss, abs=1e-5)
    assert_same_gradients(grads, expected_grads)


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_images_are_trls_own(family, share, grpo_of, online_rows, media_folder, assert_same_gradients):
    """Frames of the files as images, which TRL knows."""
    from datasets import Dataset, Features, Image, List, Value
    from PIL import Image as Picture

    from vidalign.video import read_video

    table = []
    for row in online_rows(2):
        frames = read_video(str(media_folder / row["videos"][0]), fps=1.0).frames
        table.append({"images": [Picture.fromarray(frame) for frame in frames], "prompt": row["prompt"]})
    messages = List({"role": Value("string"), "content": Value("string")})
    rows = Dataset.from_list(table, features=Features({"images": List(Image()), "prompt": messages}))
    stock = grpo_of(rows=rows, model=family, classes=(GRPOTrainer, GRPOConfig))
    expected = first_inputs(stock)
    expected_loss, expected_grads = step_on(stock, expected)
    ours = grpo_of(rows=rows, model=family, share_prefix=share)
    inputs = first_inputs(ours)
    assert sorted(inputs["prompt_ids"].tolist()) == sorted(expected["prompt_ids"].tolist())
    assert sorted(inputs["completion_ids"].tolist()) == sorted(expected["completion_ids"].tolist())
    loss, grads = step_on(ours, inputs)
    assert loss == pytest.approx(expected_loss, abs=1e-5)
    assert_same_gradients(grads, expected_grads)


@pytest.mark.parametrize(
    "settings", [{}, {"gradient_accumulation_steps": 2, "num_iterations": 2}, {"beta": 0.0}]
)
def test_a_run_on_text_is_trls_own(settings, grpo_of, online_rows):
    given = {"rows": online_rows(8, media=False), "model": "qwen2", "max_steps": 3, **settings}
    stock, ours = grpo_of(classes=(GRPOTrainer, GRPOConfig), **given), None
    stock.train()
    ours = grpo_of(**given)
    ours.train()
    losses = [
        [entry["loss"] for entry in trainer.state.log_history if "loss" in entry] for trainer in (stock, ours)
    ]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    for one, other in zip(ours.model.parameters(), stock.model.parameters(), strict=True):
        assert (one - other).abs().mean() < 1e-4  # a step of Adam is about 1e-3 in the sign of a gradient


def test_rows_of_every_kind_in_one_batch(grpo_of, online_rows, media_folder, moved, assert_same_gradients):
    from PIL import Image

    rows = online_rows(6)
    rows[1]["videos"] = []
    rows[4]["videos"] = ["1.mp4", "2.mp4"]
    for number, row in enumerate(rows):
        picture = Image.new("RGB", (60, 60), (40 * number, 0, 99))
        row["images"] = [picture] if number == 2 else []
    settings = {"rows": rows, "per_device_train_batch_size": 24}
    shared, separate = moved(grpo_of(**settings)), moved(grpo_of(share_prefix=False, **settings))
    inputs = first_inputs(shared)
    assert len({int(n) for n in inputs["prompt_mask"].sum(1)}) > 2
    assert sorted(map(len, inputs["media"])) == [0, 3, 3, 3, 3, 5]
    loss, grads = step_on(shared, inputs)
    expected, expected_grads = step_on(separate, inputs)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads)


@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("loss_type", ["grpo", "dapo", "dr_grpo", "bnpo", "cispo", "sapo", "luspo", "vespo"])
def test_every_loss_of_trl(loss_type, beta, grpo_of, moved, assert_same_gradients):
    settings = {"loss_type": loss_type, "beta": beta, "num_iterations": 2}
    shared, separate = moved(grpo_of(**settings)), moved(grpo_of(share_prefix=False, **settings))
    inputs = first_inputs(shared)
    assert "old_per_token_logps" in inputs
    with torch.no_grad():
        for trainer in (shared, separate):
            for parameter in trainer.model.parameters():
                parameter.mul_(1.01)
    loss, grads = step_on(shared, inputs)
    expected, expected_grads = step_on(separate, inputs)
    assert loss == pytest.approx(expected, abs=2e-5)
    assert_same_gradients(grads, expected_grads)


@pytest.mark.parametrize("checkpointing", [True, False])
@pytest.mark.parametrize("towers", ["frozen", "trained", "lora", "lora on towers"])
def test_what_learns(towers, checkpointing, grpo_of, assert_same_gradients):
    settings = {"gradient_checkpointing": checkpointing, "num_iterations": 2}
    options = {}
    if towers == "frozen":
        settings["freeze"] = ["vision_tower", "projector"]
    if towers.startswith("lora"):
        preset = lora_preset(dropout=0.0, vision_tower=towers != "lora")
        options["trainer_options"] = {"peft_config": preset}
    shared, separate = (grpo_of(share_prefix=share, **settings, **options) for share in (True, False))
    inputs = first_inputs(shared)
    for trainer in (shared, separate):
        generator = torch.Generator().manual_seed(3)
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter.data.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    loss, grads = step_on(shared, inputs)
    expected, expected_grads = step_on(separate, inputs)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads)
    runs = shared._media_encoder.runs
    if towers in ("frozen", "lora"):  # two prompts: generation, old policy, reference, and this step
        assert runs == 2 if towers == "frozen" else runs >= 2


def test_frozen_towers_run_once_for_generation_scoring_and_all_steps(grpo_of):
    trainer = grpo_of(freeze=["vision_tower", "projector"], num_iterations=2, prefix_self_check=False)
    reference = copy.deepcopy(trainer.ref_model.state_dict())
    seen = []
    trainer.model.model.visual.register_forward_hook(lambda *_: seen.append(1))
    trainer.ref_model.model.visual.register_forward_hook(lambda *_: seen.append(1))
    trainer.args.max_steps = 4
    trainer.train()
    assert trainer.state.global_step == 4
    assert len(seen) == 4  # two generation batches of two prompts; two iterations and a reference on each
    for name, tensor in trainer.ref_model.state_dict().items():
        assert torch.equal(tensor, reference[name])


def test_media_are_decoded_and_held_once_per_prompt(grpo_of, monkeypatch):
    from vidalign.encoding import encoder as encoding

    reads = []
    read = encoding.read_video
    monkeypatch.setattr(
        encoding, "read_video", lambda path, **given: reads.append(path) or read(path, **given)
    )
    trainer = grpo_of(num_iterations=2, steps_per_generation=2, gradient_accumulation_steps=2)
    trainer.current_gradient_accumulation_steps = 2
    batches = iter(trainer.get_train_dataloader())
    trainer.model.train()
    first = trainer._prepare_inputs(next(batches))
    trainer._step += 1
    second = trainer._prepare_inputs(next(batches))
    assert len(reads) == len(set(reads)) == 4  # 16 rows, 4 prompts
    assert len(first["media"]) == 4 and first["media"] is second["media"]
    assert all(len(own["prefix_group"].unique()) == 2 for own in (first, second))


def test_micro_batches_that_cut_a_group(grpo_of, online_rows, moved, assert_same_gradients):
    """Three groups of four in two micro-batches of six: their gradients add up to those of one batch."""
    settings = {"rows": online_rows(3), "beta": 0.0, "num_iterations": 2}
    whole = moved(grpo_of(per_device_train_batch_size=12, **settings))
    one = first_inputs(whole)
    cut = moved(
        grpo_of(
            per_device_train_batch_size=6, steps_per_generation=2, gradient_accumulation_steps=2, **settings
        )
    )
    cut.current_gradient_accumulation_steps = 2
    cut.model.train()
    batches = iter(cut.get_train_dataloader())
    cut.model.zero_grad()
    rows = []
    for _ in range(2):
        inputs = cut._prepare_inputs(next(batches))
        cut._step += 1
        rows += inputs["completion_ids"].tolist()
        cut.compute_loss(cut.model, inputs).backward()
    assert sorted(rows) == sorted(one["completion_ids"].tolist())
    assert any(len(b["prefix_group"].unique()) == 2 for b in cut._buffered_inputs)
    grads = {n: p.grad.clone() for n, p in cut.model.named_parameters() if p.grad is not None}
    _, expected = step_on(whole, one)
    assert_same_gradients(grads, expected)


def test_media_tokens_are_never_sampled(grpo_of):
    trainer = grpo_of(temperature=3.0, max_completion_length=30)
    token = trainer.model.config.video_token_id
    with torch.no_grad():
        head = trainer.model.lm_head.weight
        head[token] = 50 * head.abs().max() * torch.sign(head.mean(0))
    inputs = first_inputs(trainer)
    assert not (inputs["completion_ids"] == token).any()


def test_an_unscored_completion_changes_nothing_but_its_own_advantage(grpo_of, assert_same_gradients):
    def all_but_one(completion_ids, **_):
        scores = [sum(ids) % 7 / 7 for ids in completion_ids]
        return [None, *scores[1:]]

    trainer = grpo_of(rewards=all_but_one, beta=0.0)
    inputs = first_inputs(trainer)
    own = inputs["completion_ids"].tolist()
    mask = inputs["completion_mask"].tolist()
    scores = torch.tensor(
        [sum(t for t, m in zip(i, k, strict=True) if m) % 7 / 7 for i, k in zip(own, mask, strict=True)]
    )
    silent = (inputs["advantages"] == 0).nonzero().flatten().tolist()
    first = inputs["prefix_group"][silent[0]]
    group = [i for i in range(8) if inputs["prefix_group"][i] == first and i != silent[0]]
    expected = (scores[group] - scores[group].mean()) / (scores[group].std() + 1e-4)
    torch.testing.assert_close(inputs["advantages"][group], expected, atol=1e-5, rtol=1e-4)
    kept = [i for i in range(8) if i != silent[0]]
    _, grads = step_on(trainer, inputs)
    without = {k: v[kept] if torch.is_tensor(v) and v.ndim else v for k, v in inputs.items()}
    _, expected_grads = step_on(trainer, without)
    assert_same_gradients(grads, expected_grads)


def test_greedy_and_sampled_completions_are_those_of_separate_prompts(grpo_of):
    for settings in ({"temperature": 1.0}, {"generation_kwargs": {"do_sample": False}}):
        one = first_inputs(grpo_of(**settings))
        other = first_inputs(grpo_of(share_prefix=False, **settings))
        order, same = ([tuple(r) for r in batch["completion_ids"].tolist()] for batch in (one, other))
        assert sorted(order) == sorted(same)


@pytest.mark.parametrize(("share", "reads"), [(True, 2), (False, 8)])
def test_rows_read_their_prompt_together_or_each_by_itself(share, reads, grpo_of):
    trainer = grpo_of(share_prefix=share, beta=0.0)
    lengths = []
    trainer.model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    first_inputs(trainer)
    assert len([length for length in lengths if length > 1]) == reads


def test_prompts_are_read_in_the_trainers_precision(grpo_of):
    trainer = grpo_of(bf16=True, freeze=["vision_tower", "projector"], prefix_self_check=False)
    seen = []
    for module in (trainer.model.model.visual.patch_embed, trainer.model.model.language_model.layers[0].mlp):
        module.register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    first_inputs(trainer)
    assert seen and set(seen) == {torch.bfloat16}
    assert trainer.model.lm_head.weight.dtype == torch.float32


def test_forwards_that_only_keep_other_processes_company_change_nothing(grpo_of, monkeypatch):
    """With sharded weights a forward is a collective, and processes with fewer prompts run more of them."""
    plain = first_inputs(grpo_of(num_iterations=2))
    trainer = grpo_of(num_iterations=2)
    for module in ("grpo", "online.sampling"):
        monkeypatch.setattr(f"vidalign.trainers.{module}.forwards_of_all", lambda trainer, own: own + 2)
    inputs = first_inputs(trainer)
    for name in ("completion_ids", "old_per_token_logps", "ref_per_token_logps"):
        torch.testing.assert_close(inputs[name], plain[name])


def test_evaluation_between_the_steps_of_a_generation(grpo_of, online_rows):
    from datasets import Dataset

    rows = online_rows(2)
    trainer = grpo_of(
        eval_strategy="steps",
        eval_steps=1,
        per_device_eval_batch_size=4,
        num_iterations=2,
        max_steps=3,
        trainer_options={"eval_dataset": Dataset.from_list(rows)},
    )
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "eval_reward" in entry]
    assert len(logged) == 3


def test_a_prompt_without_room_names_its_row(grpo_of):
    message = (
        r"row \d of the dataset: the prompt has \d+ tokens.* max_completion_length=6 exceeds max_length=30"
    )
    with pytest.raises(ValueError, match=message):
        first_inputs(grpo_of(max_length=30))


def test_evaluating_other_rows_than_the_trainers_own(grpo_of, online_rows):
    from datasets import Dataset

    trainer = grpo_of(per_device_eval_batch_size=4)
    towers = []
    trainer.model.model.visual.register_forward_hook(lambda *_: towers.append(1))
    assert "eval_reward" in trainer.evaluate(eval_dataset=Dataset.from_list(online_rows(2)))
    assert towers


def test_streamed_rows_are_told_apart_by_all_that_makes_a_prompt(grpo_of, online_rows):
    from datasets import IterableDataset
    from PIL import Image

    def stream():
        for number, row in enumerate(online_rows(4, media=False)):
            picture = Image.new("RGB", (60, 60), (40 * number, 0, 99))
            yield {
                "prompt": [{"role": "user", "content": "describe it"}],
                "images": [picture],
                "number": row["prompt"],
            }

    rows = IterableDataset.from_generator(stream)
    trainer = grpo_of(rows=rows, max_steps=1, per_device_train_batch_size=16)
    inputs = first_inputs(trainer)
    assert len(inputs["media"]) == 4 and len(inputs["prefix_group"].unique()) == 4


def test_features_of_a_batch_end_with_it(grpo_of):
    trainer = grpo_of(freeze=["vision_tower", "projector"], media_cache_gb=1.0, max_steps=2)
    trainer.train()
    assert len(trainer._media_encoder.kept) <= 3  # the two prompts of the last batch, and the self-check's


def test_a_frozen_tower_stays_while_its_projector_learns(grpo_of):
    trainer = grpo_of(freeze=["vision_tower"], max_steps=1)
    before = {n: p.clone() for n, p in trainer.model.named_parameters()}
    trainer.train()
    changed = {n for n, p in trainer.model.named_parameters() if not torch.equal(p, before[n])}
    assert any("merger" in n for n in changed)
    assert not any("visual" in n and "merger" not in n for n in changed)
