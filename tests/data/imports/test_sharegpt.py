"""Conversations of LLaMA-Factory and ms-swift."""

import json

import pytest

from vidalign.data.imports.media import blocks_of
from vidalign.data.imports.row import BadRow
from vidalign.data.imports.sharegpt import convert
from vidalign.encoding.named_media import Placeholders, named_problem

VIDEO, IMAGE, AUDIO = ({"type": kind} for kind in ("video", "image", "audio"))
CALL = '{"name": "look", "arguments": {"at": "dog", "twice": null}}'


def text(words):
    return {"type": "text", "text": words}


def said(role, *blocks):
    return {"role": role, "content": [text(block) if isinstance(block, str) else block for block in blocks]}


def human(words):
    return {"from": "human", "value": words}


def gpt(words):
    return {"from": "gpt", "value": words}


def user(words):
    return {"role": "user", "content": words}


def assistant(words):
    return {"role": "assistant", "content": words}


SWIFT = {
    "messages": [user("<video>What happens?"), assistant("A dog runs.")],
    "videos": ["a.mp4"],
    "rejected_response": "A cat.",
}
FACTORY = {
    "conversations": [human("<video>What happens?")],
    "chosen": gpt("A dog runs."),
    "rejected": gpt("A cat."),
    "videos": ["a.mp4"],
}
PAIR = {
    "videos": ["a.mp4"],
    "prompt": [said("user", VIDEO, "What happens?")],
    "chosen": [assistant("A dog runs.")],
    "rejected": [assistant("A cat.")],
}


def row_of(given):
    """The row as converted, in which the trainers' own check of blocks and media finds nothing."""
    converted = convert(given)
    row = converted.row
    checked = row
    if converted.kind == "supervised":
        checked = {**row, "prompt": row["messages"][:-1], "completion": row["messages"][-1:]}
    assert named_problem(checked, converted.kind, Placeholders()) is None
    return row


@pytest.mark.parametrize(
    "given",
    [
        FACTORY,
        {**FACTORY, "chosen": "A dog runs.", "rejected": "A cat."},
        {**FACTORY, "videos": None, "video": "a.mp4"},
        {**FACTORY, "videos": [{"path": "a.mp4", "bytes": None}]},
        {**FACTORY, "messages": None, "images": [], "tools": "", "system": "", "label": None},
        SWIFT,
        {**SWIFT, "rejected_response": None, "rejected_messages": [SWIFT["messages"][0], assistant("A cat.")]},
        {"messages": FACTORY["conversations"], "videos": "a.mp4", "chosen": gpt("A dog runs."), "rejected": "A cat."},
    ],
)  # fmt: skip
def test_pairs_of_both(given):
    assert row_of(given) == PAIR


def test_supervised_rows_keep_all_their_turns():
    turns = [
        {"from": "system", "value": "Be brief."},
        human("<image>\n<video> And <audio>?"),
        gpt("Yes."),
        human("And in <video>this one?"),
        gpt("No."),
    ]
    media = {"videos": ["b.mp4", "a.mp4"], "images": ["a.png"], "audios": ["a.wav"]}
    assert row_of({"id": 7, "conversations": turns, **media}) == {
        "id": "7",
        **media,
        "messages": [
            said("system", "Be brief."),
            said("user", IMAGE, "\n", VIDEO, " And ", AUDIO, "?"),
            said("assistant", "Yes."),
            said("user", "And in ", VIDEO, "this one?"),
            said("assistant", "No."),
        ],
    }


def test_a_column_system_is_the_first_turn():
    expected = [said("system", "Be brief."), *PAIR["prompt"]]
    assert row_of({**FACTORY, "system": "Be brief."})["prompt"] == expected
    given = {**SWIFT, "messages": [{"role": "system", "content": "Be brief."}, *SWIFT["messages"]]}
    assert row_of(given)["prompt"] == expected
    assert row_of({**given, "system": "Be brief."})["prompt"] == expected
    other = [SWIFT["messages"][0], assistant("A cat.")]
    given = {**SWIFT, "system": "Be brief.", "rejected_response": None, "rejected_messages": other}
    assert row_of(given)["prompt"] == expected


def test_tools_and_their_calls():
    schema = {"type": "function", "function": {"name": "look", "parameters": {}}}
    turns = [
        user("Look."),
        {"role": "tool_call", "content": CALL},
        {"role": "tool_call", "content": CALL},
        {"role": "tool_response", "content": "a dog"},
        {"role": "tool", "content": "a cat"},
        assistant("A dog and a cat."),
    ]
    call = {"type": "function", "function": json.loads(CALL)}
    filled = {**schema, "function": {**schema["function"], "description": None}}  # as Parquet has it
    for tools in ([schema], json.dumps([schema]), [filled]):
        row = row_of({"messages": turns, "tools": tools})
        assert json.loads(row["tools"]) == [schema]
        assert row["messages"] == [
            said("user", "Look."),
            {"role": "assistant", "content": [], "tool_calls": [call, call]},
            said("tool", "a dog"),
            said("tool", "a cat"),
            said("assistant", "A dog and a cat."),
        ]
    factory = [human("Look."), {"from": "function_call", "value": f"[{CALL}]"}, {"from": "observation", "value": "a dog"}, gpt("So.")]  # fmt: skip
    assert row_of({"conversations": factory})["messages"][1]["tool_calls"] == [call]
    assert row_of({"conversations": factory[:2]})["messages"][-1]["tool_calls"] == [call]


def test_scores_are_kept():
    row = row_of({**FACTORY, "chosen_score": 4, "rejected_score": 1.5})
    assert (row["chosen_score"], row["rejected_score"]) == (4.0, 1.5)
    assert type(row["chosen_score"]) is float  # one type for all rows, or no table can be made of them


@pytest.mark.parametrize(
    "words", ["<video>", "a<video>", " <image> <image>\n", "<b> </video> <Video>", "none"]
)
def test_no_letter_of_a_text_is_lost(words):
    assert "".join(block.get("text", f"<{block['type']}>") for block in blocks_of(words)) == words


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        # tags and media
        ({"videos": []}, "conversations", "1 <video> in the text, and 0 in videos"),
        ({"videos": ["a.mp4", "b.mp4"]}, "conversations", "1 <video> in the text, and 2 in videos"),
        ({"conversations": [human("What happens?")]}, "conversations", "0 <video> in the text, and 1 in videos"),
        ({"conversations": [human("<video><video>What?")]}, "conversations", "2 <video> in the text, and 1 in videos"),
        ({"conversations": [human("<image>What?")]}, "conversations", "0 <video>"),
        ({"images": ["a.png"]}, "conversations", "0 <image> in the text, and 1 in images"),
        ({"chosen": gpt("<video>A dog.")}, "chosen", "holds <video>"),
        ({"rejected": "See <image>."}, "rejected", "holds <image>"),
        ({"system": "<video>"}, "system", "holds <video>"),
        ({"conversations": [human("<video>Hm?"), gpt("<audio>"), human("So?")]}, "conversations: turn 1", "holds <audio>"),
        ({"video": "a.mp4"}, "video", "given together with videos"),
        ({"videos": [["a.jpg", "b.jpg"]]}, "videos", "a list of frames"),
        ({"videos": [{"bytes": b"x", "path": None}]}, "videos", "the content of a file"),
        ({"videos": [None]}, "videos", "None instead of a path"),
        ({"rejected_videos": ["b.mp4"]}, "rejected_videos", "share their media"),
        ({"objects": {"ref": ["a"], "bbox": [[1, 2]]}}, "objects", "boxes"),
        # texts
        ({"chosen": gpt(" ")}, "chosen", "empty"),
        ({"chosen": None}, "chosen", "missing"),
        ({"rejected": 5}, "rejected", "int instead of a text"),
        ({"rejected": None}, "chosen", "without rejected"),
        ({"rejected": " A dog runs. "}, "rejected", "equal to the chosen"),
        ({"rejected": "half \ud83d"}, "rejected", "surrogate"),
        ({"rejected": human("A cat.")}, "rejected", "has the role user"),
        ({"conversations": [human("")]}, "conversations: turn 0", "empty"),
        ({"conversations": []}, "conversations", "empty"),
        ({"conversations": "<video>What?"}, "conversations", "str instead of a list of turns"),
        ({"conversations": None}, "conversations", "missing, and so is messages"),
        ({"messages": FACTORY["conversations"]}, "conversations", "are both there"),
        # turns
        ({"conversations": [{"from": "bot", "value": "<video>"}]}, "conversations: turn 0", "unknown role 'bot'"),
        ({"conversations": [{"value": "<video>"}]}, "conversations: turn 0", "has no role"),
        ({"conversations": ["<video>"]}, "conversations: turn 0", "str instead of an object"),
        ({"conversations": [{**human("<video>"), "loss": False}]}, "conversations: turn 0", "further key 'loss'"),
        ({"conversations": [human("<video>"), human("What?")]}, "conversations: turn 1", "a second turn of the user's"),
        ({"conversations": [gpt("Hello."), human("<video>")]}, "conversations: turn 0", "answers nothing"),
        ({"conversations": [human("<video>"), {"from": "system", "value": "x"}]}, "conversations: turn 1", "stands first"),
        ({"conversations": [human("<video>"), {"from": "observation", "value": "x"}]}, "conversations: turn 1", "no call"),
        ({"conversations": [human("<video>"), gpt("A dog.")]}, "conversations", "must be the user's"),
        ({"conversations": [human("<video>"), {"from": "function_call", "value": "look"}]}, "conversations: turn 1", "not JSON"),
        ({"conversations": [human("<video>"), {"from": "function_call", "value": "{}"}]}, "conversations: turn 1", "without a name"),
        ({"conversations": [{"from": "system", "value": "a"}, human("<video>")], "system": "b"}, "system", "another text"),
        ({"conversations": [human("<video>"), {"from": "function_call", "value": {"name": "look", "arguments": {}}}]}, "conversations: turn 1", "dict instead of a text"),
        ({"tools": "look"}, "tools", "no JSON text"),
        ({"tools": "{}"}, "tools", "no list of schemas"),
        # other kinds
        ({"kto_tag": True}, "kto_tag", "KTO"),
        ({"label": False}, "label", "KTO"),
        ({"rejected_response": "A cat."}, "rejected_response", "given together with rejected"),
        # scores and ids
        ({"chosen_score": 3}, "rejected_score", "missing"),
        ({"chosen_score": 3, "rejected_score": "1"}, "rejected_score", "'1' instead of a number"),
        ({"chosen_score": 3, "rejected_score": float("nan")}, "rejected_score", "nan"),
        ({"chosen_score": 3, "rejected_score": 3}, "chosen_score", "contradicts itself"),
        ({"id": ["x"]}, "id", "no name of a row"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_named(change, column, reason):
    with pytest.raises(BadRow) as error:
        convert({**FACTORY, **change})
    assert str(error.value).startswith(f"{column}: ") and reason in str(error.value)


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"messages": SWIFT["messages"][:1]}, "messages", "must be the assistant's"),
        ({"rejected_response": None, "messages": SWIFT["messages"][:1]}, "messages", "must be the assistant's"),
        ({"rejected_response": ["A cat."]}, "rejected_response", "list instead of a text"),
        ({"chosen": "A dog."}, "chosen", "without rejected, and with rejected_response"),
        ({"rejected_response": None, "rejected_messages": [user("<video>Who?"), assistant("A cat.")]}, "rejected_messages", "differs before"),
        ({"messages": [user("<video>"), {"role": "tool_call", "content": CALL}]}, "messages", "ends in a call"),
        ({"rejected_response": None, "messages": [assistant("I love music")]}, "messages: turn 0", "answers nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_of_ms_swift_is_named(change, column, reason):
    with pytest.raises(BadRow) as error:
        convert({**SWIFT, **change})
    assert str(error.value).startswith(f"{column}: ") and reason in str(error.value)
