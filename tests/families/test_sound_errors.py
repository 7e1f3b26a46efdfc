"""Sounds that cannot be heard whole, or belong to nothing in the prompt, stop with a message."""

from __future__ import annotations

import numpy as np
import pytest

from vidalign.families import PlaceholderError


@pytest.fixture
def encode(hearing):
    def call(*kinds, videos=(), audios=(), soundtracks=()):
        text = hearing.prompt(*kinds)
        return hearing.family.encode(hearing.processor, text, videos, audios=audios, soundtracks=soundtracks)

    return call


def test_a_placeholder_without_sound(encode):
    with pytest.raises(PlaceholderError, match=r"1 audio placeholder\(s\) .* but 0 audio\(s\)"):
        encode("audio")


def test_sound_without_a_placeholder(encode, sound, clip):
    with pytest.raises(PlaceholderError, match=r"1 audio placeholder\(s\) .* but 2 audio\(s\)"):
        encode("audio", audios=[sound(), sound()])
    with pytest.raises(PlaceholderError, match=r"0 audio placeholder\(s\) .* but 1 audio\(s\)"):
        encode("video", videos=[clip()], audios=[sound()])


def test_one_soundtrack_for_each_video(encode, sound, clip):
    with pytest.raises(PlaceholderError, match=r"2 soundtrack\(s\) came with 1 video\(s\)"):
        encode("video", videos=[clip()], soundtracks=[sound(), None])


@pytest.mark.parametrize("samples", [0, 1, 150, 200])
def test_too_short(encode, clip, samples):
    short = np.zeros(samples, np.float32)
    with pytest.raises(ValueError, match=rf"Audio 0 has {samples} samples"):
        encode("audio", audios=[short])
    with pytest.raises(ValueError, match=rf"The sound of video 0 has {samples} samples.*None for a video"):
        encode("video", videos=[clip()], soundtracks=[short])


def test_the_shortest(hearing, encode, sound):
    from vidalign.families import qwen2_5_omni, qwen3_omni

    module = qwen2_5_omni if hearing.family.name == "qwen2_5_omni_thinker" else qwen3_omni
    minimum = module.HEARING.minimum_samples
    audio = hearing.model.config.audio_token_id
    assert encode("audio", audios=[sound()[:minimum]]).input_ids.count(audio) == 1
    with pytest.raises(ValueError, match="samples, and below"):
        encode("audio", audios=[sound()[: minimum - 1]])


def test_too_long_for_the_extractor(family_named, clip):
    built = family_named("qwen2_5_omni_thinker")
    long = np.zeros(301 * 16_000, np.float32)
    with pytest.raises(ValueError, match=r"The sound of video 0 lasts 301.0 s, .* after 300 s. Cut the clip"):
        built.family.encode(built.processor, built.prompt("video"), [clip()], soundtracks=[long])


def test_exactly_as_long_as_the_extractor_takes(family_named):
    built = family_named("qwen2_5_omni_thinker")
    encoded = built.family.encode(
        built.processor, built.prompt("audio"), audios=[np.zeros(300 * 16_000, np.float32)]
    )
    assert encoded.input_ids.count(built.model.config.audio_token_id) == 7500


def test_qwen3_takes_any_length(family_named):
    built = family_named("qwen3_omni_moe_thinker")
    encoded = built.family.encode(
        built.processor, built.prompt("audio"), audios=[np.zeros(301 * 16_000, np.float32)]
    )
    assert encoded.input_ids.count(built.model.config.audio_token_id) == 301 * 13


@pytest.mark.parametrize(
    "samples",
    [np.zeros((2, 16_000), np.float32), np.zeros(16_000, np.int16)],
    ids=["stereo", "integers"],
)
def test_only_mono_floats(encode, samples):
    with pytest.raises(ValueError, match=r"Audio 0 has shape .* Give mono samples at 16000 Hz"):
        encode("audio", audios=[samples])


def test_damaged_samples(encode, sound):
    broken = sound()
    broken[100] = np.nan
    with pytest.raises(ValueError, match="Audio 0 holds samples that are not finite"):
        encode("audio", audios=[broken])


def test_a_video_that_its_text_does_not_hold(hearing, clip, sound):
    with pytest.raises(PlaceholderError, match=r"0 video placeholder\(s\)"):
        hearing.family.encode(hearing.processor, hearing.prompt(), [clip()], soundtracks=[sound()])


def test_tokens_of_media_without_media(hearing, clip):
    import torch

    encoded = hearing.family.encode(hearing.processor, hearing.prompt("video"), [clip()])
    with pytest.raises(PlaceholderError, match="stands for a medium that did not come"):
        hearing.family.positions(hearing.backbone, torch.tensor([encoded.input_ids]), {})
