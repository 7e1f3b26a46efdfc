"""Media are taken for the same where the processor is given the same, and only there."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from vidalign.encoding import RowEncoder, VideoSampling
from vidalign.encoding.keys import content_key, media_key, sources
from vidalign.families import FAMILIES
from vidalign.rows import MediaFolder


def key(sampling=None, **media):
    held = {kind: media.get(kind, []) for kind in ("video", "audio", "image")}
    return media_key(held, sampling or VideoSampling())


def test_no_media_have_no_key():
    assert key() == ""


def test_one_content_is_another_medium_by_its_kind(media_folder):
    path = str(media_folder / "0.mp4")
    for source in (path, b"the same bytes"):
        keys = {key(**{kind: [source]}) for kind in ("video", "audio", "image")}
        contents = {content_key(kind, source) for kind in ("video", "audio", "image")}
        assert len(keys) == len(contents) == 3


def test_media_do_not_run_together():
    """Whatever stands in a file, two of them are not one, nor two others."""
    lists = ([b"a", b"bc"], [b"ab", b"c"], [b"abc"], [b"a\0video\0bc"], [b"a", b"b", b"c"], [b"abc", b"abc"])
    assert len({key(video=held) for held in lists}) == len(lists)
    assert key(video=[b"a"], image=[b"b"]) != key(video=[b"a", b"b"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Image.new("RGB", (2, 8)), Image.new("RGB", (8, 2))),
        (Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4), (0, 0, 1))),
        (np.zeros((2, 8, 3), "uint8"), np.zeros((8, 2, 3), "uint8")),
        (np.zeros((4, 4, 3), "uint8"), np.zeros((4, 4, 3), "int8")),
        (torch.zeros(3, 4, 4, dtype=torch.float16), torch.zeros(3, 4, 4, dtype=torch.bfloat16)),
        (torch.zeros(3, 4, 4), torch.zeros(3, 2, 8)),
    ],
)
def test_pictures_of_equal_bytes_are_told_apart(one, other):
    keys = [key(image=[picture]) for picture in (one, other, one)]
    assert keys[0] != keys[1] and keys[0] == keys[2]
    assert content_key("image", one) != content_key("image", other)


def palettes():
    """Two palette images with the same indices, a red one and a blue one."""
    pictures = []
    for colour in ((200, 0, 0), (0, 0, 200)):
        picture = Image.new("P", (60, 60), 1)
        picture.putpalette([255, 255, 255, *colour])
        pictures.append(picture)
    assert pictures[0].tobytes() == pictures[1].tobytes()
    return pictures


def test_palettes_are_told_apart_and_modes_of_one_picture_are_not(media_folder):
    folder = MediaFolder(media_folder)
    red, blue = palettes()
    keys = [
        key(image=sources({"images": [picture]}, "image", folder))
        for picture in (red, blue, red.convert("RGB"))
    ]
    assert keys[0] == keys[2] != keys[1]
    clear = red.copy()
    clear.info["transparency"] = 1
    assert key(image=sources({"image": clear}, "image", folder)) != keys[0]


def test_a_way_of_reading_is_another_key():
    ways = [
        VideoSampling(),
        VideoSampling(fps=1.0),
        VideoSampling(missing_audio="silence"),
        VideoSampling(max_pixels=9),
    ]
    assert len({key(way, video=[b"a"]) for way in ways}) == len(ways)


def test_a_file_that_is_replaced_is_another(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"one")
    os.utime(path, ns=(1, 1))
    before = key(image=[str(path)]), content_key("image", str(path))
    path.write_bytes(b"two")  # as long
    os.utime(path, ns=(2, 2))
    after = key(image=[str(path)]), content_key("image", str(path))
    assert before[0] != after[0] and before[1] != after[1]
    (tmp_path / "b.png").write_bytes(b"two")
    assert content_key("image", str(tmp_path / "b.png")) == after[1] == content_key("image", b"two")


# --- where keys are used --------------------------------------------------------------------------------------------


def pixels(media):
    return media["pixel_values"]


def expected(pictures):
    family, processor = FAMILIES["qwen2_5_vl"], FAMILIES["qwen2_5_vl"].tiny_processor()
    text = family.image_placeholder(processor)
    return [
        pixels(family.encode(processor, text, [], [picture.convert("RGB")]).media) for picture in pictures
    ]


def as_object(picture, path):
    return picture


def as_path(picture, path):
    picture.save(path)
    return str(path)


def as_bytes(picture, path):
    picture.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("stored", [as_object, as_path, as_bytes])
@pytest.mark.parametrize("cache_gb", [0.0, 1.0])
def test_palette_images_keep_their_colours(stored, cache_gb, trainer_of, pair_rows, tmp_path):
    """In one batch, over batches, and where encoded prompts are kept."""
    row = {**pair_rows(1, media=False)[0], "prompt": [{"role": "user", "content": "describe"}]}
    pictures = palettes()
    rows = [
        {**row, "images": [stored(picture, tmp_path / f"{number}.png")]}
        for number, picture in enumerate(pictures)
    ]
    trainer = trainer_of("synpo", rows=rows, media_root=str(tmp_path), media_cache_gb=cache_gb)
    red, blue = expected(pictures)
    assert not red.equal(blue)
    table = list(trainer.train_dataset)
    for _ in range(2):
        batch = trainer.data_collator(table)
        assert batch["prefix_group"].tolist() == [0, 1, 0, 1]
        for media, own in zip(batch["media"], (red, blue), strict=True):
            assert pixels(media).equal(own)
        for single, own in zip(table, (red, blue), strict=True):
            assert pixels(trainer.data_collator([single])["media"][0]).equal(own)


def test_palette_images_are_two_prompts_of_a_rollout(tmp_path):
    from vidalign.trainers.online.rollouts import encode_rollout

    family = FAMILIES["qwen2_5_vl"]
    encoder = RowEncoder(family.tiny_processor(), family, folder=MediaFolder(tmp_path), cache_gb=1.0)
    pictures = palettes()
    rows = [{"prompt": [{"role": "user", "content": "what"}], "images": [picture]} for picture in pictures]
    rollout = encode_rollout(
        encoder,
        [row for row in rows for _ in range(2)],
        chat_template_kwargs={},
        max_length=None,
        max_completion_length=4,
    )
    assert rollout.numbers == [0, 0, 1, 1]
    for prompt, own in zip(rollout.prompts, expected(pictures), strict=True):
        assert pixels(prompt.media).equal(own)


@pytest.mark.parametrize("kind", ["videos", "images"])
def test_a_file_that_is_replaced_is_read_again_from_under_the_cache(kind, media_folder, make_video, tmp_path):
    family = FAMILIES["qwen2_5_vl"]
    encoder = RowEncoder(family.tiny_processor(), family, folder=MediaFolder(tmp_path), cache_gb=1.0)
    path = tmp_path / ("a.mp4" if kind == "videos" else "a.png")

    def read(seed):
        if kind == "videos":
            make_video(path, seed=seed)
        else:
            palettes()[seed].save(path)
        os.utime(path, ns=(seed, seed))
        row = {"prompt": [{"role": "user", "content": "what"}], kind: [path.name]}
        return next(tensor for name, tensor in encoder(row, ()).prompt.media.items() if "pixel" in name)

    assert not read(0).equal(read(1))
    assert read(0).equal(read(0))
