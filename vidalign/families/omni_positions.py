"""Three-row positions (time, height, width) of Qwen's omni thinkers, for any mix of media with and without sound.

The numbers equal those of the backbone's own `get_rope_index` wherever that is right. It is wrong in three cases: it
assumes that either all videos of a batch have sound or none has; it fails on a prompt without a mask; and it computes
the borders of interleaved chunks anew, from times that are rounded otherwise than the processor's. Here the order of
the tokens decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from vidalign.families.family import Media
from vidalign.families.placeholders import PlaceholderError


@dataclass(frozen=True)
class Medium:
    """Tokens `first` to `last` (exclusive) of a prompt: an image, a video, sound, or a video with its sound.

    grid: rows [3, n] of its image or video tokens from its own start, None for sound alone.
    """

    first: int
    last: int
    grid: torch.Tensor | None
    with_sound: bool = False

    @property
    def border(self) -> int:
        """How many tokens mark its begin; as many mark its end. A video with sound has the marks of both."""
        return 2 if self.with_sound else 1


def grid_rows(grid: torch.Tensor, times: torch.Tensor, merge_size: int) -> torch.Tensor:
    """[3, t * rows * columns] from `grid` [3] in patches and `times` [t]."""
    rows, columns = (torch.arange(int(side) // merge_size, dtype=times.dtype) for side in grid[1:])
    return torch.stack([axis.flatten() for axis in torch.meshgrid(times, rows, columns, indexing="ij")])


def media_of(backbone: Any, tokens: list[int], media: Media, dtype: torch.dtype) -> Iterator[Medium]:
    """The media of a prompt, in the order of its tokens."""
    config, merge_size = backbone.config, backbone.spatial_merge_size
    rate = config.position_id_per_seconds
    grids = {
        token: iter(media[key].cpu() if key in media else ())
        for token, key in (
            (config.image_token_id, "image_grid_thw"),
            (config.video_token_id, "video_grid_thw"),
        )
    }
    seconds = iter(media["video_second_per_grid"].cpu().float() if "video_second_per_grid" in media else ())
    last = 0
    while last < len(tokens):
        first, kind = last, tokens[last]
        if kind in grids:
            grid = next(grids[kind], None)
            if grid is None:
                raise PlaceholderError(
                    f"Token {first} of the prompt stands for a medium that did not come with it."
                )
            step = next(seconds) if kind == config.video_token_id else 1
            rows = grid_rows(grid, (torch.arange(grid[0]) * step * rate).to(dtype), merge_size)
            with_sound = first > 0 and tokens[first - 1] == config.audio_start_token_id
            last = first + rows.shape[1]
            while with_sound and last < len(tokens) and tokens[last] in (kind, config.audio_token_id):
                last += 1
            yield Medium(first, last, rows, with_sound)
        elif kind == config.audio_token_id:
            while last < len(tokens) and tokens[last] == kind:
                last += 1
            yield Medium(first, last, None)
        else:
            last += 1


def omni_positions(
    backbone: Any, input_ids: torch.Tensor, media: Media, *, dtype: torch.dtype, shared_border: bool
) -> torch.Tensor:
    """Positions [3, 1, P] of one prompt [1, P].

    Text and sound alone count up by one. A video and its sound start at one position, and each goes on by its own
    clock, in whatever order their tokens stand. What follows goes on from the LAST token: behind a video that its
    sound outlasts, from that sound, although a row of the frames may lie higher.

    dtype: integers cut off the fractions of the frames' times, floats keep them.
    shared_border: the two tokens that begin a video with sound have one position, and so have those that end it.
    """
    tokens = input_ids[0].tolist()
    positions = torch.empty(3, len(tokens), dtype=dtype)

    def count(first: int, last: int, start: torch.Tensor, shared: bool = False) -> torch.Tensor:
        """Fills tokens first to last and gives the position behind them."""
        positions[:, first:last] = start if shared else torch.arange(last - first) + start
        return start + (min(1, last - first) if shared else last - first)

    def following(done: int) -> torch.Tensor:
        return positions[:, done - 1].max() + 1 if done else torch.zeros((), dtype=dtype)

    done, border = 0, 0
    # Floats are added in the backbone's own order: end marks, text and begin marks each from where they start.
    for medium in media_of(backbone, tokens, media, dtype):
        behind = min(done + border, medium.first)
        count(done, behind, following(done), shared_border and border == 2)
        border = medium.border
        before = max(behind, medium.first - border)
        start = count(behind, before, following(behind))
        start = count(before, medium.first, start, shared_border and border == 2)
        own = positions[:, medium.first : medium.last]
        sound = torch.tensor(tokens[medium.first : medium.last]) == backbone.config.audio_token_id
        own[:, sound] = (torch.arange(int(sound.sum())) + start).to(dtype).expand(3, -1)
        if medium.grid is not None:
            own[:, ~sound] = medium.grid + start
        done = medium.last
    behind = min(done + border, len(tokens))
    count(done, behind, following(done), shared_border and border == 2)
    count(behind, len(tokens), following(behind))
    return positions[:, None].to(input_ids.device)
