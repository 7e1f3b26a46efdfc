"""Sound by itself and among the frames of its video: logits of the stock forward, and what is right where it is not."""

from __future__ import annotations

import pytest
import torch

# What the prompt holds, and the seconds of each soundtrack (None: a video without sound) and of each audio by itself.
# A clip of conftest lasts 2.5 s and has three grid steps.
STOCK_IS_RIGHT = {
    "audio": (("audio",), [], [1.3]),
    "two audios": (("audio", "audio"), [], [3.3, 1.111]),
    "audio, then image": (("audio", "image"), [], [1.0]),
    "video, then audio": (("video", "audio"), [], [1.0]),
    "audio, then video": (("audio", "video"), [], [1.0]),
    "video with sound": (("video",), [2.5], []),
    "sound outlasts the video": (("video",), [7.3], []),
    "sound ends before the video": (("video",), [0.3], []),
    "video with sound, then image": (("video", "image"), [2.2], []),
    "image, then video with sound": (("image", "video"), [2.2], []),
    "video with sound, then audio": (("video", "audio"), [2.5], [1.0]),
    "audio, then video with sound": (("audio", "video"), [2.5], [1.0]),
    "two videos with sound": (("video", "video"), [2.5, 4.1], []),
}


@pytest.fixture
def media(clip, image, sound):
    def make(kinds, tracks, seconds, **options):
        """(videos, images, audios, soundtracks) as `encode` takes them."""
        videos = [clip(seed=k, **options) for k in range(kinds.count("video"))]
        images = [image(seed=10 + k) for k in range(kinds.count("image"))]
        audios = [sound(length, seed=20 + k) for k, length in enumerate(seconds)]
        soundtracks = [length and sound(length, seed=30 + k) for k, length in enumerate(tracks)]
        return videos, images, audios, soundtracks

    return make


def encode(hearing, text, videos, images, audios, soundtracks):
    return hearing.family.encode(
        hearing.processor, text, videos, images, audios=audios, soundtracks=soundtracks
    )


def positions(hearing, encoded):
    ids = torch.tensor([encoded.input_ids])
    return hearing.family.positions(hearing.backbone, ids, encoded.media)


def stock_positions(hearing, input_ids, media, *, with_sound):
    """What the backbone computes itself for one prompt."""
    ids = torch.tensor([input_ids])
    mask = media.get("feature_attention_mask")
    found, _ = hearing.backbone.get_rope_index(
        ids,
        media.get("image_grid_thw"),
        media.get("video_grid_thw"),
        torch.ones_like(ids),
        with_sound,
        None if mask is None else mask.sum(-1),
        media.get("video_second_per_grid"),
    )
    return found


@pytest.mark.parametrize("case", STOCK_IS_RIGHT)
def test_logits_of_the_stock_forward(hearing, media, case):
    kinds, tracks, seconds = STOCK_IS_RIGHT[case]
    given = media(kinds, tracks, seconds)
    text = hearing.prompt(*kinds)
    encoded = encode(hearing, text, *given)
    stock = hearing.stock_inputs(text, *given)
    assert encoded.input_ids == stock["input_ids"][0].tolist()
    torch.testing.assert_close(
        hearing.encoded_logits(encoded), hearing.stock_logits(text, *given), atol=1e-5, rtol=0
    )
    expected = stock_positions(hearing, encoded.input_ids, encoded.media, with_sound=bool(tracks))
    found = positions(hearing, encoded)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


@pytest.mark.parametrize("fps", [0.4, 0.7, 1.0, 3.0])
@pytest.mark.parametrize("seconds", [2.3, 3.3, 25.3])
def test_rates(hearing, media, fps, seconds):
    """Steps longer than a chunk of two seconds, and of fractions of a position; sound that ends between two steps,
    after which the text goes on from the sound, below the last frame."""
    given = media(("video",), [seconds], [], frames=9, fps=fps)
    text = hearing.prompt("video")
    encoded = encode(hearing, text, *given)
    assert encoded.input_ids == hearing.stock_inputs(text, *given)["input_ids"][0].tolist()
    assert encoded.media["video_second_per_grid"].tolist() == pytest.approx([2 / fps])
    expected = stock_positions(hearing, encoded.input_ids, encoded.media, with_sound=True)
    assert torch.equal(positions(hearing, encoded), expected)
    stock = hearing.stock_logits(text, *given)
    torch.testing.assert_close(hearing.encoded_logits(encoded), stock, atol=1e-5, rtol=0)


def of_each(hearing, text, given):
    """Each video of `text` by itself: the prompt cut before every video but the first, encoded in parts."""
    videos, _, _, soundtracks = given
    marker = hearing.family.video_placeholder(hearing.processor)
    head, *tails = text.split(marker)
    texts = [marker + tail for tail in tails]
    texts[0] = head + texts[0]
    return [
        encode(hearing, part, [video], [], [], [track] if track is not None else ())
        for part, video, track in zip(texts, videos, soundtracks, strict=True)
    ]


@pytest.mark.parametrize("tracks", [[None, 2.5], [2.5, None], [2.5, 4.1], [None, None]])
@pytest.mark.parametrize("rates", [(2.0, 2.0), (2.0, 0.7)])
def test_two_videos_are_each_as_it_is_alone(hearing, clip, sound, tracks, rates):
    """The stock positions are wrong where one video has sound and another has none, and the stock processor has one
    rate for both: the reference is each video's own prompt, for which both are right, one behind the other."""
    given = (
        [clip(5 + 2 * k, seed=k, fps=fps) for k, fps in enumerate(rates)],
        [],
        [],
        [length and sound(length, seed=30 + k) for k, length in enumerate(tracks)],
    )
    text = hearing.prompt("video", "video")
    encoded = encode(hearing, text, *given)
    parts = of_each(hearing, text, given)
    assert encoded.input_ids == [token for part in parts for token in part.input_ids]
    assert encoded.media["video_second_per_grid"].tolist() == pytest.approx([2 / fps for fps in rates])
    first, second = (
        stock_positions(hearing, part.input_ids, part.media, with_sound=track is not None)
        for part, track in zip(parts, tracks, strict=True)
    )
    expected = torch.cat([first, second + first[..., -1].max() + 1], dim=-1)
    torch.testing.assert_close(positions(hearing, encoded), expected, atol=1e-5, rtol=0)


def test_the_stock_positions_of_a_mix_are_wrong(hearing, media):
    """The reason for positions of our own. When this fails, read the backbone's `get_rope_index` again."""
    given = media(("video", "video"), [None, 2.5], [])
    encoded = encode(hearing, hearing.prompt("video", "video"), *given)
    stock = stock_positions(hearing, encoded.input_ids, encoded.media, with_sound=True)
    assert not torch.equal(positions(hearing, encoded), stock)


def test_own_expansion_is_the_processors(hearing, media):
    from vidalign.families import omni

    kinds = ("video", "audio", "image", "video", "video")
    given = media(kinds, [2.5, None, 3.7], [1.0])
    text = hearing.prompt(*kinds)
    encoded = encode(hearing, text, *given)
    counts = [by_hand(hearing, n) for n in encoded.media["feature_attention_mask"].sum(-1).tolist()]
    ids = omni.expanded(hearing.processor, text, encoded.media, [0, None, 2], counts, [2.0] * 3)
    assert ids == encoded.input_ids == hearing.stock_inputs(text, *given)["input_ids"][0].tolist()


def by_hand(hearing, frames):
    """Tokens of a spectrum of `frames`, from the convolutions and poolings of the towers."""
    if hearing.family.name == "qwen2_5_omni_thinker":
        return ((frames - 1) // 2 + 1 - 2) // 2 + 1
    tail = frames % 100
    for _ in range(3):
        tail = (tail + 1) // 2
    return 13 * (frames // 100) + tail


@pytest.mark.parametrize("seconds", [0.021, 0.03, 0.1, 0.399, 0.4, 0.999, 1.0, 1.001, 1.09, 2.35])
def test_as_many_tokens_as_features(hearing, sound, seconds):
    encoded = encode(hearing, hearing.prompt("audio"), [], [], [sound(seconds)], ())
    tokens = encoded.input_ids.count(hearing.model.config.audio_token_id)
    heard = hearing.family.media_features(hearing.backbone, encoded.media)["audio"]
    assert tokens == len(heard.pooler_output) > 0
    assert hearing.encoded_logits(encoded).isfinite().all()


def test_spectra_end_with_the_longest_sound(hearing, sound):
    encoded = encode(hearing, hearing.prompt("audio", "audio"), [], [], [sound(1.0), sound(2.0)], ())
    assert encoded.media["input_features"].shape == (2, 16, 200)
    assert encoded.media["feature_attention_mask"].sum(-1).tolist() == [100, 200]


def test_merged_prompts_of_unlike_sizes(hearing, media):
    """One pass of the towers, then a padded batch: each row as if it had come alone."""
    rows = [
        (("video",), [2.5], []),
        (("audio",), [], [4.4]),
        ((), [], []),
        (("video",), [None], []),
        (("image", "video"), [1.7], []),
        (("video", "video"), [None, 1.1], []),
    ]
    encoded = []
    for number, (kinds, tracks, seconds) in enumerate(rows):
        given = media(kinds, tracks, seconds, frames=4 + number)
        encoded.append(encode(hearing, hearing.prompt(*kinds), *given))
    lengths = [len(prompt.input_ids) for prompt in encoded]
    ids = torch.zeros(len(rows), max(lengths), dtype=torch.long)
    mask = torch.zeros_like(ids)
    padded = []
    for k, prompt in enumerate(encoded):
        ids[k, : lengths[k]] = torch.tensor(prompt.input_ids)
        mask[k, : lengths[k]] = 1
        padded.append(torch.nn.functional.pad(positions(hearing, prompt), (0, max(lengths) - lengths[k])))
    merged = hearing.family.merge([prompt.media for prompt in encoded if prompt.media])
    logits = hearing.logits(ids, torch.cat(padded, dim=-2), merged, attention_mask=mask)
    for k, prompt in enumerate(encoded):
        alone = hearing.encoded_logits(prompt)[0]
        torch.testing.assert_close(logits[k, : lengths[k]], alone, atol=1e-5, rtol=0)


def test_a_short_sound_beside_a_longer_one(hearing, sound):
    """Below one second Qwen3-Omni's own tower depends on the batch; when it no longer does, its docstring is wrong."""
    short, long = (
        encode(hearing, hearing.prompt("audio"), [], [], [sound(seconds)], ()).media for seconds in (0.7, 2.0)
    )
    with torch.no_grad():
        alone = hearing.family.media_features(hearing.backbone, short)["audio"].pooler_output
        beside = hearing.family.media_features(hearing.backbone, hearing.family.merge([short, long]))
    difference = (alone - beside["audio"].pooler_output[: len(alone)]).abs().max(-1).values
    if hearing.family.name == "qwen2_5_omni_thinker":
        assert difference.max() < 1e-5
    else:
        assert difference.max() > 1e-3


@pytest.mark.parametrize(("kinds", "tracks"), [(("audio",), []), (("video",), [2.5])])
def test_logits_depend_on_the_sound(hearing, media, sound, kinds, tracks):
    """The comparisons above would pass on a deaf model."""
    videos, images, audios, soundtracks = media(kinds, tracks, [] if tracks else [2.5])
    one = encode(hearing, hearing.prompt(*kinds), videos, images, audios, soundtracks)
    other_sound = [sound(2.5, seed=77)]
    audios, soundtracks = ([], other_sound) if tracks else (other_sound, [])
    other = encode(hearing, hearing.prompt(*kinds), videos, images, audios, soundtracks)
    assert one.input_ids == other.input_ids
    difference = hearing.encoded_logits(one)[0, -1] - hearing.encoded_logits(other)[0, -1]
    assert difference.abs().max() > 0.01


def test_gradients_reach_both_towers_through_the_backbone(hearing, media):
    model = hearing.family.tiny_model()
    encoded = encode(hearing, hearing.prompt("video"), *media(("video",), [2.5], []))
    ids = torch.tensor([encoded.input_ids])
    features = hearing.family.media_features(model.base_model, encoded.media)
    inputs = hearing.family.backbone_inputs(model.base_model, ids, features)
    output = model.base_model(
        input_ids=ids, position_ids=positions(hearing, encoded), use_cache=False, **inputs
    )
    (output[0] * torch.randn(output[0].shape, generator=torch.Generator().manual_seed(0))).sum().backward()
    unused = "audio_tower.audio_bos_eos_token"  # Qwen2.5-Omni's class holds it and never reads it
    for name, parameter in model.base_model.named_parameters():
        if not name.startswith(unused) and ".experts." not in name:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_features_that_the_prompt_has_no_tokens_for(hearing, sound):
    encoded = encode(hearing, hearing.prompt("audio"), [], [], [sound(1.0)], ())
    features = hearing.family.media_features(hearing.backbone, encoded.media)
    ids = torch.tensor([encoded.input_ids])[:, :12]
    with pytest.raises(ValueError, match="audio tokens, but its media give"):
        hearing.family.backbone_inputs(hearing.backbone, ids, features)
