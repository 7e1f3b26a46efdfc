"""The tiny thinker: its tokens, its size, its faster towers, and that it hears."""

import itertools

import pytest
import torch
from transformers import Qwen2_5OmniThinkerForConditionalGeneration

from vidalign.encoding import RowEncoder, VideoSampling
from vidalign.families import family_of
from vidalign.prefix import generate
from vidalign.rows import MediaFolder
from vidalign.toyworld.captioner import encode_clips
from vidalign.toyworld.sound.model import SAMPLED_FRAMES, build_model, build_processor, load_model
from vidalign.toyworld.world import read_jsonl


@pytest.fixture(scope="module")
def processor():
    return build_processor()


@pytest.fixture(scope="module")
def prompts(processor, sound_world):
    model = build_model(processor, seed=0)
    family = family_of(model)
    encoder = RowEncoder(
        processor,
        family,
        sampling=VideoSampling(fps=None, num_frames=SAMPLED_FRAMES, use_audio_in_video=True),
        folder=MediaFolder(sound_world),
        media_token_ids=family.media_token_ids(model.config),
    )
    return encode_clips(encoder, [row["videos"][0] for row in read_jsonl(sound_world / "test.jsonl")])


def test_a_clips_tokens(processor, prompts):
    tokenizer = processor.tokenizer
    for prompt in prompts:
        tokens = tokenizer.convert_ids_to_tokens(prompt.input_ids)
        assert tokens.count(processor.video_token) == 16
        assert tokens.count(processor.audio_token) == 51
        assert tokenizer.unk_token not in tokens
        media = [token for token in tokens if token in (processor.video_token, processor.audio_token)]
        changes = sum(one != other for one, other in itertools.pairwise(media))
        assert changes == 3  # two chunks: frames, sound, frames, sound
        assert len(tokens) < 90


def test_a_saved_processor_keeps_the_frames_size(processor, tmp_path):
    from transformers import AutoProcessor

    from vidalign.families.omni import video_size

    processor.save_pretrained(tmp_path)
    assert video_size(AutoProcessor.from_pretrained(tmp_path)) == video_size(processor)


def test_about_a_million_parameters(processor):
    model = build_model(processor, seed=0)
    assert 0.8e6 < sum(parameter.numel() for parameter in model.parameters()) < 1.1e6
    assert model.lm_head.weight is model.model.language_model.embed_tokens.weight


def test_weights_depend_on_the_seed_alone(processor):
    torch.manual_seed(1)
    one = build_model(processor, seed=4).state_dict()
    torch.manual_seed(2)
    two, other = build_model(processor, seed=4).state_dict(), build_model(processor, seed=5).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_faster_towers_compute_the_same(processor, prompts, tmp_path):
    fast = build_model(processor, seed=0)
    fast.save_pretrained(tmp_path)
    stock = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32)
    family = family_of(fast)
    media = family.merge([prompt.media for prompt in prompts])
    ours, theirs = (family.media_features(model.model, media) for model in (fast, stock))
    for medium, of in (
        ("video", lambda out: torch.cat(out.pooler_output)),
        ("audio", lambda out: out.pooler_output),
    ):
        torch.testing.assert_close(of(ours[medium]), of(theirs[medium]), atol=1e-5, rtol=1e-4)
    again = load_model(str(tmp_path))
    assert type(again.model.audio_tower.layers[0].self_attn) is type(
        fast.model.audio_tower.layers[0].self_attn
    )


def test_what_is_heard_reaches_the_words(processor, prompts):
    """The same frames with another clip's sound give other log-probs."""
    model = build_model(processor, seed=0).eval()
    family = family_of(model)
    one, other = prompts[:2]
    swapped = {**one.media, "input_features": other.media["input_features"]}
    ids = torch.tensor([one.input_ids])
    logits = [
        model(
            input_ids=ids,
            position_ids=family.positions(model.model, ids, media),
            **family.backbone_inputs(model.model, ids, family.media_features(model.model, media)),
        ).logits[0, -1]
        for media in (one.media, swapped)
    ]
    assert not torch.allclose(*logits, atol=1e-3)


def test_it_can_be_sampled_from(processor, prompts):
    model = build_model(processor, seed=0)
    responses = generate(model, prompts[:2], samples=2, max_new_tokens=5, do_sample=True)
    assert [len(own) for own in responses] == [2, 2]
    media = family_of(model).media_token_ids(model.config)
    assert not media & {token for own in responses for ids in own for token in ids}
