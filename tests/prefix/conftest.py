from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vidalign.families import FAMILIES
from vidalign.prefix import RowBatch


@pytest.fixture(scope="session")
def row_batch():
    """Rows of three groups (two with a video, one of text), padded left and right in turn, with known responses.

    `row_batch(family, responses=((5, 7, 3), (4, 9), (6, 2)))` -> (tiny model, RowBatch).
    """

    def build(name, responses=((5, 7, 3), (4, 9), (6, 2)), seed=0, shared_start=0):
        family = FAMILIES[name]
        model, processor = family.tiny_model(), family.tiny_processor()
        tokenizer = getattr(processor, "tokenizer", processor)
        rng = np.random.default_rng(seed)

        def video(frames, height, width):
            return SimpleNamespace(
                frames=rng.integers(0, 255, (frames, height, width, 3)).astype("uint8"),
                timestamps=np.arange(frames) / 2.0,
                duration=frames / 2.0,
                fps=2.0,
            )

        if family.vision_tower:
            mark = family.video_placeholder(processor)
            prompts = [
                family.encode(processor, f"{mark} describe the video", [video(4, 56, 56)]),
                family.encode(processor, f"hello {mark} what is here", [video(6, 56, 84)]),
                family.encode(processor, "only text here", []),
            ]
        else:
            prompts = [family.encode(processor, text, []) for text in ("describe it", "a b c", "only text")]
        forbidden = family.media_token_ids(model.config)
        allowed = [token for token in range(len(tokenizer)) if token not in forbidden]
        rows, targets, group = [], [], []
        for number, (prompt, lengths) in enumerate(zip(prompts, responses, strict=True)):
            start = rng.choice(allowed, shared_start).tolist()
            for length in lengths:
                own = start + rng.choice(allowed, length).tolist()
                rows.append(list(prompt.input_ids) + own)
                targets.append([-100] * len(prompt.input_ids) + own)
                group.append(number)
        width = max(map(len, rows)) + 2
        ids = torch.full((len(rows), width), tokenizer.pad_token_id or 0)
        mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
        for index, (row, target) in enumerate(zip(rows, targets, strict=True)):
            where = slice(0, len(row)) if index % 2 else slice(width - len(row), width)
            ids[index, where], mask[index, where], labels[index, where] = (
                torch.tensor(row),
                1,
                torch.tensor(target),
            )
        return model, RowBatch(ids, mask, labels, torch.tensor(group), [prompt.media for prompt in prompts])

    return build
