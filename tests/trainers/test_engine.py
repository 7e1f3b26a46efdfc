"""What is asked of a rollout engine, read by the real processors of transformers in the ways in which vLLM 0.32 calls them:
the same token ids, pixels, sizes and times as the trainer scores."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers.video_utils import VideoMetadata

from vidalign.encoding import DecodedPrompt
from vidalign.families import FAMILIES
from vidalign.trainers.online.engine import rollout_prompt

HEARING = ("qwen2_5_omni_thinker", "qwen3_omni_moe_thinker")
FAMILY_NAMES = ("qwen3_vl", "qwen2_5_vl", *HEARING)


def clip(times, *, fps=2.0, height=60, width=84, seed=0):
    times = np.asarray(times, dtype=float)
    frames = np.random.default_rng(seed).integers(0, 256, (len(times), height, width, 3), dtype=np.uint8)
    return SimpleNamespace(frames=frames, timestamps=times, duration=float(times[-1]) + 1 / fps, fps=fps)


CLIPS = {
    "a constant rate": [clip(np.arange(6) / 2)],
    "a varying rate": [clip([0, 0.1, 0.9, 1.0, 2.5, 4.2])],
    "one frame": [clip([1.3])],
    "an odd number of frames": [clip([0, 0.4, 0.9, 3.0, 3.1])],
    "a window of a film": [clip(10 + np.arange(4) / 2)],
    "two rates": [clip(np.arange(6) / 2), clip(np.arange(5) / 4, fps=4.0, height=56, width=56, seed=1)],
    "two of one rate": [clip(np.arange(6) / 2), clip(np.arange(4) / 2, height=56, width=56, seed=1)],
}


def asked(name, videos, *, cap=None, images=(), sound=False):
    """(processor, the trainer's prompt, the request to the engine)."""
    family = FAMILIES[name]
    processor = family.tiny_processor()
    marks = [family.video_placeholder(processor)] * len(videos)
    marks += [family.image_placeholder(processor)] * len(images)
    text = f"say {''.join(marks)} what is seen"
    generator = np.random.default_rng(0)
    tracks = [generator.normal(size=round(16_000 * v.duration)).astype("float32") for v in videos if sound]
    heard = {"audios": [], "soundtracks": tracks} if family.audio_rate else {}
    prompt = family.encode(processor, text, videos, images, max_pixels=cap, **heard)
    decoded = DecodedPrompt(text, list(videos), tracks, [], list(images), cap)
    ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    asked = rollout_prompt(decoded, prompt, ids, family.audio_rate)
    assert asked["input_ids"] == prompt.input_ids
    return processor, prompt, asked["request"]


def read(name, processor, request):
    """As vLLM 0.32: metadata go to the processors of Qwen-VL; those that hear are given one rate for all."""
    media, options = request["multi_modal_data"], dict(request["mm_processor_kwargs"])
    scoped = {"do_sample_frames": options.pop("do_sample_frames"), **options.pop("videos_kwargs", {})}
    if name in HEARING:
        scoped["fps"] = options["fps"]
    else:
        for _, known in media["video"]:
            assert known["do_sample_frames"] is False
        scoped["video_metadata"] = [
            VideoMetadata(**{key: known[key] for key in known if key != "do_sample_frames"})
            for _, known in media["video"]
        ]
    given = {"videos": [frames for frames, _ in media["video"]], "videos_kwargs": scoped}
    if "image" in media:
        given["images"] = media["image"]
    if options.get("use_audio_in_video"):
        given["audio"] = [samples for samples, _ in media["audio"]]
        given |= {"load_audio_from_video": True, "audio_from_video_indices": list(range(len(media["audio"])))}
    text = processor.tokenizer.decode(request["prompt_token_ids"])
    return processor(text=[text], text_kwargs={"add_special_tokens": False}, return_tensors="pt", **given)


@pytest.mark.parametrize(
    "cap", [None, 60 * 84, 40 * 40], ids=["sizes of the processor", "its own size", "smaller"]
)
@pytest.mark.parametrize(
    ("name", "clips"),
    [
        (name, clips)
        for name in FAMILY_NAMES
        for clips in CLIPS
        if name not in HEARING or clips != "two rates"
    ],
)
def test_the_engine_reads_what_the_trainer_scores(name, clips, cap):
    for sound in {False, name in HEARING}:
        processor, prompt, request = asked(name, CLIPS[clips], cap=cap, sound=sound)
        before = copy.deepcopy(request)
        batch = read(name, processor, request)
        assert batch["input_ids"][0].tolist() == prompt.input_ids
        for key in ("pixel_values_videos", "video_grid_thw", "second_per_grid_ts", "video_second_per_grid"):
            assert (key in batch) == (key in prompt.media)
            if key in batch:
                torch.testing.assert_close(torch.as_tensor(batch[key]), prompt.media[key], atol=0, rtol=1e-6)
        # The request of a prompt's next completion is the same, so that its media are known again.
        for (frames, known), (_, was) in zip(
            request["multi_modal_data"]["video"], before["multi_modal_data"]["video"], strict=True
        ):
            assert frames.dtype == np.uint8 and frames.shape[-1] == 3
            assert known["frames_indices"].tolist() == was["frames_indices"].tolist()


def test_times_of_qwen3_vl_are_the_true_ones():
    processor, _, request = asked("qwen3_vl", CLIPS["an odd number of frames"])
    text = processor.tokenizer.decode(read("qwen3_vl", processor, request)["input_ids"][0])
    assert "<0.2 seconds>" in text and "<1.9 seconds>" in text and "<3.1 seconds>" in text  # 0.2, 1.95, 3.1


@pytest.mark.parametrize("name", HEARING)
def test_where_sound_stands_is_said_of_each_video(name):
    """vLLM places it by `second_per_grid_ts`, and by one second a pair of frames without it."""
    _, prompt, request = asked(
        name, [clip(np.arange(6) / 4, fps=4.0), clip(np.arange(4) / 4, fps=4.0)], sound=True
    )
    assert request["mm_processor_kwargs"]["second_per_grid_ts"] == [0.5, 0.5]
    assert prompt.media["video_second_per_grid"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("name", HEARING)
def test_two_rates_of_a_model_that_hears_are_refused(name):
    with pytest.raises(ValueError, match="its videos have 2, 4 frames a second, and vLLM has one rate"):
        asked(name, CLIPS["two rates"])


@pytest.mark.parametrize("cap", [None, 40 * 40])
def test_an_image_keeps_its_own_size_beside_a_video(cap):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (70, 120, 3), dtype=np.uint8))
    processor, prompt, request = asked("qwen3_vl", CLIPS["a constant rate"], cap=cap, images=[picture])
    batch = read("qwen3_vl", processor, request)
    assert batch["input_ids"][0].tolist() == prompt.input_ids
    torch.testing.assert_close(batch["pixel_values"], prompt.media["pixel_values"], atol=0, rtol=0)
    torch.testing.assert_close(
        batch["pixel_values_videos"], prompt.media["pixel_values_videos"], atol=0, rtol=0
    )
