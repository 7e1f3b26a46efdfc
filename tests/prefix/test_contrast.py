"""Contrastive decoding: its formula, token by token, and plain sampling where it takes no notice of the weaker prompts."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vidalign.encoding.sampling import fewer_frames
from vidalign.families import FAMILIES
from vidalign.prefix import KeptPrefixes, MediaEncoder, generate
from vidalign.prefix.contrast import ContrastiveSampling, contrasted
from vidalign.video import Video

INF = float("inf")
NAMES = ["qwen2_5_vl", "qwen3_vl", "qwen2_5_omni_thinker", "internvl"]
DRAWN = {"do_sample": True, "temperature": 0.9, "top_k": 32, "top_p": 0.95}


def clip(frames, seed=0):
    return SimpleNamespace(
        frames=np.random.default_rng(seed).integers(0, 255, (frames, 56, 56, 3)).astype("uint8"),
        timestamps=np.arange(frames) / 2,
        duration=frames / 2,
        fps=2.0,
    )


@pytest.fixture
def prompts_of():
    """A model, prompts on two videos, and the same on fewer of their frames."""

    def build(name):
        family = FAMILIES[name]
        torch.manual_seed(0)
        model, processor = family.tiny_model().eval(), family.tiny_processor()
        mark = family.video_placeholder(processor)
        for parameter in model.parameters():
            parameter.data.mul_(3)  # of a tiny model all logits are alike
        return (
            family,
            model,
            *(
                [
                    family.encode(processor, f"{mark} {text}", [clip(frames, seed)])
                    for seed, text in enumerate(("describe", "a b c"))
                ]
                for frames in (6, 2)
            ),
        )

    return build


def test_the_formula():
    full, weak = torch.tensor([[1.0, 2.0, -INF, 0.5]]), torch.tensor([[3.0, -1.0, -INF, -INF]])
    assert torch.equal(contrasted(full, weak, 0.5), torch.tensor([[0.0, 3.5, -INF, INF]]))
    finite = torch.tensor([[3.0, -1.0, 7.0, 0.5]])
    assert torch.equal(contrasted(full, finite, 0.5), torch.tensor([[0.0, 3.5, -INF, 0.5]]))
    assert torch.equal(contrasted(full, finite, 0.0), full)


def test_both_halves_go_on_with_the_token_of_the_contrast():
    full, weak = torch.randn(3, 50), torch.randn(3, 50)
    chosen = ContrastiveSampling(0.5)(torch.zeros(6, 1), torch.cat([full, weak])).argmax(-1)
    assert chosen.tolist() == (1.5 * full - 0.5 * weak).argmax(-1).tolist() * 2
    drawn = ContrastiveSampling(0.5, **DRAWN)(torch.zeros(6, 1), torch.cat([full, weak]))
    assert torch.equal(drawn[:3], drawn[3:]) and (drawn == 0).sum(-1).eq(1).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("options", [{"do_sample": False}, DRAWN], ids=["greedy", "drawn"])
def test_at_strength_0_it_is_plain_decoding(name, options, prompts_of):
    _, model, full, weak = prompts_of(name)
    found = []
    for more in ({}, {"against": weak, "strength": 0.0}):
        torch.manual_seed(1)
        found.append(generate(model, full, samples=3, max_new_tokens=8, **more, **options))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", ["qwen2_5_vl", "internvl"])
def test_each_token_is_the_best_of_the_two_whole_rows(name, prompts_of):
    family, model, full, weak = prompts_of(name)
    found = generate(model, full, against=weak, strength=0.5, max_new_tokens=6, do_sample=False)
    plain = generate(model, full, max_new_tokens=6, do_sample=False)
    assert found != plain
    banned = sorted(family.media_token_ids(model.config))
    for number, [tokens] in enumerate(found):
        for step, token in enumerate(tokens):
            one, other = (
                logits_after(family, model, prompts[number], tokens[:step]) for prompts in (full, weak)
            )
            one[banned] = -INF
            best = contrasted(one, other, 0.5).topk(2)
            assert token == best.indices[0] or best.values[0] - best.values[1] < 1e-4


@torch.no_grad()
def logits_after(family, model, prompt, tokens):
    ids, inputs = torch.tensor([prompt.input_ids + tokens]), dict(prompt.media)
    if hasattr(model.base_model, "rope_deltas"):
        model.base_model.rope_deltas = None
        inputs["mm_token_type_ids"] = torch.where(ids == model.config.video_token_id, 2, 0)
    return model(input_ids=ids, attention_mask=torch.ones_like(ids), **inputs).logits[0, -1]


def test_a_weaker_form_of_each_prompt(prompts_of):
    _, model, full, weak = prompts_of("qwen2_5_vl")
    with pytest.raises(ValueError, match="1 weaker prompts for 2 prompts"):
        generate(model, full, against=weak[:1], strength=0.5)


@pytest.mark.parametrize(
    ("count", "taken"),
    [(1, [0]), (2, [0]), (3, [0]), (4, [0, 3]), (7, [0, 3, 6]), (8, [0, 4, 7]), (16, [0, 3, 6, 9, 12, 15])],
)
def test_a_third_of_the_frames_from_the_first_to_the_last(count, taken):
    frames = np.arange(count, dtype=np.uint8)[:, None, None, None]
    video = Video(frames, np.arange(count) * 0.5, count / 2, 2.0, 30.0, "a.mp4")
    fewer = fewer_frames(video)
    assert len(taken) == (count + 2) // 3
    assert fewer.frames.ravel().tolist() == taken and (fewer.timestamps == video.timestamps[taken]).all()
    assert (fewer.duration, fewer.path) == (video.duration, video.path)
    assert fewer.fps == (2.0 if len(taken) == 1 else (len(taken) - 1) / (taken[-1] * 0.5))


@pytest.mark.parametrize("name", NAMES)
def test_what_was_read_of_the_media_serves_further_prompts(name, prompts_of):
    family, model, full, _ = prompts_of(name)
    encoder, kept = MediaEncoder(family), KeptPrefixes()
    greedy = {"max_new_tokens": 6, "do_sample": False}
    first = generate(model, full, encoder=encoder, kept=kept, **greedy)
    assert first == generate(model, full, **greedy)
    runs = encoder.runs
    processor = family.tiny_processor()
    mark = family.video_placeholder(processor)
    texts = ("describe", "a b c")
    longer = [
        type(prompt)(
            family.encode(processor, f"{mark} {text} say what", [clip(6, number)]).input_ids, prompt.media
        )
        for number, (prompt, text) in enumerate(zip(full, texts, strict=True))
    ]
    read = tokens_read(model)
    again = generate(model, [*longer, *full], encoder=encoder, kept=kept, **greedy)
    assert encoder.runs == runs
    assert read and not set(read) & family.media_token_ids(model.config)
    assert again == generate(model, [*longer, *full], **greedy)


def tokens_read(model):
    """The tokens that the backbone reads from here on."""
    read = []
    model.base_model.register_forward_pre_hook(
        lambda _, args, options: read.extend(options["input_ids"].ravel().tolist()), with_kwargs=True
    )
    return read
