"""Data sets in other people's formats, imported, train."""

import json

import pytest
from datasets import load_dataset

from vidalign.data.imports.build import build_import


@pytest.fixture
def imported(media_folder, tmp_path):
    """Rows as a recipe reads them."""

    def load(rows, format="sharegpt", **options):
        (tmp_path / "in.json").write_text(json.dumps(rows), "utf-8")
        build_import(
            tmp_path / "in.json", tmp_path / "rows", format=format, media_root=media_folder, **options
        )
        return load_dataset(str(tmp_path / "rows"), split="train")

    return load


def turn(who, words):
    return {"from": who, "value": words}


def test_a_pair_trains_as_the_same_row_by_hand(imported, media_folder, trainer_of, losses_of):
    def human(number):
        if number == 1:  # media in the middle of a text and in a later turn
            return [
                turn("human", "before <video> describe a"),
                turn("gpt", "a red circle"),
                turn("human", "two <video>"),
            ]
        return [turn("system", "be brief"), turn("human", "<video>describe red")]

    given = [
        {
            "conversations": human(number),
            "videos": [f"{number}.mp4", "2.mp4"][: 1 + number],
            "chosen": turn("gpt", "a red circle moves"),
            "rejected": turn("gpt", "two blue squares stay"),
        }
        for number in range(2)
    ]
    video = {"type": "video"}

    def said(role, *blocks):
        content = [{"type": "text", "text": block} if isinstance(block, str) else block for block in blocks]
        return {"role": role, "content": content}

    prompts = [
        [said("system", "be brief"), said("user", video, "describe red")],
        [
            said("user", "before ", video, " describe a"),
            said("assistant", "a red circle"),
            said("user", "two ", video),
        ],
    ]
    by_hand = [
        {
            "videos": row["videos"],
            "prompt": prompt,
            "chosen": [{"role": "assistant", "content": row["chosen"]["value"]}],
            "rejected": [{"role": "assistant", "content": row["rejected"]["value"]}],
        }
        for row, prompt in zip(given, prompts, strict=True)
    ]
    losses = [losses_of(trainer_of("dpo", rows=rows, max_steps=1)) for rows in (imported(given), by_hand)]
    assert losses[0] == losses[1] and len(losses[0]) == 1


def test_a_conversation_trains(imported, trainer_of, losses_of):
    given = [
        {
            "messages": [
                {"role": "user", "content": "<video>describe a"},
                {"role": "assistant", "content": "a red circle"},
                {"role": "user", "content": "and <video> now"},
                {"role": "assistant", "content": "two blue squares"},
            ],
            "videos": ["0.mp4", "1.mp4"],
        },
        {
            "messages": [
                {"role": "user", "content": "describe red"},
                {"role": "assistant", "content": "it moves"},
            ]
        },
    ]
    trainer = trainer_of("sft", rows=imported(given), max_steps=1)
    [loss] = losses_of(trainer)
    assert loss > 0


@pytest.mark.parametrize(
    ("format", "method", "row", "options"),
    [
        ("llava-hound-pairs", "dpo", {"video": "{}", "prompt": "describe red", "chosen": "a circle", "rejected": "two squares"}, {"video_ending": ".mp4"}),
        ("llava-hound-captions", "sft", {"video": "{}", "conversations": [turn("human", "<video>\ndescribe red"), turn("gpt", "a circle")]}, {"video_ending": ".mp4"}),
        ("sharegpt4video", "sft", {"video_path": "{}.mp4", "captions": [{"idx": "-1", "content": "a circle"}]}, {"prompt": "describe red"}),
    ],
)  # fmt: skip
def test_released_files_train(imported, trainer_of, losses_of, format, method, row, options):
    rows = [
        {name: value.format(number) if name.startswith("video") else value for name, value in row.items()}
        for number in range(2)
    ]
    [loss] = losses_of(trainer_of(method, rows=imported(rows, format, **options), max_steps=1))
    assert loss > 0
