"""Rows of text, alone and with media: their tokens are those that TRL prepares, and those of a processor's own call."""

import json
from types import SimpleNamespace

import pytest
from datasets import Dataset
from tokenizers import models, processors
from trl import DPOConfig, DPOTrainer, GRPOTrainer, SFTConfig, SFTTrainer

from vidalign.encoding import RowEncoder
from vidalign.families import FAMILIES
from vidalign.families.tiny_tokenizer import BOS, BOS_ID, EOS, EOS_ID, chat_template, tiny_tokenizer
from vidalign.rows import BadRows, MediaFolder
from vidalign.trainers.collators import RankedCollator, VideoPreferenceCollator, VideoSupervisedCollator

SEEING = [name for name, family in FAMILIES.items() if family.vision_tower]


def merging():
    """A tokenizer in which the end of a prompt and the begin of a completion become one token."""
    tokenizer = tiny_tokenizer(adds_bos=True)
    vocabulary = {token: id for token, id in tokenizer.get_vocab().items() if id < 256}
    tokenizer.backend_tokenizer.model = models.BPE(vocab={**vocabulary, "th": 260}, merges=[("t", "h")])
    return tokenizer


def ending():
    """A tokenizer that adds an end as well as a begin."""
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A {EOS}", special_tokens=[(BOS, BOS_ID), (EOS, EOS_ID)]
    )
    return tokenizer


PROCESSORS = {
    "BOS by itself": lambda: tiny_tokenizer(adds_bos=True),
    "no BOS": tiny_tokenizer,
    "merges": merging,
    "BOS and EOS by itself": ending,
    **{name: FAMILIES[name].tiny_processor for name in ("qwen2_5_vl", "video_llava", "llava_next_video")},
}


def said(text):
    return [{"role": "assistant", "content": text}]


TOOLS = [{"type": "function", "function": {"name": "count", "parameters": {"properties": {"of": {}}}}}]
STRINGS = {"prompt": "what is it", "chosen": "hot", "rejected": "old"}
MESSAGES = {
    "prompt": [
        {"role": "user", "content": "it ?"},
        *said("what"),
        {"role": "user", "content": "and?"},
    ],
    "chosen": said("that"),
    "rejected": said("no"),
}
ROWS = {
    "strings": STRINGS,
    "strings that end": {**STRINGS, "chosen": f"hot{EOS}"},
    "messages": MESSAGES,
    "a prompt to be continued": {**MESSAGES, "prompt": [*MESSAGES["prompt"], *said("I think")]},
    "tools": {**MESSAGES, "tools": json.dumps(TOOLS)},
}
TOOLED = "{{ tools | tojson if tools else '' }}"


@pytest.fixture
def processor(request):
    processor = PROCESSORS[request.param]()
    if processor.chat_template is None:
        processor.chat_template = TOOLED + chat_template(bos=BOS)
    elif BOS in processor.chat_template:
        processor.chat_template = BOS + TOOLED + processor.chat_template.removeprefix(BOS)
    else:
        processor.chat_template = TOOLED + processor.chat_template
    return processor


def encoder_of(processor):
    return RowEncoder(processor, None)


def settings_of(trainer_class, processor, **more):
    tokenizer = getattr(processor, "tokenizer", processor)
    return trainer_class._prepare_dataset.__get__(
        SimpleNamespace(_tokenizer=tokenizer, chat_template=None, completion_only_loss=True, **more)
    )


every_processor = pytest.mark.parametrize("processor", list(PROCESSORS), indirect=True)
every_form = pytest.mark.parametrize("form", list(ROWS))


@every_processor
@every_form
def test_pairs_are_trls(processor, form, tmp_path):
    row = ROWS[form]
    args = DPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, max_length=None)
    [expected] = settings_of(DPOTrainer, processor)(Dataset.from_list([row]), processor, args, "train")
    batch = VideoPreferenceCollator(encoder_of(processor), pad_token_id=0)([row])
    check(batch, expected["prompt_ids"], [expected["chosen_ids"], expected["rejected_ids"]])


@every_processor
@every_form
def test_chains_of_two_are_trls_pairs(processor, form, tmp_path):
    row = ROWS[form]
    args = DPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, max_length=None)
    [expected] = settings_of(DPOTrainer, processor)(Dataset.from_list([row]), processor, args, "train")
    chain = {name: value for name, value in row.items() if name not in ("chosen", "rejected")}
    chain["ranked"] = [row["chosen"], row["rejected"]]
    batch = RankedCollator(encoder_of(processor), pad_token_id=0)([chain])
    check(batch, expected["prompt_ids"], [expected["chosen_ids"], expected["rejected_ids"]])


@every_processor
@every_form
def test_supervised_rows_are_trls(processor, form, tmp_path):
    row = {name: value for name, value in ROWS[form].items() if name not in ("chosen", "rejected")}
    row["completion"] = ROWS[form]["chosen"]
    args = SFTConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, max_length=None)
    prepare = settings_of(SFTTrainer, processor)
    [expected] = prepare(Dataset.from_list([row]), processor, args, False, None, "train")
    batch = VideoSupervisedCollator(encoder_of(processor), pad_token_id=0)([row])
    assert batch["input_ids"].tolist() == [expected["input_ids"]]
    assert batch["labels"].tolist() == [expected["labels"]]


@every_processor
@pytest.mark.parametrize("form", ["strings", "messages"])
def test_prompts_to_respond_to_are_trls(processor, form):
    prompt = ROWS[form]["prompt"]
    stand_in = SimpleNamespace(
        processing_class=processor,
        _is_vlm=hasattr(processor, "tokenizer"),
        environment_factories=None,
        tools=None,
        chat_template=None,
        chat_template_kwargs={},
    )
    [expected], *_ = GRPOTrainer._tokenize_prompts(stand_in, [prompt])
    assert encoder_of(processor)({"prompt": prompt}, ()).prompt.input_ids == list(expected)


def check(batch, prompt, completions):
    for ids, mask, scored, completion in zip(
        batch["input_ids"], batch["attention_mask"], batch["completion_mask"], completions, strict=True
    ):
        assert ids[: int(mask.sum())].tolist() == [*prompt, *completion]
        assert ids[scored.bool()].tolist() == list(completion)


# --- with media ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=SEEING)
def seeing(request, media_folder):
    """An encoder whose tokenizer puts BOS before plain strings, and one whose does not."""
    family = FAMILIES[request.param]

    def build(adds_bos):
        processor = family.tiny_processor()
        single = f"{BOS} $A" if adds_bos else "$A"
        processor.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single=single, special_tokens=[(BOS, BOS_ID)] if adds_bos else []
        )
        return RowEncoder(processor, family, folder=MediaFolder(media_folder))

    return build


@pytest.mark.parametrize("adds_bos", [True, False])
def test_plain_prompts_with_media_are_a_processors_own_call(adds_bos, seeing, monkeypatch):
    encoder = seeing(adds_bos)
    row = {"videos": ["0.mp4"], "prompt": f"{encoder.named.tokens['video']} what ?", "completion": "that"}
    ours = encoder(row, ("completion",))
    # The same call of the processor, with its own defaults for text.
    call = type(encoder.processor).__call__

    def by_default(self, *args, text_kwargs, **given):
        return call(self, *args, text_kwargs={"padding": False}, **given)

    monkeypatch.setattr(type(encoder.processor), "__call__", by_default)
    decoded = encoder.decoded(row)
    assert ours.prompt.input_ids == encoder._process(decoded).input_ids
    assert (ours.prompt.input_ids[0] == BOS_ID) == adds_bos
    assert (
        ours.completions["completion"] == encoder.tokenizer(f"that{EOS}", add_special_tokens=False).input_ids
    )
    assert decoded.text_ids == encoder.tokenizer(row["prompt"]).input_ids


@pytest.mark.parametrize("adds_bos", [True, False])
@pytest.mark.parametrize("writes_bos", [True, False])
def test_conversations_with_media_begin_once(writes_bos, adds_bos, seeing):
    """As `processor.apply_chat_template(tokenize=True)` has it: a BOS that the template writes is not doubled."""
    encoder = seeing(adds_bos)
    template = encoder.processor.chat_template.removeprefix(BOS)
    encoder.processor.chat_template = BOS + template if writes_bos else template
    message = {"role": "user", "content": [{"type": "text", "text": "what ?"}]}
    expected = encoder.processor.apply_chat_template([message], tokenize=True, return_dict=True)["input_ids"][
        0
    ]
    row = {"videos": ["0.mp4"], "prompt": [{"role": "user", "content": "what ?"}]}
    ids = encoder(row, ()).prompt.input_ids
    assert ids.count(BOS_ID) == list(expected).count(BOS_ID) == (writes_bos or adds_bos)


def test_a_prompt_on_the_same_media_begins_alike(seeing):
    """Through the splice and through the cache as through the processor."""
    encoder, fresh = seeing(True), seeing(True)
    token = encoder.named.tokens["video"]
    rows = [{"videos": ["0.mp4"], "prompt": f"{token} {question}"} for question in ("what ?", "who ?")]
    encoder(rows[0], ())
    assert encoder(rows[1], ()).prompt.input_ids == fresh(rows[1], ()).prompt.input_ids
    assert encoder(rows[1], ()).prompt.input_ids[0] == BOS_ID


# --- tools --------------------------------------------------------------------------------------------------------


def calling(arguments):
    call = {"type": "function", "function": {"name": "count", "arguments": arguments}}
    return [{"role": "assistant", "content": None, "tool_calls": [call]}]


CALLS = "{% for message in messages %}{{ message.tool_calls | tojson if message.tool_calls else message['content'] | tojson }}{% endfor %}"


@pytest.mark.parametrize("media", [True, False])
def test_arrow_puts_no_nulls_into_tools_and_takes_none_out_of_arguments(media, media_folder):
    other = {"type": "function", "function": {"name": "see", "parameters": {"properties": {"what": {}}}}}
    rows = Dataset.from_list(
        [
            {
                "tools": [TOOLS[0]],
                "prompt": [{"role": "user", "content": "?"}],
                "completion": calling({"of": None}),
            },
            {
                "tools": [other],
                "prompt": [{"role": "user", "content": "?"}],
                "completion": calling({"of": "it"}),
            },
        ]
    )
    family = FAMILIES["qwen2_5_vl"]
    processor = family.tiny_processor()
    processor.chat_template = "{{ tools | tojson }}" + CALLS.replace(
        "message['content'] | tojson", "'<|vision_start|><|video_pad|><|vision_end|>'" if media else "''"
    )
    encoder = RowEncoder(processor, family, folder=MediaFolder(media_folder))
    row = {**rows[0], **({"videos": ["0.mp4"]} if media else {})}
    encoded = encoder(row, ("completion",))
    text = processor.tokenizer.decode(encoded.prompt.input_ids)
    assert text.startswith(json.dumps(TOOLS))
    assert '"arguments": {"of": null}' in processor.tokenizer.decode(encoded.completions["completion"])


@pytest.mark.parametrize("tools", [json.dumps(TOOLS), TOOLS])
def test_tools_with_media_may_be_json_text(tools, media_folder):
    family = FAMILIES["qwen2_5_vl"]
    processor = family.tiny_processor()
    processor.chat_template = TOOLED + processor.chat_template
    encoder = RowEncoder(processor, family, folder=MediaFolder(media_folder))
    row = {"videos": ["0.mp4"], "prompt": [{"role": "user", "content": "?"}], "tools": tools}
    assert processor.tokenizer.decode(encoder(row, ()).prompt.input_ids).startswith(json.dumps(TOOLS))


@pytest.mark.parametrize(("tools", "message"), [("[{", "no JSON text"), ("{}", "JSON text of dict")])
def test_tools_that_are_no_list_are_named(tools, message, trainer_of, pair_rows):
    rows = [{**row, "tools": tools} for row in pair_rows(2)]
    with pytest.raises(BadRows, match=f"row 0: tools: {message}"):
        trainer_of("dpo", rows=rows)


@pytest.mark.parametrize("method", ["sft", "ranking"])
def test_a_tool_call_alone_is_no_empty_completion(method, trainer_of, pair_rows):
    rows = pair_rows(2)
    for row in rows:
        row["chosen"] = calling({"of": "it"})
    if method == "ranking":
        for row in rows:
            row["ranked"] = [row.pop("chosen"), calling({"of": "that"}), row.pop("rejected")]
    trainer_of(method, rows=rows)


def test_formatting_func_is_refused_with_media(trainer_of, pair_rows):
    with pytest.raises(ValueError, match="formatting_func makes one text of a row"):
        trainer_of("sft", rows=pair_rows(2), trainer_options={"formatting_func": lambda row: "text"})
