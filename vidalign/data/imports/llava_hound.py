"""What LLaVA-Hound has released (arXiv:2404.01258): pairs, captions and instructions.

Layouts, by its training code (github.com/RifleZhang/LLaVA-Hound-DPO) and by what users of the files show of them; the files
themselves were not at hand. Frames are released as folders of JPEG, two a second, and rows name such a folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from vidalign.data.imports.media import blocks_of, path_of, untagged
from vidalign.data.imports.row import BadRow, Converted, preference, supervised, text_in
from vidalign.data.imports.sharegpt import turns_of

PAIR_COLUMNS = ("id", "video", "prompt", "chosen", "rejected", "chosen_score", "rejected_score")
CAPTION_COLUMNS = ("id", "video", "conversations")
_ENDINGS = (".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v", ".gif")


def convert_pair(row: Mapping[str, Any], *, ending: str = "") -> Converted:
    """A row of `sft_dpo_17k.jsonl` as the released `run_dpo.py` reads it: `video`, `prompt`, `chosen` and `rejected` as texts, and
    perhaps `id`, `chosen_score`, `rejected_score`. The video stands before the prompt, as there, unless a `<video>` says where.

    Raises:
        BadRow: see there.
    """
    content = _with_video(text_in(row, "prompt"), "prompt", always=True)
    chosen, rejected = (untagged(row.get(name), name) for name in ("chosen", "rejected"))
    prompt = [{"role": "user", "content": content}]
    return preference(row, prompt, chosen, rejected, _video(row, ending))


def convert_caption(row: Mapping[str, Any], *, ending: str = "") -> Converted:
    """A row of `video_caption_300k.jsonl`, `video_240k_caption_15k.jsonl` or `video_caption_pretrain.jsonl`: `id`, `video`, and
    `conversations` of `from` (human, gpt) and `value`, the first with one `<video>`.

    Rows of images (`image_instruction_600k.jsonl`) are not taken: where their files lie could not be established.

    Raises:
        BadRow: see there.
    """
    turns = turns_of(row.get("conversations"), "conversations")
    if turns[0]["role"] != "user" or turns[-1]["role"] != "assistant":
        raise BadRow("conversations: begin with the human's turn and end with gpt's; take the row out")
    for number, turn in enumerate(turns):
        if turn["role"] == "user":
            text = "".join(block.get("text", f"<{block['type']}>") for block in turn["content"])
            turn["content"] = _with_video(
                text, f"conversations: turn {number}", always=False, first=not number
            )
    return supervised(row, turns, _video(row, ending))


def _with_video(text: str, place: str, *, always: bool, first: bool = True) -> list[dict[str, Any]]:
    """The text with the place of the video, without the spaces between the two: those are for a chat template.

    always: a text without a tag has the video before it. first: it has one at all.
    """
    blocks = blocks_of(text)
    media = [block["type"] for block in blocks if block["type"] != "text"]
    wanted = [["video"]] if first else [[]]
    if always:
        wanted.append([])
    if media not in wanted:
        said = ", ".join(f"<{kind}>" for kind in media) or "no tag"
        raise BadRow(
            f"{place}: has {said}, and a row has one video, in the first turn; mend the tags, or take the row out"
        )
    if not media and always:
        blocks = [{"type": "video"}, *blocks]
    stripped = [{**block, "text": block["text"].strip()} if "text" in block else block for block in blocks]
    kept = [block for block in stripped if block.get("text") != ""]
    if not any("text" in block for block in kept):
        raise BadRow(f"{place}: asks nothing; fill it in, or take the row out")
    return kept


def _video(row: Mapping[str, Any], ending: str) -> dict[str, list[str]]:
    """ending: of the file, where the row names a folder of frames."""
    if row.get("video") is None:
        raise BadRow("video: missing; fill it in, or take the row out")
    path = path_of(row["video"], "video")
    named = PurePosixPath(path).suffix.lower() in _ENDINGS
    return {"videos": [path if named else path + ending]}
