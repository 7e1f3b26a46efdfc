"""How large the frames of a video may be: bounds in pixels and in tokens, by the family."""

from __future__ import annotations

import pytest
from datasets import Dataset

from vidalign.encoding import RowEncoder, VideoSampling
from vidalign.families import FAMILIES
from vidalign.rows import MediaFolder
from vidalign.trainers.sft import VideoSFTConfig, VideoSFTTrainer

ANY_SIZE = ("qwen2_5_vl", "qwen3_vl", "qwen2_5_omni_thinker", "qwen3_omni_moe_thinker")
FIXED = ("llava_next_video", "video_llava", "perception_lm", "internvl")
SHAPES = {"wide.mp4": (280, 504), "tall.mp4": (504, 280), "square.mp4": (280, 280), "strip.mp4": (56, 448)}
PROMPT = [{"role": "user", "content": "what moves ?"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_video):
    """A clip of 3 s at 4 frames a second in each shape, one of 1 s, and one that is small."""
    path = tmp_path_factory.mktemp("shapes")
    for seed, (name, (height, width)) in enumerate(SHAPES.items()):
        make_video(path / name, frames=12, height=height, width=width, seed=seed)
    make_video(path / "short.mp4", frames=4, height=280, width=504, seed=9)
    make_video(path / "small.mp4", frames=12, height=56, width=84, seed=10)
    return path


@pytest.fixture(scope="module")
def tokens_of(folder):
    """(family, names of files, sampling) -> tokens of each video, counted in the grid and in the ids."""

    def count(name, files, **sampling):
        family = FAMILIES[name]
        processor = family.tiny_processor()
        # Limits of its own that none of these clips reaches.
        size = {"shortest_edge": 1, "longest_edge": 10**9}
        processor.video_processor.size = size
        processor.tokenizer.init_kwargs["size"] = size  # where the omni processors look
        encoder = RowEncoder(
            processor, family, sampling=VideoSampling(**sampling), folder=MediaFolder(str(folder))
        )
        prompt = encoder({"prompt": PROMPT, "videos": list(files)}, ()).prompt
        merged = processor.video_processor.merge_size**2
        counts = [int(grid.prod()) // merged for grid in prompt.media["video_grid_thw"]]
        assert prompt.input_ids.count(processor.video_token_id) == sum(counts)
        return counts

    return count


@pytest.mark.parametrize("name", ANY_SIZE)
@pytest.mark.parametrize("frames", [1, 5, 12])
@pytest.mark.parametrize("budget", [40, 333])
def test_tokens_of_a_video_are_within_the_budget_and_fill_it(tokens_of, name, frames, budget):
    for file in SHAPES:
        [native] = tokens_of(name, [file], fps=None, num_frames=frames)
        [bounded] = tokens_of(name, [file], fps=None, num_frames=frames, total_tokens=budget)
        assert bounded <= budget, file
        if native <= budget:
            assert bounded == native, file  # never enlarged
        else:
            # Two frames are a token deep. What is left is below a row and a column of each step.
            steps = -(-frames // 2)
            share = budget // steps
            height, width = SHAPES[file]
            rows, columns = (share * height / width) ** 0.5, (share * width / height) ** 0.5
            assert bounded >= steps * max(1, int(rows)) * max(1, int(columns)), file


@pytest.mark.parametrize("name", ANY_SIZE)
def test_each_video_of_a_prompt_has_the_whole_budget(tokens_of, name):
    both = ["wide.mp4", "short.mp4"]
    apart = [tokens_of(name, [file], total_tokens=100)[0] for file in both]
    assert tokens_of(name, both, total_tokens=100) == apart
    # 6 and 2 frames: 33 and 100 tokens a pair, as 4 x 7 and 7 x 13
    assert apart == [84, 91]


@pytest.mark.parametrize("name", ANY_SIZE)
def test_total_pixels_are_summed_over_the_frames(tokens_of, name):
    # Six frames of 9.3 tokens' pixels each; two of them are one token deep.
    assert tokens_of(name, ["square.mp4"], total_pixels=56 * 28 * 28) == [27]
    assert tokens_of(name, ["square.mp4"], total_tokens=56) == [3 * 16]


@pytest.mark.parametrize("name", ANY_SIZE)
def test_the_tightest_bound_holds(tokens_of, name):
    bounds = {"max_pixels": 16 * 28 * 28, "total_pixels": 6 * 25 * 28 * 28, "total_tokens": 3 * 36}
    each = {key: tokens_of(name, ["square.mp4"], **{key: value})[0] for key, value in bounds.items()}
    assert each == {"max_pixels": 48, "total_pixels": 75, "total_tokens": 108}
    assert tokens_of(name, ["square.mp4"], **bounds) == [48]
    assert tokens_of(name, ["square.mp4"], **{**bounds, "max_pixels": None}) == [75]


def test_the_span_is_the_processors():
    """Qwen2.5 lays tokens over 28 pixels, Qwen3 over 32; both over two frames."""
    spans = {name: FAMILIES[name].video_token_span for name in ANY_SIZE}
    assert {name: span(FAMILIES[name].tiny_processor()) for name, span in spans.items()} == dict.fromkeys(
        ANY_SIZE, (2, 28)
    )
    processor = FAMILIES["qwen3_vl"].tiny_processor()
    processor.video_processor.patch_size = 16  # as published
    assert spans["qwen3_vl"](processor) == (2, 32)


@pytest.mark.parametrize("name", ANY_SIZE)
def test_a_budget_below_one_token_a_step(tokens_of, name):
    with pytest.raises(ValueError, match=r"wide\.mp4: total_tokens=2 .*below the 3 tokens that 6 frames"):
        tokens_of(name, ["wide.mp4"], total_tokens=2)


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_number_of_tokens_a_frame_cannot_be_bounded(name, saved_model, folder):
    args = VideoSFTConfig(
        output_dir="unused",
        video_total_tokens=100,
        media_root=str(folder),
        report_to=[],
        use_cpu=True,
        bf16=False,
    )
    row = {"videos": ["wide.mp4"], "prompt": "what moves ?", "completion": " a circle"}
    with pytest.raises(ValueError, match=rf"video_total_tokens.*{name}.*video_num_frames"):
        VideoSFTTrainer(model=saved_model(name), args=args, train_dataset=Dataset.from_list([row]))
