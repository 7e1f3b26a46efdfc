"""GRPO on audio interleaved with video: shared prompts give what separate rows give, and sound is read once a prompt."""

import pytest
import torch

from vidalign.trainers.adapters import lora_preset

OMNI = ["qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"]


@pytest.fixture
def grpo_heard(grpo_of, sound_folder, mixed_rows):
    """GRPO on prompts with sound in every form, of unlike lengths: `grpo_heard(model, **settings)`."""

    def build(model=OMNI[0], rows=None, **settings):
        rows = mixed_rows if rows is None else rows
        kept = [{name: row[name] for name in ("videos", "audios", "prompt") if name in row} for row in rows]
        given = {"media_root": str(sound_folder), "use_audio_in_video": True, "missing_audio": "silence"}
        given["per_device_train_batch_size"] = 4 * len(kept)
        return grpo_of(rows=kept, model=model, **{**given, **settings})

    return build


def first_inputs(trainer):
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))


def step_on(trainer, inputs):
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.zero_grad()
    loss = trainer.compute_loss(trainer.model, dict(inputs))
    loss.backward()
    return loss.item(), {n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("family", OMNI)
def test_shared_is_separate(family, grpo_heard, moved, assert_same_gradients):
    # The completions of a group pull against each other; the divergence from the reference does not.
    settings = {"num_iterations": 2, "beta": 1.0}
    shared, separate = (
        moved(grpo_heard(family, **settings)),
        moved(grpo_heard(family, share_prefix=False, **settings)),
    )
    inputs = first_inputs(shared)
    assert len({int(length) for length in inputs["prompt_mask"].sum(1)}) > 2
    assert any("input_features" in media for media in inputs["media"])
    loss, grads = step_on(shared, inputs)
    expected, expected_grads = step_on(separate, inputs)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert any("audio_tower" in name for name in grads)
    assert_same_gradients(grads, expected_grads)


@pytest.mark.parametrize(
    "learns", ["adapters and language model", "lora", "lora everywhere", "checkpointing"]
)
def test_what_learns(learns, grpo_heard, moved, assert_same_gradients):
    settings = {"num_iterations": 2, "gradient_checkpointing": learns == "checkpointing"}
    if learns.startswith("adapters"):  # AVoCaDO: both encoders frozen, their adapters learn
        settings["freeze"] = ["vision_tower", "audio_tower"]
    if learns.startswith("lora"):
        everywhere = learns != "lora"
        preset = lora_preset(
            dropout=0.0, vision_tower=everywhere, audio_tower=everywhere, projector=everywhere
        )
        settings["trainer_options"] = {"peft_config": preset}
    shared, separate = moved(grpo_heard(**settings)), moved(grpo_heard(share_prefix=False, **settings))
    inputs = first_inputs(shared)
    loss, grads = step_on(shared, inputs)
    expected, expected_grads = step_on(separate, inputs)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads)


@pytest.mark.parametrize(
    "frozen", [["vision_tower", "audio_tower"], ["vision_tower", "audio_tower", "projector"]]
)
def test_frozen_towers_run_once_for_everything(frozen, grpo_heard):
    trainer = grpo_heard(freeze=frozen, num_iterations=2, max_steps=2, prefix_self_check=False)
    runs = {"visual": 0, "audio_tower": 0}

    def count(name):
        def hook(*_):
            runs[name] += 1

        return hook

    for model in (trainer.model, trainer.ref_model):
        for name in runs:
            model.base_model.get_submodule(name).register_forward_hook(count(name))
    trainer.train()
    prompts = trainer._buffered_inputs[0]["media"]
    assert runs["visual"] == sum("video_grid_thw" in media for media in prompts)
    assert runs["audio_tower"] == sum("input_features" in media for media in prompts)


def test_frames_and_sound_are_read_once_for_all_completions(grpo_heard, sound_rows, monkeypatch):
    from vidalign.encoding import encoder as encoding

    reads = []
    for name in ("read_video", "read_audio"):
        read = getattr(encoding, name)

        def counted(path, *, _read=read, _name=name, **given):
            reads.append((_name, path))
            return _read(path, **given)

        monkeypatch.setattr(encoding, name, counted)
    trainer = grpo_heard(num_iterations=2, max_steps=2)
    before = len(reads)
    trainer.train()
    assert len(reads) - before == len(set(reads[before:])) > 0


def test_audio_tokens_are_never_sampled(grpo_heard):
    trainer = grpo_heard(temperature=3.0, max_completion_length=20)
    config = trainer.model.config
    with torch.no_grad():
        head = trainer.model.lm_head.weight
        for token in (config.audio_token_id, config.video_token_id):
            head[token] = 50 * head.abs().max() * torch.sign(head.mean(0))
    ids = first_inputs(trainer)["completion_ids"]
    assert not torch.isin(ids, torch.tensor([config.audio_token_id, config.video_token_id])).any()


def test_completions_are_those_of_separate_prompts(grpo_heard):
    for settings in ({"temperature": 1.0}, {"generation_kwargs": {"do_sample": False}}):
        batches = [first_inputs(grpo_heard(share_prefix=share, **settings)) for share in (True, False)]
        one, other = (sorted(map(tuple, batch["completion_ids"].tolist())) for batch in batches)
        assert one == other


def test_a_whole_run_learns_and_saves(grpo_heard, tmp_path):
    from transformers import AutoProcessor, Qwen2_5OmniThinkerForConditionalGeneration

    trainer = grpo_heard(max_steps=2)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    model = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(tmp_path / "saved")
    for name, weight in trainer.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight)
    assert type(AutoProcessor.from_pretrained(tmp_path / "saved")).__name__ == "Qwen2_5OmniProcessor"
