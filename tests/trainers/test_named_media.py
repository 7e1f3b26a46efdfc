"""A text that names a medium which its row does not have stops before training, with its row, in every family."""

import pytest
from datasets import Dataset, Features, Image, List, Value
from PIL import Image as Picture

from vidalign.encoding import RowEncoder
from vidalign.encoding.named_media import KINDS, Placeholders, named_problem, text_problem
from vidalign.encoding.rendering import named_placeholders, placeholders
from vidalign.families import FAMILIES
from vidalign.rows import BadRows, MediaFolder

SEEING = [name for name, family in FAMILIES.items() if family.vision_tower]
KNOWN = {
    name: named_placeholders(
        family.tiny_processor(), family, family.media_token_ids(family.tiny_model().config)
    )
    for name, family in FAMILIES.items()
}


def asked(*blocks, text="what ?"):
    return [
        {"role": "user", "content": [*({"type": kind} for kind in blocks), {"type": "text", "text": text}]}
    ]


def said(text):
    return [{"role": "assistant", "content": text}]


EARLIER = [*asked("video"), *said("a circle"), *asked()]
BAD = {
    "a block and no file": (
        {"prompt": asked("video"), "videos": []},
        r'prompt: names a video \(a block {"type": "video"}\)',
    ),
    "a column of nulls": (
        {"prompt": asked("video"), "videos": None},
        "and the row has none; put the file into `videos`",
    ),
    "no column": ({"prompt": asked("image")}, "prompt: names an image"),
    "in an earlier turn": ({"prompt": EARLIER, "videos": []}, "prompt: names a video"),
    "more blocks than files": (
        {"prompt": asked("video", "video"), "videos": ["a.mp4"]},
        r"prompt: names 2 videos .* and the row has 1 in `videos`; write one for each",
    ),
    "fewer blocks than files": (
        {"prompt": asked("image"), "images": ["a.png", "b.png"]},
        "prompt: names an image .* and the row has 2 in `images`",
    ),
    "sound": (
        {"prompt": asked("audio"), "videos": ["a.mp4"]},
        "prompt: names an audio .* put the file into `audios`",
    ),
    "in a completion": (
        {"prompt": asked("video"), "videos": ["a.mp4"], "completion": asked("image")},
        "completion: names an image .* media stand in the prompt",
    ),
    "another type of block": (
        {"prompt": asked("video_url"), "videos": ["a.mp4"]},
        "prompt: content block 0 has the type 'video_url', which a chat template may leave out",
    ),
    "a block without a type": (
        {"prompt": [{"role": "user", "content": [{"text": "what ?"}]}], "videos": ["a.mp4"]},
        "content block 0 has the type None",
    ),
    "nobody to show it to": (
        {"prompt": [{"role": "system", "content": "Look."}], "videos": ["a.mp4"]},
        "prompt: has no user message to show the video in",
    ),
}


@pytest.mark.parametrize("name", list(FAMILIES))
@pytest.mark.parametrize("case", list(BAD))
def test_blocks(name, case):
    row, message = BAD[case]
    if case == "a block without a type" and not FAMILIES[name].vision_tower:
        pytest.skip("left to the chat template")
    reason = named_problem({"completion": said("that"), **row}, "supervised", KNOWN[name])
    with pytest.raises(ValueError, match=message):
        raise ValueError(reason)


def typed(name):
    """(kind, what is typed) for each kind of a family."""
    return list(KNOWN[name].tokens.items())


@pytest.mark.parametrize("name", SEEING)
def test_typed_placeholders(name):
    for kind, token in typed(name):
        column, shown = f"{kind}s", ["a"]
        problem = lambda **row: named_problem({"completion": "that", **row}, "supervised", KNOWN[name])  # noqa: E731
        assert (
            f"prompt: names {'a' if kind == 'video' else 'an'} {kind} ({token!r}), and the row has none"
            in problem(prompt=f"{token} what ?")
        )
        assert "and the row has 1" in problem(prompt=f"{token} {token} ?", **{column: shown})
        assert problem(prompt=f"{token} what ?", **{column: shown}) is None
        assert problem(prompt="what ?", **{column: shown}) is None
        assert "completion: names" in problem(prompt="what ?", completion=f"a {token}", **{column: shown})
        messages = [{"role": "user", "content": f"{token} what ?"}]
        assert f"prompt: holds {token!r} as text" in problem(
            prompt=messages, completion=said("that"), **{column: shown}
        )
        assert f"chosen: names {'a' if kind == 'video' else 'an'} {kind}" in text_problem(
            {"chosen": f"it is {token}"}, ("prompt", "chosen"), KNOWN[name]
        )


@pytest.mark.parametrize("name", SEEING)
def test_a_tokenizer_alone_need_not_know_kinds(name):
    family = FAMILIES[name]
    ids = family.media_token_ids(family.tiny_model().config)
    tokenizer = family.tiny_processor().tokenizer
    alone = named_placeholders(tokenizer, family, ids)
    for token in tokenizer.convert_ids_to_tokens(sorted(ids)):
        reason = text_problem({"prompt": f"a {token}"}, ("prompt",), alone)
        assert reason.startswith("prompt: ") and repr(token) in reason


@pytest.mark.parametrize("name", SEEING)
@pytest.mark.parametrize("prompt", ["blocks", "typed", "both"])
def test_a_stream_stops_where_the_row_is_reached(name, prompt, media_folder):
    """What the collators call, also with media beside it: no bare placeholder becomes a token to train on."""
    family = FAMILIES[name]
    processor = family.tiny_processor()
    ids = family.media_token_ids(family.tiny_model().config)
    encoder = RowEncoder(processor, family, folder=MediaFolder(media_folder), media_token_ids=ids)
    for kind, token in encoder.named.tokens.items():
        text = placeholders(processor, family)[kind]
        row = {
            "blocks": {"prompt": asked(kind)},
            "typed": {"prompt": f"{text} what ?"},
            "both": {"prompt": asked(kind, text=token), f"{kind}s": ["0.mp4"]},
        }[prompt]
        if kind == "image" and prompt == "both":
            row["images"] = [Picture.new("RGB", (56, 56))]
        with pytest.raises(ValueError, match=r"names a|as text"):
            encoder(row, ())


@pytest.mark.parametrize("name", SEEING)
def test_what_only_the_template_knows_stops_too(name, media_folder):
    """A text block that carries a file is a medium to some templates. The processor itself says so."""
    family = FAMILIES[name]
    processor = family.tiny_processor()
    processor.chat_template = processor.chat_template.replace(
        "block['type'] == 'video'", "'video' in block or block['type'] == 'video'"
    )
    encoder = RowEncoder(processor, family)
    row = {"prompt": [{"role": "user", "content": [{"type": "text", "text": "?", "video": "a.mp4"}]}]}
    with pytest.raises(ValueError, match=r"Found 1 .* tokens in the text but no videos were passed"):
        encoder(row, ())


# --- trainers -----------------------------------------------------------------------------------------------------

METHODS = ["dpo", "synpo", "sft", "ranking"]


def bad_row(rows, change):
    rows[1] = {**rows[1], **change}
    return rows


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("media", [True, False])
def test_trainers_name_the_row(method, media, trainer_of, pair_rows, chain_rows):
    make = chain_rows if method == "ranking" else pair_rows
    rows = bad_row(make(3, media=media), {"prompt": [{"role": "user", "content": "<|video_pad|> what ?"}]})
    with pytest.raises(BadRows, match=r"row 1: .*prompt: holds '<\|video_pad\|>' as text"):
        trainer_of(method, rows=rows)


def test_question_chains_name_the_item(trainer_of, chain_rows):
    rows = chain_rows(2, question=True)
    rows[1]["prompts"][1] = [{"role": "user", "content": "<|image_pad|> ?"}]
    with pytest.raises(BadRows, match=r"row 1: prompts, item 1: prompt: holds '<\|image_pad\|>'"):
        trainer_of("ranking", rows=rows)


@pytest.mark.parametrize("media", [True, False])
def test_online_rows(media, grpo_of, online_rows):
    rows = bad_row(
        online_rows(3, media=media), {"prompt": [{"role": "user", "content": "<|video_pad|> what ?"}]}
    )
    with pytest.raises(BadRows, match=r"row 1: prompt: holds '<\|video_pad\|>' as text"):
        grpo_of(rows=rows)


def test_a_text_model_is_shown_no_blocks(trainer_of):
    rows = [{"prompt": asked("video"), "chosen": said("a"), "rejected": said("b")}] * 2
    with pytest.raises(BadRows, match="row 0: prompt: names a video"):
        trainer_of("dpo", rows=rows, model="llama")


@pytest.mark.parametrize("column", ["messages", "text"])
def test_language_modelling_rows(column, trainer_of):
    text = "<|video_pad|> a"
    rows = [{column: text if column == "text" else [{"role": "user", "content": text}, *said("b")]}]
    with pytest.raises(BadRows, match=f"row 0: {column}: "):
        trainer_of("sft", rows=Dataset.from_list(rows))


def test_a_stream_of_text_names_its_row(trainer_of, pair_rows):
    rows = bad_row(
        pair_rows(3, media=False), {"prompt": [{"role": "user", "content": "<|video_pad|> what ?"}]}
    )
    with pytest.raises(ValueError, match="row 1 of the train dataset: prompt: holds"):
        trainer_of("dpo", rows=Dataset.from_list(rows).to_iterable_dataset(), max_steps=2).train()


def test_rows_of_text_to_evaluate_on(trainer_of, pair_rows):
    trainer = trainer_of("dpo", rows=pair_rows(2, media=False))
    rows = bad_row(
        pair_rows(3, media=False), {"prompt": [{"role": "user", "content": "<|video_pad|> what ?"}]}
    )
    with pytest.raises(BadRows, match="row 1: prompt: holds"):
        trainer.evaluate(Dataset.from_list(rows))


def test_images_are_counted_without_being_decoded(trainer_of, pair_rows, monkeypatch):
    messages = List(
        {"role": Value("string"), "content": List({"type": Value("string"), "text": Value("string")})}
    )
    rows = [
        {
            "images": [Picture.new("RGB", (56, 56))],
            "prompt": asked(*blocks),
            "chosen": asked(),
            "rejected": asked(text="no"),
        }
        for blocks in (["image"], ["image", "image"])
    ]
    features = Features(
        {"images": List(Image()), "prompt": messages, "chosen": messages, "rejected": messages}
    )
    dataset = Dataset.from_list(rows, features=features)
    monkeypatch.setattr(Image, "decode_example", lambda *a, **k: 1 / 0)
    with pytest.raises(BadRows, match=r"row 1: prompt: names 2 images .* and the row has 1 in `images`"):
        trainer_of("dpo", rows=dataset)


def test_kinds_without_placeholders_are_still_counted():
    assert "names a video" in named_problem({"prompt": asked("video")}, "online", Placeholders())
    assert set(KINDS) == {"video", "audio", "image"}
