"""A word-level tokenizer that knows the toy world's words and nothing else, with Qwen's special tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from vidalign.toyworld.captions import vocabulary

PAD, UNKNOWN, TURN, END = "<|endoftext|>", "<|unknown|>", "<|im_start|>", "<|im_end|>"
VISION_START, VISION_END, IMAGE, VIDEO = (
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
ROLES = ("system", "user", "assistant")


def chat_template(**media: str) -> str:
    """Qwen's template without the default system turn, which would cost tokens and say nothing here.

    media: what stands for one medium, by the type of its block, e.g. `video`.
    """
    blocks = "".join(f"{{% elif block['type'] == '{kind}' %}}{written}" for kind, written in media.items())
    return (
        "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for block in message['content'] %}"
        f"{{% if block['type'] == 'text' %}}{{{{ block['text'] }}}}{blocks}{{% endif %}}"
        "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


CHAT_TEMPLATE = chat_template(
    video=f"{VISION_START}{VIDEO}{VISION_END}", image=f"{VISION_START}{IMAGE}{VISION_END}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """About 50 tokens. Decoding a caption's ids gives the caption back; line ends cost no token."""
    named = {
        "vision_bos_token": VISION_START,
        "vision_eos_token": VISION_END,
        "image_token": IMAGE,
        "video_token": VIDEO,
    }
    return word_tokenizer(vocabulary(), named, CHAT_TEMPLATE)


def word_tokenizer(
    vocabulary: Sequence[str], media_tokens: Mapping[str, str], template: str, **options: Any
) -> PreTrainedTokenizerFast:
    """media_tokens: the names under which a processor asks for them, and the tokens. options: of the tokenizer's class."""
    special = [PAD, UNKNOWN, TURN, END, *media_tokens.values()]
    words = {word: index for index, word in enumerate([*special, *ROLES, *vocabulary])}
    core = Tokenizer(models.WordLevel(words, unk_token=UNKNOWN))
    core.normalizer = normalizers.Lowercase()
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.add_special_tokens(special)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token=UNKNOWN,
        pad_token=PAD,
        eos_token=END,
        extra_special_tokens=dict(media_tokens),
        chat_template=template,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        **options,
    )
