"""A tokenizer that needs no file: one token per byte, and special tokens. For tests and self-checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PAD, BOS, EOS, TURN = "<|endoftext|>", "<|begin|>", "<|im_end|>", "<|im_start|>"
SPECIAL = (PAD, BOS, EOS, TURN)
BYTES = 256

PAD_ID, BOS_ID, EOS_ID = BYTES, BYTES + 1, BYTES + 2


def token_id(media_tokens: Sequence[str], token: str) -> int:
    """The id that `tiny_tokenizer(media_tokens)` gives to one of its media tokens."""
    return BYTES + len(SPECIAL) + list(media_tokens).index(token)


def vocab_size(media_tokens: Sequence[str] = ()) -> int:
    return BYTES + len(SPECIAL) + len(media_tokens)


def tiny_tokenizer(
    media_tokens: Sequence[str] = (),
    *,
    adds_bos: bool = False,
    names: Mapping[str, str] | None = None,
    **options: Any,
) -> Any:
    """A `PreTrainedTokenizerFast` in which any text round-trips.

    media_tokens: the family's own special tokens. names: attribute -> token, for processors that ask the
    tokenizer for them (`tokenizer.image_token`). adds_bos: prepend BOS by default, as Llama's tokenizers do. options:
        what else it is initialised with, and saves.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={char: i for i, char in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in (*SPECIAL, *media_tokens)]
    )
    if adds_bos:
        core.post_processor = processors.TemplateProcessing(
            single=f"{BOS} $A", special_tokens=[(BOS, BOS_ID)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        extra_special_tokens=dict(names or {}),
        clean_up_tokenization_spaces=False,
        **options,
    )


def chat_template(*, video: str = "", image: str = "", audio: str = "", bos: str = "") -> str:
    """A ChatML template for string and block content. video, image, audio: what stands for one medium."""
    return (
        f"{bos}"
        "{% for message in messages %}"
        f"{TURN}{{{{ message['role'] }}}}\n"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for block in message['content'] %}"
        f"{{% if block['type'] == 'video' %}}{video}"
        f"{{% elif block['type'] == 'image' %}}{image}"
        f"{{% elif block['type'] == 'audio' %}}{audio}"
        "{% elif block['type'] == 'text' %}{{ block['text'] }}{% endif %}"
        "{% endfor %}{% endif %}"
        f"{EOS}\n"
        "{% endfor %}"
        f"{{% if add_generation_prompt %}}{TURN}assistant\n{{% endif %}}"
    )
