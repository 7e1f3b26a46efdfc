"""Answers before the last one: their tokens are scored, those of media are not, and shared rows stay separate rows."""

from itertools import groupby
from types import SimpleNamespace

import pytest
from datasets import Dataset
from PIL import Image
from transformers import AutoProcessor
from trl import SFTConfig, SFTTrainer
from trl.chat_template_utils import get_training_chat_template, qwen2_5_vl_chat_template
from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

from vidalign.encoding import RowEncoder
from vidalign.encoding.assistant import expanded_mask
from vidalign.families import FAMILIES
from vidalign.families.tiny_tokenizer import EOS, TURN
from vidalign.rows import DIALOGUE, BadRows, MediaFolder
from vidalign.trainers.collators import VideoSupervisedCollator

SEEING = [name for name, family in FAMILIES.items() if family.vision_tower]


def marked(processor):
    """With `{% generation %}` around what the assistant says, its end included."""
    head, end = f"{TURN}{{{{ message['role'] }}}}\n", f"{EOS}\n"
    before, rest = processor.chat_template.split(head, 1)
    content, after = rest.split(end, 1)
    content += EOS
    processor.chat_template = (
        f"{before}{head}{{% if message['role'] == 'assistant' %}}{{% generation %}}{content}{{% endgeneration %}}"
        f"{{% else %}}{content}{{% endif %}}\n{after}"
    )
    return processor


def asked(text, *blocks):
    content = [*({"type": kind} for kind in blocks), {"type": "text", "text": text}]
    return {"role": "user", "content": content}


def said(text):
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


DIALOGUES = {
    "media first": [asked("what ?", "video"), said("a circle"), asked("where ?"), said("left, it moves")],
    "media between": [asked("hello ?"), said("yes"), asked("what ?", "video"), said("a circle")],
    "media twice": [asked("what ?", "video"), said("a"), asked("and here: ", "video"), said("a circle too")],
    "three turns": [
        asked("1 ?", "video"),
        said("b"),
        asked("2 ?", "video"),
        said("b"),
        asked("3 ?"),
        said("b"),
    ],
}


def row_of(messages, **media):
    return {**media, "prompt": messages[:-1], "completion": messages[-1:], DIALOGUE: True}


def answers(labels, tokenizer):
    """The text of each run of scored tokens."""
    runs = groupby(labels.tolist(), key=lambda label: label == -100)
    return [tokenizer.decode(list(run)) for ignored, run in runs if not ignored]


def texts(messages):
    return [m["content"][0]["text"] + EOS for m in messages if m["role"] == "assistant"]


# --- the mask -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plain", "mask", "expanded", "expected"),
    [
        # 9 stands for media, 1 to 8 are text. Nothing is expanded.
        ([1, 2, 3], [0, 1, 0], [1, 2, 3], [0, 1, 0]),
        # an answer before the medium, and one behind it
        ([1, 9, 2, 3], [1, 0, 0, 1], [1, 9, 9, 9, 2, 3], [1, 0, 0, 0, 0, 1]),
        # text around the placeholder is rewritten with it
        (
            [1, 2, 6, 9, 7, 3, 4],
            [0, 1, 0, 0, 0, 1, 0],
            [1, 2, 5, 5, 9, 9, 8, 3, 4],
            [0, 1, 0, 0, 0, 0, 0, 1, 0],
        ),
        # between two media; the same tokens stand before them
        (
            [1, 2, 9, 1, 2, 9, 1, 2],
            [0, 0, 0, 0, 1, 0, 0, 0],
            [1, 2, 9, 9, 1, 2, 9, 9, 9, 1, 2],
            [*[0] * 5, 1, *[0] * 5],
        ),
        # media alone
        ([9], [0], [9, 9], [0, 0]),
    ],
)
def test_masks_by_hand(plain, mask, expanded, expected):
    assert expanded_mask(expanded, plain, mask, {9}) == expected


def test_an_answer_that_the_processor_rewrites():
    with pytest.raises(ValueError, match="an answer before the last medium is not found again"):
        expanded_mask([1, 5, 9, 9, 2], [1, 3, 9, 2], [0, 1, 0, 0], {9})


# --- rows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SEEING)
@pytest.mark.parametrize("case", list(DIALOGUES))
def test_every_answer_is_scored(name, case, media_folder):
    family, messages = FAMILIES[name], DIALOGUES[case]
    processor = marked(family.tiny_processor())
    ids = family.media_token_ids(family.tiny_model().config)
    encoder = RowEncoder(processor, family, folder=MediaFolder(media_folder), media_token_ids=ids)
    videos = ["0.mp4"] * str(messages).count("'video'")
    batch = VideoSupervisedCollator(encoder, 0, assistant_only=True)([row_of(messages, videos=videos)])
    assert answers(batch["labels"][0], processor.tokenizer) == texts(messages)
    scored = batch["labels"] != -100
    assert (batch["labels"] == batch["input_ids"])[scored].all()
    assert not ids & set(batch["labels"][scored].tolist()) and ids & set(batch["input_ids"][0].tolist())


@pytest.mark.parametrize("completion_only", [True, False])
def test_of_prompt_and_completion_the_prompt_is_not_scored(completion_only, media_folder):
    """Unless `completion_only_loss=False` asks for it, as in TRL."""
    family = FAMILIES["qwen2_5_vl"]
    messages = DIALOGUES["media first"]
    processor = marked(family.tiny_processor())
    encoder = RowEncoder(processor, family, folder=MediaFolder(media_folder))
    row = {**row_of(messages, videos=["0.mp4"]), DIALOGUE: None}
    collator = VideoSupervisedCollator(encoder, 0, completion_only=completion_only, assistant_only=True)
    found = answers(collator([row])["labels"][0], processor.tokenizer)
    assert found == (texts(messages)[-1:] if completion_only else texts(messages))


def test_a_row_is_cut_at_its_end(media_folder):
    family, messages = FAMILIES["qwen2_5_vl"], DIALOGUES["media first"]
    processor = marked(family.tiny_processor())
    encoder = RowEncoder(processor, family, folder=MediaFolder(media_folder))
    row = row_of(messages, videos=["0.mp4"])
    whole = VideoSupervisedCollator(encoder, 0, assistant_only=True)([row])
    cut = VideoSupervisedCollator(encoder, 0, whole["input_ids"].size(1) - 6, assistant_only=True)([row])
    assert cut["labels"].tolist() == whole["labels"][:, :-6].tolist()


@pytest.mark.parametrize("name", ["qwen2_5_vl", "video_llava", "llama", "qwen3"])
@pytest.mark.parametrize("dialogue", [True, False])
def test_text_rows_are_trls(name, dialogue, tmp_path):
    processor = marked(FAMILIES[name].tiny_processor())
    messages = [{"role": "user", "content": "what ?"}, {"role": "assistant", "content": "a"}] * 2
    row = row_of(messages)
    stock = {"messages": messages} if dialogue else {k: row[k] for k in ("prompt", "completion")}
    prepare = SFTTrainer._prepare_dataset.__get__(
        SimpleNamespace(
            _tokenizer=getattr(processor, "tokenizer", processor),
            chat_template=None,
            completion_only_loss=not dialogue,
        )
    )
    options = {"use_cpu": True, "bf16": False, "max_length": None, "assistant_only_loss": True}
    args = SFTConfig(output_dir=str(tmp_path), **options)
    [expected] = prepare(Dataset.from_list([stock]), processor, args, False, None, "train")
    collator = VideoSupervisedCollator(RowEncoder(processor, None), 0, assistant_only=True)
    batch = collator([row if dialogue else {**row, DIALOGUE: None}])
    assert batch["input_ids"].tolist() == [expected["input_ids"]]
    assert batch["labels"].tolist() == [expected["labels"]]


def test_image_rows_are_trls():
    """TRL's own collator for images, with its patched template for Qwen2.5-VL, which has no marks."""
    family = FAMILIES["qwen2_5_vl"]
    processor = family.tiny_processor()
    processor.chat_template = qwen2_5_vl_chat_template
    template = get_training_chat_template(processor)
    images = [Image.new("RGB", (56, 84), color) for color in ("red", "blue")]
    messages = [asked("what ?", "image"), said("red"), asked("and ?", "image"), said("blue, I say")]
    stock = DataCollatorForVisionLanguageModeling(processor, assistant_only_loss=True, chat_template=template)
    expected = stock([{"messages": messages, "images": images}])
    encoder = RowEncoder(
        processor, family, media_token_ids=family.media_token_ids(family.tiny_model().config)
    )
    encoder.chat_template = template
    batch = VideoSupervisedCollator(encoder, 0, assistant_only=True)([row_of(messages, images=images)])
    assert batch["input_ids"].tolist() == expected["input_ids"].tolist()
    assert batch["labels"].tolist() == expected["labels"].tolist()
    assert len(answers(batch["labels"][0], processor.tokenizer)) == 2


# --- the trainer --------------------------------------------------------------------------------------------------


def dialogues(*texts):
    """Rows on one video that go apart in their first question."""
    return [
        {"videos": ["0.mp4"], "messages": [asked(f"{text} ?"), said(text), asked("sure ?"), said("yes")]}
        for text in texts
    ]


@pytest.fixture
def sft_of(trainer_of, saved_model):
    def build(rows, *, marks=True, data_collator=None, **settings):
        processor = AutoProcessor.from_pretrained(saved_model("qwen2_5_vl"))
        processor = marked(processor) if marks else processor
        return trainer_of(
            "sft",
            rows=Dataset.from_list(rows),
            assistant_only_loss=True,
            trainer_options={"processing_class": processor, "data_collator": data_collator},
            **settings,
        )

    return build


def test_shared_is_separate(sft_of, first_step, assert_same_gradients):
    rows = dialogues("red", "blue", "red")
    results = []
    for share in (True, False):
        trainer = sft_of(rows, share_prefix=share, per_device_train_batch_size=3)
        batch = next(iter(trainer.get_train_dataloader()))
        assert len(batch["media"]) == 1 and batch["prefix_group"].tolist() == [0, 0, 0]
        for labels in batch["labels"]:
            assert len(answers(labels, trainer.processing_class.tokenizer)) == 2
        results.append(first_step(trainer, batch))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-5)
    assert_same_gradients(results[0][1], results[1][1])


def test_without_it_the_last_answer_alone_is_scored(sft_of):
    [row] = dialogues("red")
    trainer = sft_of([row])
    trainer.data_collator.assistant_only = False
    [labels] = next(iter(trainer.get_train_dataloader()))["labels"]
    assert answers(labels, trainer.processing_class.tokenizer) == [f"yes{EOS}"]


def test_a_template_that_trl_knows_is_patched(sft_of, saved_model, trainer_of):
    processor = AutoProcessor.from_pretrained(saved_model("qwen2_5_vl"))
    processor.chat_template = qwen2_5_vl_chat_template
    trainer = trainer_of(
        "sft",
        rows=Dataset.from_list(dialogues("red")),
        assistant_only_loss=True,
        trainer_options={"processing_class": processor},
    )
    [labels] = next(iter(trainer.get_train_dataloader()))["labels"]
    found = answers(labels, processor.tokenizer)
    assert [text.strip() for text in found] == [f"red{EOS}", f"yes{EOS}"]
    assert processor.chat_template == qwen2_5_vl_chat_template


def test_a_template_that_nobody_can_mark_is_refused(sft_of):
    with pytest.raises(ValueError, match="patching is not supported for this template"):
        sft_of(dialogues("red"), marks=False)


def test_last_turn_or_all_turns(sft_of):
    with pytest.raises(ValueError, match="leave one of them unset"):
        sft_of(dialogues("red"), completion_only_loss=True)


def test_a_collator_of_ones_own_says_so_itself(sft_of):
    collator = sft_of(dialogues("red")).data_collator
    sft_of(dialogues("red"), data_collator=collator)
    collator.assistant_only = False
    with pytest.raises(ValueError, match="give it assistant_only=True"):
        sft_of(dialogues("red"), data_collator=collator)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([asked("?"), said("a"), asked("?")], "messages: the last turn has the role 'user'"),
        ([said("a")], "messages: only one turn"),
        ([], "messages: the last turn has the role None"),
        (None, "messages: missing"),
    ],
)
def test_what_does_not_end_with_the_assistant(messages, message, sft_of):
    rows = dialogues("red", "blue")
    rows[1]["messages"] = messages
    with pytest.raises(BadRows, match=f"row 1: {message}"):
        sft_of(rows)


def test_nor_does_a_row_of_a_stream(trainer_of):
    [row] = dialogues("red")
    stream = Dataset.from_list([{**row, "messages": row["messages"][:-1]}]).to_iterable_dataset()
    with pytest.raises(ValueError, match="row 0 of the batch: messages: the last turn has the role 'user'"):
        trainer_of("sft", rows=stream, max_steps=1).train()


def test_turns_of_text_and_of_blocks(trainer_of, media_folder, write_rows):
    """They have no common Arrow type; `datasets` reads them as JSON."""
    from datasets import load_dataset

    messages = [{"role": "system", "content": "Look."}, asked("what ?", "video"), said("a circle")]
    path = write_rows(media_folder / "mixed.jsonl", [{"videos": ["0.mp4"], "messages": messages}] * 2)
    trainer = trainer_of("sft", rows=load_dataset("json", data_files=path, split="train"))
    [labels, _] = next(iter(trainer.get_train_dataloader()))["labels"]
    assert answers(labels, trainer.processing_class.tokenizer) == [f"a circle{EOS}\n"]


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_rows_of_no_form_are_named(method, trainer_of):
    rows = Dataset.from_list([{"videos": ["0.mp4"], "text": "a circle"}])
    with pytest.raises(BadRows, match="has the columns videos, text, and neither `prompt` nor"):
        trainer_of(method, rows=rows)


def test_plain_strings_have_no_turns(sft_of):
    rows = [{"videos": ["0.mp4"], "messages": dialogues("red")[0]["messages"]}]
    trainer = sft_of(rows)
    with pytest.raises(
        ValueError, match=r"row 0 of the batch: assistant_only_loss=True takes .* plain strings"
    ):
        trainer.data_collator([{"videos": ["0.mp4"], "prompt": "?", "completion": "a"}])
