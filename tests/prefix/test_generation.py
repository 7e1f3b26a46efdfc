"""Samples from an expanded cache are those of full prompts."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vidalign.families import FAMILIES
from vidalign.families.family import EncodedPrompt
from vidalign.prefix import generate
from vidalign.prefix.generation import _shared_length


@pytest.fixture
def prompts_of():
    def build(name):
        family = FAMILIES[name]
        model, processor = family.tiny_model().eval(), family.tiny_processor()
        if not family.vision_tower:
            return (
                family,
                model,
                [family.encode(processor, "describe it", []), family.encode(processor, "a b", [])],
            )
        rng = np.random.default_rng(0)
        video = SimpleNamespace(
            frames=rng.integers(0, 255, (4, 56, 56, 3)).astype("uint8"),
            timestamps=np.arange(4) / 2,
            duration=2.0,
            fps=2.0,
        )
        mark = family.video_placeholder(processor)
        prompts = [
            family.encode(processor, f"{mark} describe", [video]),
            family.encode(processor, "only text"),
            family.encode(processor, f"say what {mark} shows", [video]),
        ]
        return family, model, prompts

    return build


def plainly(family, model, prompt, **options):
    """The full prompt through the model's own generate."""
    ids, inputs = torch.tensor([prompt.input_ids]), dict(prompt.media)
    if hasattr(model.base_model, "rope_deltas"):
        model.base_model.rope_deltas = None
        if inputs and "omni" not in family.name:
            inputs["mm_token_type_ids"] = torch.where(ids == model.config.video_token_id, 2, 0)
    banned = sorted(family.media_token_ids(model.config)) or None
    output = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), suppress_tokens=banned, **inputs, **options
    )
    return output[0, ids.shape[1] :].tolist()


def test_samples_are_those_of_one_call_on_the_padded_prompts(prompts_of):
    """From the same random state, the prompts' samples one after another, as a trainer's batch repeats them."""
    _, model, prompts = prompts_of("llama")
    width = max(len(prompt.input_ids) for prompt in prompts)
    rows = [
        ids for prompt in prompts for ids in [[0] * (width - len(prompt.input_ids)) + prompt.input_ids] * 3
    ]
    mask = [
        [0] * (width - len(prompt.input_ids)) + [1] * len(prompt.input_ids)
        for prompt in prompts
        for _ in "abc"
    ]
    options = {"max_new_tokens": 6, "do_sample": True, "temperature": 1.0, "top_k": 0}
    torch.manual_seed(3)
    expected = model.generate(input_ids=torch.tensor(rows), attention_mask=torch.tensor(mask), **options)
    torch.manual_seed(3)
    responses = [row for group in generate(model, prompts, samples=3, **options) for row in group]
    assert len({tuple(row) for row in responses}) > 3
    for row, plain in zip(responses, expected[:, width:].tolist(), strict=True):
        assert row == plain[: len(row)]


def test_each_prompt_has_as_many_samples_as_asked(prompts_of):
    _, model, prompts = prompts_of("qwen2_5_vl")
    responses = generate(model, prompts, samples=[1, 3, 2], max_new_tokens=3, do_sample=True)
    assert [len(group) for group in responses] == [1, 3, 2]


def test_a_prompt_that_ends_with_its_media_is_refused(prompts_of):
    _, model, prompts = prompts_of("qwen2_5_vl")
    last = max(i for i, token in enumerate(prompts[0].input_ids) if token == model.config.video_token_id)
    prompts[0].input_ids = prompts[0].input_ids[: last + 1]
    with pytest.raises(ValueError, match="ends with its media"):
        generate(model, prompts[:1], max_new_tokens=1)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_greedy_tokens_are_those_of_full_prompts(name, prompts_of):
    family, model, prompts = prompts_of(name)
    options = {"max_new_tokens": 8, "do_sample": False}
    together = generate(model, prompts, samples=3, **options)
    for prompt, responses in zip(prompts, together, strict=True):
        expected = plainly(family, model, prompt, **options)
        assert responses == [expected] * 3


@pytest.mark.parametrize("name", [name for name in FAMILIES if FAMILIES[name].audio_tower])
def test_greedy_tokens_with_sound_are_those_of_the_models_own_generate(name):
    family = FAMILIES[name]
    model, processor = family.tiny_model().eval(), family.tiny_processor()
    rng = np.random.default_rng(0)
    clip = SimpleNamespace(
        frames=rng.integers(0, 255, (6, 56, 56, 3)).astype("uint8"),
        timestamps=np.arange(6) / 2,
        duration=3.0,
        fps=2.0,
    )
    sound = 0.1 * rng.standard_normal(48_000).astype("float32")
    prompt = family.encode(
        processor, f"{family.video_placeholder(processor)} what is heard", [clip], soundtracks=[sound]
    )
    ids = torch.tensor([prompt.input_ids])
    stock = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        use_audio_in_video=True,
        suppress_tokens=sorted(family.media_token_ids(model.config)),
        max_new_tokens=8,
        do_sample=False,
        **prompt.media,
    )
    responses = generate(model, [prompt], samples=3, max_new_tokens=8, do_sample=False)[0]
    assert responses == [stock[0, ids.shape[1] :].tolist()] * 3


def test_the_tower_and_the_prompt_run_once_for_all_samples(prompts_of):
    _, model, prompts = prompts_of("qwen2_5_vl")
    towers, lengths = [], []
    model.model.visual.register_forward_hook(lambda *_: towers.append(1))
    model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(tuple(kwargs["inputs_embeds"].shape[:2])),
        with_kwargs=True,
    )
    generate(model, prompts[:1], samples=5, max_new_tokens=3, do_sample=True)
    assert len(towers) == 1
    assert lengths[0] == (1, len(prompts[0].input_ids) - 1)
    assert lengths[1:] == [(5, 1)] * 3


def test_media_tokens_are_never_sampled(prompts_of):
    _, model, prompts = prompts_of("qwen2_5_vl")
    token = model.config.video_token_id
    with torch.no_grad():  # the head of this model is not tied: favour the placeholder in every place
        model.lm_head.weight[token] = (
            50 * model.lm_head.weight.abs().max() * torch.sign(model.lm_head.weight.mean(0))
        )
    torch.manual_seed(0)
    responses = generate(model, prompts, samples=4, max_new_tokens=20, do_sample=True, temperature=2.0)
    assert not any(token in response for group in responses for response in group)
    assert all(len(response) for group in responses for response in group)


def test_training_mode_is_given_back(prompts_of):
    _, model, prompts = prompts_of("qwen2_5_vl")
    model.train()
    generate(model, prompts[:1], max_new_tokens=1, do_sample=False)
    assert model.training


def test_responses_stop_at_their_end(prompts_of):
    _, model, prompts = prompts_of("qwen2_5_vl")
    free = generate(model, prompts[:1], max_new_tokens=6, do_sample=False)[0][0]
    stopped = generate(model, prompts[:1], max_new_tokens=6, do_sample=False, eos_token_id=free[1])[0][0]
    assert stopped == free[:2]


@pytest.mark.parametrize("name", [name for name in FAMILIES if FAMILIES[name].vision_tower])
def test_several_prompts_on_one_video_read_it_once_and_say_what_each_would_alone(name):
    family = FAMILIES[name]
    model, processor = family.tiny_model().eval(), family.tiny_processor()
    rng = np.random.default_rng(0)
    video = SimpleNamespace(
        frames=rng.integers(0, 255, (4, 56, 56, 3)).astype("uint8"),
        timestamps=np.arange(4) / 2,
        duration=2.0,
        fps=2.0,
    )
    mark = family.video_placeholder(processor)
    texts = ("describe", "what is here", "describe the video in a b c", "what")
    alone = [family.encode(processor, f"{mark} {text}", [video]) for text in texts]
    # On one video's tensors, as an encoder of rows gives them.
    prompts = [EncodedPrompt(prompt.input_ids, alone[0].media) for prompt in alone]
    options = {"max_new_tokens": 6, "do_sample": False}
    lengths = []
    model.get_submodule("model.language_model").register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    together = generate(model, [prompts[0], EncodedPrompt([5, 7, 9]), *prompts[1:]], samples=2, **options)
    read = lengths[: len(lengths) - 6]
    del together[1]
    for prompt, responses in zip(alone, together, strict=True):
        assert responses == [plainly(family, model, prompt, **options)] * 2
    # What all begin with once, what each has beyond it, and the two tokens of the text prompt.
    columns = list(zip(*(prompt.input_ids[:-1] for prompt in alone), strict=False))
    common = next((place for place, column in enumerate(columns) if len(set(column)) > 1), len(columns))
    beyond = [len(prompt.input_ids) - 1 - common for prompt in alone]
    assert sorted(read) == sorted([common, *filter(None, beyond), 2])


@pytest.mark.parametrize(
    ("options", "reads"), [({}, 1), ({"share": False}, 3), ({"run_idle_towers": True}, 3)]
)
def test_every_prompt_is_read_by_itself_where_that_is_asked(options, reads, prompts_of):
    """Of sharded weights every forward is a collective: processes with fewer prompts read one again, as often as others read."""
    _, model, prompts = prompts_of("qwen2_5_vl")
    lengths = []
    model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    responses = generate(
        model, [prompts[0]] * 3, samples=[2, 0, 0], max_new_tokens=1, do_sample=False, **options
    )
    assert list(map(len, responses)) == [2, 0, 0]
    assert lengths == [len(prompts[0].input_ids) - 1] * reads + [1]


def test_tokens_that_are_forbidden_stay_forbidden_and_the_given_config_as_it_was(prompts_of):
    _, model, prompts = prompts_of("qwen2_5_vl")
    config = copy.deepcopy(model.generation_config)
    config.update(max_new_tokens=1, do_sample=False)
    [[free]] = generate(model, prompts[:1], generation_config=config)
    config.suppress_tokens = list(free)
    given = config.to_dict()
    [[other]] = generate(model, prompts[:1], generation_config=config, max_new_tokens=2)
    assert other[0] != free[0] and len(other) == 2
    assert config.to_dict() == given


@pytest.mark.parametrize("window", [4, 6])
def test_of_a_sliding_window_prompts_of_unlike_length_say_what_each_would_alone(window):
    family = FAMILIES["mistral"]
    model, tokenizer = family.tiny_model(sliding_window=window).eval(), family.tiny_processor()
    prompts = [family.encode(tokenizer, text) for text in ("describe it now", "a b", "describe it then")]
    options = {"max_new_tokens": 6, "do_sample": False}
    together = generate(model, prompts, samples=2, **options)
    for prompt, responses in zip(prompts, together, strict=True):
        assert responses == [plainly(family, model, prompt, **options)] * 2


def test_behind_a_video_that_is_longer_in_time_than_in_tokens_positions_are_those_of_the_whole_row():
    """Greedy by the model's own forward on prompt and response together, token by token, without a cache."""
    family = FAMILIES["qwen2_5_vl"]
    model, processor = family.tiny_model().eval(), family.tiny_processor()
    frames = np.random.default_rng(0).integers(0, 255, (4, 56, 56, 3)).astype("uint8")
    video = SimpleNamespace(frames=frames, timestamps=np.arange(4) * 60.0, duration=240.0, fps=1 / 60)
    prompt = family.encode(processor, f"{family.video_placeholder(processor)} describe", [video])
    positions = family.positions(model.base_model, torch.tensor([prompt.input_ids]), prompt.media)
    assert positions.max() > positions[..., -1].max(), "text goes on below the last frame's position"
    ids = list(prompt.input_ids)
    for _ in range(6):
        row = torch.tensor([ids])
        model.base_model.rope_deltas = None
        with torch.no_grad():
            logits = model(
                input_ids=row,
                attention_mask=torch.ones_like(row),
                mm_token_type_ids=torch.where(row == model.config.video_token_id, 2, 0),
                use_cache=False,
                **prompt.media,
            ).logits[0, -1]
        logits[sorted(family.media_token_ids(model.config))] = -torch.inf
        ids.append(int(logits.argmax()))
    [[response]] = generate(model, [prompt], max_new_tokens=6, do_sample=False)
    assert response == ids[len(prompt.input_ids) :]


def test_prompts_that_differ_before_their_video_are_read_apart(prompts_of):
    _, model, _ = prompts_of("qwen2_5_vl")
    ids, video = [5, 6, 7, 8, 9], model.config.video_token_id
    assert (
        _shared_length(
            [EncodedPrompt([1, video, video, *ids]), EncodedPrompt([2, video, video, *ids])], {video}
        )
        == 0
    )
    assert (
        _shared_length(
            [EncodedPrompt([1, video, video, *ids]), EncodedPrompt([1, video, video, 5, 6])], {video}
        )
        == 4
    )
    assert (
        _shared_length([EncodedPrompt([1, video, 5, 6]), EncodedPrompt([1, video, 5, video, 6])], {video})
        == 0
    )
    assert _shared_length([EncodedPrompt([1, video, 5])], {video}) == 0
