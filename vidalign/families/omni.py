"""What Qwen2.5-Omni and Qwen3-Omni share: sound beside the media of Qwen-VL, alone or interleaved with its video."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad

from vidalign.families import qwen2_5_vl, qwen_vl
from vidalign.families.family import DecodedVideo, EncodedPrompt, Media
from vidalign.families.merge import collect
from vidalign.families.placeholders import PlaceholderError, check_feature_count, check_media_count
from vidalign.families.sampled_clip import effective_fps, sampled_metadata

SPECTRA = ("input_features", "feature_attention_mask")
"""Media whose last dimension is time: `[sounds, mel bins, frames]` and `[sounds, frames]`."""


@dataclass(frozen=True)
class Hearing:
    """How one family turns sound into tokens.

    tokens: (processor, frames of the spectrum) -> tokens.
    minimum_samples: the shortest sound that gives a token.
    most_samples: (processor) -> the longest sound that the processor does not cut; None: any.
    audio_kwargs: (processor, samples of the longest sound) -> what the feature extractor is told.
    """

    tokens: Callable[[Any, int], int]
    minimum_samples: int
    most_samples: Callable[[Any], int | None] = lambda processor: None
    audio_kwargs: Callable[[Any, int], dict[str, Any]] = lambda processor, longest: {}


def checked_sound(sound: Any, name: str, rate: int, minimum: int, most: int | None) -> np.ndarray:
    """Mono float32 samples. Raises ValueError for anything else, and for sounds too short or too long."""
    samples = np.asarray(sound)
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
        raise ValueError(
            f"{name} has shape {samples.shape} and type {samples.dtype}. Give mono samples at {rate} Hz: one "
            "dimension, floats from -1 to 1."
        )
    if not np.isfinite(samples).all():
        raise ValueError(f"{name} holds samples that are not finite: its file is damaged. Decode it again.")
    if len(samples) < minimum:
        raise ValueError(
            f"{name} has {len(samples)} samples, and below {minimum} ({1000 * minimum / rate:.1f} ms at {rate} Hz) "
            "there is not one token of it. Give the whole sound, or leave it out (None for a video without sound)."
        )
    if most is not None and len(samples) > most:
        raise ValueError(
            f"{name} lasts {len(samples) / rate:.1f} s, and this model's processor cuts sound off after "
            f"{most / rate:.0f} s. Cut the clip into parts of at most {most / rate:.0f} s, or leave the sound out."
        )
    return samples.astype(np.float32, copy=False)


def sound_slots(processor: Any, text: str, soundtracks: Sequence[Any]) -> list[int | None]:
    """The sounds of a prompt in the order of its text: the number of their video, None for one by itself."""
    tokens = (processor.video_token, processor.audio_token)
    found = re.findall("|".join(map(re.escape, tokens)), text)
    videos = itertools.count()
    slots = [next(videos) if token == processor.video_token else None for token in found]
    return [slot for slot in slots if slot is None or (soundtracks and soundtracks[slot] is not None)]


def video_size(processor: Any) -> dict[str, int]:
    """Pixels of a frame. These processors put a default of their class above the checkpoint's video processor."""
    own = processor.tokenizer.init_kwargs.get("size") or processor.videos_kwargs.get("size")
    return own or dict(processor.video_processor.size)


def encode(
    processor: Any,
    text: str,
    videos: Sequence[DecodedVideo],
    images: Sequence[Any],
    max_pixels: int | Sequence[int] | None,
    audios: Sequence[Any],
    soundtracks: Sequence[Any],
    hearing: Hearing,
) -> EncodedPrompt:
    """Encode one prompt.

    Media: `pixel_values_videos`, `video_grid_thw`, `video_second_per_grid` (temporal_patch_size / rate, by the true
    timestamps), `pixel_values`, `image_grid_thw`, and `input_features` [n, mel bins, frames] with
    `feature_attention_mask` [n, frames], in the order of the text, up to the longest sound's end.
    """
    check_media_count(text, processor.audio_token, len(audios), "audio")
    check_media_count(text, processor.video_token, len(videos), "video")
    if soundtracks and len(soundtracks) != len(videos):
        raise PlaceholderError(
            f"{len(soundtracks)} soundtrack(s) came with {len(videos)} video(s). Give one for each video, None where "
            "it has no sound, or none at all."
        )
    slots = sound_slots(processor, text, soundtracks)
    alone = iter(enumerate(audios))
    sounds = []
    for slot in slots:
        number, sound = next(alone) if slot is None else (slot, soundtracks[slot])
        name = f"Audio {number}" if slot is None else f"The sound of video {number}"
        rate, most = processor.feature_extractor.sampling_rate, hearing.most_samples(processor)
        sounds.append(checked_sound(sound, name, rate, hearing.minimum_samples, most))

    rates = [effective_fps(video) for video in videos]
    sounding = [slot for slot in slots if slot is not None]
    given: dict[str, Any] = {}
    if sounds:
        given["audio"] = sounds
        given["audio_kwargs"] = hearing.audio_kwargs(processor, max(map(len, sounds)))
    if sounding:
        given |= {"load_audio_from_video": True, "audio_from_video_indices": slots}

    def capped_sides(tower: Any, frames: int, height: int, width: int, cap: int) -> tuple[int, int]:
        return qwen2_5_vl.capped_sides(tower, frames, height, width, cap, size=video_size(processor))

    encoded = qwen_vl.encode_grids(
        processor,
        text,
        videos,
        images,
        [sampled_metadata(video) for video in videos],
        max_pixels,
        capped_sides,
        # One rate a call, which places the sound among the frames.
        videos_kwargs={"fps": rates[sounding[0]]} if sounding else {},
        given=given,
    )
    media = encoded.media
    if videos:
        patch = processor.video_processor.temporal_patch_size
        media["video_second_per_grid"] = torch.tensor([patch / rate for rate in rates])
    counts: list[int] = []
    if sounds:
        lengths = media["feature_attention_mask"].sum(-1).tolist()
        counts = [hearing.tokens(processor, length) for length in lengths]
        for name in SPECTRA:
            media[name] = media[name][..., : max(lengths)].clone()
    if len({rates[slot] for slot in sounding}) > 1:
        encoded.input_ids = expanded(processor, text, media, slots, counts, rates)
    check_feature_count(encoded.input_ids, {processor.audio_token_id}, sum(counts), "audio")
    return encoded


def expanded(
    processor: Any,
    text: str,
    media: Media,
    slots: Sequence[int | None],
    counts: Sequence[int],
    rates: Sequence[float],
) -> list[int]:
    """Token ids of the prompt, each video with its sound laid among its frames at its own rate.

    The processor's own replacements, one medium at a time: a call of it has one rate for all its videos.
    slots, counts: owner and tokens of each sound. rates: frames per second of each video.
    """
    patch = processor.video_processor.temporal_patch_size
    spectra = {"num_audio_tokens": list(counts)}
    frames = {
        "video_grid_thw": media["video_grid_thw"].numpy(),
        "video_second_per_grid": [patch / rate for rate in rates],
    }
    images = {"image_grid_thw": media["image_grid_thw"].numpy() if "image_grid_thw" in media else ()}
    owners = [slots.index(number) if number in slots else None for number in range(len(rates))]
    options = {
        "load_audio_from_video": True,
        "position_id_per_seconds": processor.position_id_per_seconds,
        "seconds_per_chunk": processor.seconds_per_chunk,
    }
    [whole], _ = processor.get_text_with_replacements(
        [text],
        [processor.replace_image_token(images, k) for k in range(len(images["image_grid_thw"]))],
        [
            processor.replace_video_token(
                frames, k, processed_audio=spectra, video_to_audio_indices=owners, **options
            )
            for k in range(len(rates))
        ],
        [processor.replace_audio_token(spectra, k) for k, slot in enumerate(slots) if slot is None],
    )
    return processor.tokenizer(whole, add_special_tokens=False, truncation=False)["input_ids"]


def media_features(backbone: Any, media: Media) -> dict[str, Any]:
    features = qwen_vl.media_features(backbone, media)
    if "input_features" in media:
        features["audio"] = backbone.get_audio_features(
            media["input_features"],
            feature_attention_mask=media["feature_attention_mask"],
            return_dict=True,
        )
    return features


def backbone_inputs(backbone: Any, input_ids: torch.Tensor, features: dict[str, Any]) -> dict[str, Any]:
    """The backbone takes features of pixels, but of sound only the spectrum: its features are embedded here.

    Raises PlaceholderError where `input_ids` [1, N] does not hold one audio token for each feature.
    """
    seen = {medium: output for medium, output in features.items() if medium != "audio"}
    inputs: dict[str, Any] = {"mm_encoder_outputs": seen} if seen else {}
    if "audio" in features:
        embedded = backbone.get_input_embeddings()(input_ids)
        heard = features["audio"].pooler_output.to(embedded.device, embedded.dtype)
        places = input_ids == backbone.config.audio_token_id
        check_feature_count(places.flatten().tolist(), {True}, len(heard), "audio")
        inputs["inputs_embeds"] = embedded.masked_scatter(places[..., None], heard)
    return inputs


def media_token_ids(config: Any) -> frozenset[int]:
    return qwen_vl.media_token_ids(config) | {config.audio_token_id}


def dummy_media(config: Any) -> Media:
    """One video of one token and, apart from it, one sound of one token."""
    return {
        **qwen_vl.dummy_media(config),
        "video_second_per_grid": torch.ones(1),
        "input_features": torch.zeros(1, config.audio_config.num_mel_bins, 4),
        "feature_attention_mask": torch.ones(1, 4, dtype=torch.long),
    }


def merge(medias: Sequence[Media]) -> Media:
    """Concatenate each key over the prompts that have it; spectra are padded to the longest."""
    merged: Media = {}
    for key, tensors in collect(medias).items():
        if key in SPECTRA:
            longest = max(tensor.shape[-1] for tensor in tensors)
            tensors = [pad(tensor, (0, longest - tensor.shape[-1])) for tensor in tensors]
        merged[key] = torch.cat(tensors)
    return merged
