"""A Qwen2.5-VL of 0.76 million parameters with its processor: the real classes, randomly initialised."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionPatchEmbed,
    Qwen2_5_VLVisionAttention,
    apply_rotary_pos_emb_vision,
)
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

from vidalign.toyworld import tokenizer as words
from vidalign.toyworld.scene import SIDE

PATCH, MERGE = 14, 2
SAMPLED_FRAMES = 8  # of a clip's 16: two frames make one step in time, so 4 x 2 x 2 = 16 video tokens


def build_processor() -> Qwen2_5_VLProcessor:
    """The family's processor, with the toy world's words and its frame size."""
    size = {"shortest_edge": SIDE * SIDE, "longest_edge": SIDE * SIDE}  # pixels a frame
    shape = {"size": size, "patch_size": PATCH, "merge_size": MERGE, "temporal_patch_size": 2}
    tokenizer = words.build_tokenizer()
    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(**shape),
        tokenizer=tokenizer,
        # Clips of two frames exist in tests; what a frame may cost is fixed by its size above.
        video_processor=Qwen2VLVideoProcessor(**shape, min_frames=2, cap_pixels_per_frame=False),
        chat_template=words.CHAT_TEMPLATE,
    )


def build_config(processor: Qwen2_5_VLProcessor) -> Qwen2_5_VLConfig:
    """Layer sizes, and the token ids of this tokenizer."""
    token = processor.tokenizer.convert_tokens_to_ids
    ids = {"eos_token_id": token(words.END), "pad_token_id": token(words.PAD)}
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(processor.tokenizer),
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 1024,
            "initializer_range": 0.06,  # at the default 0.02 a model this narrow starts too flat to learn from pixels
            "rope_parameters": {"rope_type": "default", "rope_theta": 100.0, "mrope_section": [4, 6, 6]},
            "bos_token_id": None,
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
        image_token_id=token(words.IMAGE),
        video_token_id=token(words.VIDEO),
        vision_start_token_id=token(words.VISION_START),
        vision_end_token_id=token(words.VISION_END),
        tie_word_embeddings=True,
        initializer_range=0.06,
        **ids,
    )


def build_model(processor: Qwen2_5_VLProcessor, *, seed: int) -> Qwen2_5_VLForConditionalGeneration:
    """A model whose weights depend on the seed alone. The global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2_5_VLForConditionalGeneration(build_config(processor))
    token = processor.tokenizer.convert_tokens_to_ids
    model.generation_config.eos_token_id = token(words.END)
    model.generation_config.pad_token_id = token(words.PAD)
    return quicken(model)


def load_model(folder: str) -> Qwen2_5_VLForConditionalGeneration:
    """A checkpoint of `build_model`, written by `save_pretrained`."""
    return quicken(Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32))


def quicken(model: Qwen2_5_VLForConditionalGeneration) -> Qwen2_5_VLForConditionalGeneration:
    """Give the vision tower two forwards that compute the same and suit many small clips on a CPU.

    Classes are swapped, so parameters, their names and checkpoints are those of the stock model.
    """
    tower = model.model.visual
    tower.patch_embed.__class__ = MatmulPatchEmbed
    for block in tower.blocks:
        block.attn.__class__ = BatchedVisionAttention
    return model


class MatmulPatchEmbed(Qwen2_5_VisionPatchEmbed):
    """The patch embedding as the matrix product that a convolution with stride = kernel is."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """`[patches, channels * frames * height * width]` -> `[patches, hidden]`."""
        weight = self.proj.weight
        return hidden_states.to(weight.dtype) @ weight.flatten(1).T


class BatchedVisionAttention(Qwen2_5_VLVisionAttention):
    """Attention over chunks of equal length as one batched call; the stock class loops over them in Python."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        cu_seqlens: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        max_seqlen: int | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """`[patches, hidden]` -> `[patches, hidden]`; chunk boundaries `cu_seqlens` are `[chunks + 1]`."""
        lengths = cu_seqlens.diff()
        if position_embeddings is None or not bool((lengths == lengths[0]).all()):
            return super().forward(hidden_states, cu_seqlens, position_embeddings, max_seqlen, **kwargs)
        patches, chunks = hidden_states.shape[0], len(lengths)
        query, key, value = self.qkv(hidden_states).view(patches, 3, self.num_heads, -1).unbind(1)
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        query, key, value = (
            part.reshape(chunks, patches // chunks, self.num_heads, -1).transpose(1, 2)
            for part in (query, key, value)
        )
        mixed = torch.nn.functional.scaled_dot_product_attention(query, key, value, scale=self.scaling)
        return self.proj(mixed.transpose(1, 2).reshape(patches, -1))
