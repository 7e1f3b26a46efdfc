"""Prompts whose placeholders do not fit their media stop with a message, before the processor's own."""

from __future__ import annotations

import pytest

from vidalign.families import FAMILIES, PlaceholderError


@pytest.mark.parametrize("kinds", [(), ("video", "video")])
def test_one_placeholder_per_video(video_built, clip, kinds):
    with pytest.raises(PlaceholderError, match=rf"{len(kinds)} video placeholder\(s\) .* but 1 video\(s\)"):
        video_built.family.encode(video_built.processor, video_built.prompt(*kinds), [clip()])


def test_one_placeholder_per_image(video_built, image):
    with pytest.raises(PlaceholderError, match=r"1 image placeholder\(s\) .* but 2 image\(s\)"):
        video_built.family.encode(video_built.processor, video_built.prompt("image"), [], [image(), image()])


def test_a_placeholder_without_media(video_built):
    with pytest.raises(PlaceholderError, match=r"but 0 video\(s\)"):
        video_built.family.encode(video_built.processor, video_built.prompt("video"))


def test_as_many_tokens_as_features(video_built, clip, monkeypatch):
    """A processor that expands a placeholder to one token too few, as one of another checkpoint may."""
    processor = video_built.processor
    expand = type(processor).replace_video_token
    token = getattr(processor, "image_token" if video_built.family.name == "internvl" else "video_token")

    def one_less(self, *args, **kwargs):
        return expand(self, *args, **kwargs).replace(token, "", 1)

    monkeypatch.setattr(type(processor), "replace_video_token", one_less)
    with pytest.raises(PlaceholderError, match="The processor and the model disagree"):
        video_built.family.encode(processor, video_built.prompt("video"), [clip()])


@pytest.mark.parametrize("name", ["llava_next_video", "video_llava", "perception_lm", "internvl"])
def test_stacked_videos_have_one_length(family_named, clip, name):
    built = family_named(name)
    with pytest.raises(ValueError, match=r"\[4, 6\] frames"):
        built.family.encode(built.processor, built.prompt("video", "video"), [clip(4), clip(6)])


def test_an_old_checkpoint_without_patch_size(family_named, clip):
    processor = FAMILIES["llava_next_video"].tiny_processor()
    processor.patch_size = None
    with pytest.raises(ValueError, match="has no patch_size"):
        FAMILIES["llava_next_video"].encode(
            processor, family_named("llava_next_video").prompt("video"), [clip()]
        )


def test_text_models_take_no_media(built, clip):
    if built.family.vision_tower:
        pytest.skip("takes media")
    with pytest.raises(PlaceholderError, match=r"1 video\(s\)"):
        built.family.encode(built.processor, built.prompt(), [clip()])
