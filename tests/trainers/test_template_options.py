"""What a row, or a trainer, tells the chat template, in rows with media and in those of text beside them."""

import pytest

from vidalign.encoding import RowEncoder, VideoSampling
from vidalign.families import FAMILIES
from vidalign.rows import MediaFolder

ROW = {
    "prompt": [{"role": "user", "content": "describe"}],
    "completion": [{"role": "assistant", "content": "a dog"}],
}


@pytest.fixture
def text_of(media_folder):
    """`text_of(media, chat_template=..., **columns)`: all the text of a row, as its tokens have it."""

    def text(media, *, chat_template=None, own=None, **columns):
        family = FAMILIES["qwen2_5_vl"]
        processor = family.tiny_processor()
        if own is not None:
            processor.chat_template = processor.tokenizer.chat_template = own(processor.chat_template)
        encoder = RowEncoder(
            processor, family, sampling=VideoSampling(), folder=MediaFolder(str(media_folder))
        )
        encoder.chat_template = chat_template and chat_template(processor.chat_template)
        encoded = encoder({**ROW, **({"videos": ["0.mp4"]} if media else {}), **columns}, ("completion",))
        return encoder.tokenizer.decode([*encoded.prompt.input_ids, *encoded.completions["completion"]])

    return text


@pytest.mark.parametrize("media", [False, True], ids=["text", "video"])
def test_arguments_of_a_row_reach_the_template(media, text_of):
    def own(template):
        return "{% if aloud %}LOUD {% endif %}{{ manner }}" + template

    assert "LOUD" not in text_of(media, own=own)
    said = text_of(media, own=own, chat_template_kwargs={"aloud": True, "manner": "slowly "})
    assert said.startswith("LOUD slowly ")
    assert said.removeprefix("LOUD slowly ") == text_of(media)


@pytest.mark.parametrize("media", [False, True], ids=["text", "video"])
def test_a_template_in_place_of_the_processors(media, text_of):
    plain = text_of(media)
    assert text_of(media, chat_template=lambda template: "OTHER" + template) == "OTHER" + plain
