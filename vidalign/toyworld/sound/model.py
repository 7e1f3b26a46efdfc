"""A Qwen2.5-Omni thinker of about a million parameters with its processor: the real classes, randomly initialised."""

from __future__ import annotations

import math
from typing import Any

import torch
from transformers import (
    Qwen2_5OmniProcessor,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    WhisperFeatureExtractor,
)
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import (
    Qwen2_5OmniAudioAttention,
    Qwen2_5OmniVisionAttention,
    apply_rotary_pos_emb_vision,
)
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

from vidalign.toyworld.model import MERGE, PATCH, SAMPLED_FRAMES, MatmulPatchEmbed
from vidalign.toyworld.scene import SIDE
from vidalign.toyworld.sound import tokenizer as words
from vidalign.toyworld.sound.scene import SECONDS
from vidalign.toyworld.sound.synthesis import RATE
from vidalign.toyworld.tokenizer import END, PAD

__all__ = ["SAMPLED_FRAMES", "build_config", "build_model", "build_processor", "load_model", "quicken"]

MELS = 32
SOUND_SECONDS = math.ceil(SECONDS) + 1  # at most; AAC comes in blocks, and the last one ends after the clip
CHUNK_SECONDS = 1  # the family's 2 seconds would put all sound of a clip after all of its frames


def build_processor() -> Qwen2_5OmniProcessor:
    """The family's processor, with the toy world's words, frame size and length of sound.

    A clip is 16 video tokens (4 steps in time, 2 x 2 places) and 51 audio tokens (25 a second), in two chunks. The length
    of a chunk is not saved with a processor: for a saved model, too, build it anew.
    """
    size = {"shortest_edge": SIDE * SIDE, "longest_edge": SIDE * SIDE}  # pixels a frame
    shape = {"size": size, "patch_size": PATCH, "merge_size": MERGE, "temporal_patch_size": 2}
    processor = Qwen2_5OmniProcessor(
        image_processor=Qwen2VLImageProcessor(**shape),
        video_processor=Qwen2VLVideoProcessor(**shape, min_frames=2, cap_pixels_per_frame=False),
        feature_extractor=WhisperFeatureExtractor(
            feature_size=MELS, sampling_rate=RATE, chunk_length=SOUND_SECONDS, return_attention_mask=True
        ),
        tokenizer=words.build_tokenizer(size=size),
        chat_template=words.CHAT_TEMPLATE,
    )
    processor.seconds_per_chunk = float(CHUNK_SECONDS)
    return processor


def build_config(processor: Qwen2_5OmniProcessor) -> Qwen2_5OmniThinkerConfig:
    """Layer sizes, and the token ids of this tokenizer."""
    token = processor.tokenizer.convert_tokens_to_ids
    ids = {"eos_token_id": token(END), "pad_token_id": token(PAD)}
    return Qwen2_5OmniThinkerConfig(
        text_config={
            "vocab_size": len(processor.tokenizer),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 1024,
            "initializer_range": 0.06,  # as in the world without sound
            "rope_parameters": {"rope_type": "default", "rope_theta": 100.0, "mrope_section": [4, 6, 6]},
            "tie_word_embeddings": True,
            **ids,
        },
        vision_config={
            "depth": 2,
            "hidden_size": 64,
            "num_heads": 4,
            "intermediate_size": 128,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "window_size": SIDE,
            "fullatt_block_indexes": [0, 1],
            "out_hidden_size": 128,
            "initializer_range": 0.06,
        },
        audio_config={
            "num_mel_bins": MELS,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 192,
            "d_model": 96,
            "n_window": 50 * SOUND_SECONDS,  # half of a window's frames: a clip is one window
            "output_dim": 128,
            "max_source_positions": 50 * SOUND_SECONDS,
            "initializer_range": 0.06,
        },
        audio_token_index=token(words.AUDIO),
        image_token_index=token(words.IMAGE),
        video_token_index=token(words.VIDEO),
        audio_start_token_id=token(words.AUDIO_START),
        audio_end_token_id=token(words.AUDIO_END),
        vision_start_token_id=token(words.VISION_START),
        vision_end_token_id=token(words.VISION_END),
        user_token_id=token("user"),
        seconds_per_chunk=CHUNK_SECONDS,
        tie_word_embeddings=True,
        initializer_range=0.06,
        **ids,
    )


def build_model(processor: Qwen2_5OmniProcessor, *, seed: int) -> Qwen2_5OmniThinkerForConditionalGeneration:
    """A model whose weights depend on the seed alone. The global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5OmniThinkerForConditionalGeneration(build_config(processor))
    token = processor.tokenizer.convert_tokens_to_ids
    model.generation_config.eos_token_id = token(END)
    model.generation_config.pad_token_id = token(PAD)
    return quicken(model)


def load_model(folder: str) -> Qwen2_5OmniThinkerForConditionalGeneration:
    """A checkpoint of `build_model`, written by `save_pretrained`."""
    return quicken(Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(folder, dtype=torch.float32))


def quicken(model: Qwen2_5OmniThinkerForConditionalGeneration) -> Qwen2_5OmniThinkerForConditionalGeneration:
    """Give both towers forwards that compute the same and suit many small clips on a CPU.

    Classes are swapped, so parameters, their names and checkpoints are those of the stock model.
    """
    eyes, ears = model.model.visual, model.model.audio_tower
    eyes.patch_embed.__class__ = MatmulPatchEmbed  # of Qwen2.5-VL, whose patches are embedded alike
    for block in eyes.blocks:
        block.attn.__class__ = BatchedVisionAttention
    for layer in ears.layers:
        layer.self_attn.__class__ = BatchedAudioAttention
    return model


class BatchedVisionAttention(Qwen2_5OmniVisionAttention):
    """Attention over chunks of equal length as one batched call; the stock class loops over them in Python."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        cu_seqlens: torch.Tensor,
        position_embeddings: Any = None,
        max_seqlen: int | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """`[patches, hidden]` -> `[patches, hidden]`; chunk boundaries `cu_seqlens` are `[chunks + 1]`."""
        lengths = cu_seqlens.diff()
        if not bool((lengths == lengths[0]).all()):
            return super().forward(hidden_states, cu_seqlens, position_embeddings, max_seqlen, **kwargs)
        query, key, value = (
            part(hidden_states).view(hidden_states.shape[0], self.num_heads, -1)
            for part in (self.q, self.k, self.v)
        )
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        return self.proj(_batched(query, key, value, len(lengths), self.scaling))


class BatchedAudioAttention(Qwen2_5OmniAudioAttention):
    """The same for sound: clips of equal length in one call."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        cu_seqlens: torch.Tensor,
        max_seqlen: int | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """`[steps, hidden]` -> `[steps, hidden]`; chunk boundaries `cu_seqlens` are `[chunks + 1]`."""
        lengths = cu_seqlens.diff()
        if not bool((lengths == lengths[0]).all()):
            return super().forward(hidden_states, cu_seqlens, max_seqlen, **kwargs)
        query, key, value = (
            part(hidden_states).view(hidden_states.shape[0], self.num_heads, -1)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        return self.out_proj(_batched(query, key, value, len(lengths), self.scaling))


def _batched(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, chunks: int, scale: float
) -> torch.Tensor:
    """Attention within each of so many equal chunks of `[steps, heads, size]` -> `[steps, heads * size]`."""
    steps, heads, _ = query.shape
    query, key, value = (
        part.reshape(chunks, steps // chunks, heads, -1).transpose(1, 2) for part in (query, key, value)
    )
    mixed = torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=scale)
    return mixed.transpose(1, 2).reshape(steps, -1)
