"""What an encoder keeps of prompts with media, and what it takes for one prompt."""

import pytest

from vidalign.encoding import RowEncoder, VideoSampling, encoder
from vidalign.families import FAMILIES
from vidalign.rows import MediaFolder


def encoder_of(name, folder, **options):
    family = FAMILIES[name]
    sampling = VideoSampling(fps=None, num_frames=2)
    return RowEncoder(
        family.tiny_processor(), family, sampling=sampling, folder=MediaFolder(str(folder)), **options
    )


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files that were decoded, in order."""
    names, read = [], encoder.read_video

    def watched(source, **options):
        names.append(source.rpartition("/")[2])
        return read(source, **options)

    monkeypatch.setattr(encoder, "read_video", watched)
    return names


def row(number):
    return {"videos": [f"{number}.mp4"], "prompt": "describe"}


def test_the_least_recently_used_prompt_goes_first(media_folder, decoded):
    sizes = encoder_of("internvl", media_folder)
    size = max(encoder._bytes(sizes(row(number), ()).prompt) for number in range(3))
    decoded.clear()
    kept = encoder_of("internvl", media_folder, cache_gb=2.5 * size / 2**30)
    for number in (0, 1, 0, 2):  # with 2 there is no room for 1, which was used before 0
        kept(row(number), ())
    assert decoded == ["0.mp4", "1.mp4", "2.mp4"]
    for number in (0, 2, 0):
        kept(row(number), ())
    assert decoded == ["0.mp4", "1.mp4", "2.mp4"]
    for number in (1, 2, 1, 2, 1):  # room for two still
        kept(row(number), ())
    assert decoded[3:] in (["1.mp4"], ["1.mp4", "2.mp4"])
    assert kept._held == sum(map(encoder._bytes, kept._cache.values())) <= 2.5 * size


def test_prompts_of_one_text_and_other_tokens_are_two(media_folder):
    """A template that writes BOS, and a plain string that begins with it as typed, before which the tokenizer's comes."""
    encode = encoder_of("video_llava", media_folder)
    answer = [{"role": "assistant", "content": "a dog"}]
    talk = {**row(0), "prompt": [{"role": "user", "content": "describe"}], "completion": answer}
    one = encode(talk, ("completion",))
    text = encode._render(talk, ("completion",), encode._media(talk)).prompt
    other = encode({**row(0), "prompt": text, "completion": "a dog"}, ("completion",))
    bos = encode.tokenizer.bos_token_id
    assert other.prompt.input_ids == [bos, *one.prompt.input_ids] and one.prompt.input_ids[0] == bos
    assert one.media_key == other.media_key
    assert one.key != other.key


@pytest.mark.parametrize("name", ["qwen2_5_vl", "internvl", "video_llava"])
def test_tokens_of_media_are_never_scored(name, trainer_of, pair_rows):
    trainer = trainer_of("sft", model=name, completion_only_loss=False, video_fps=None, video_num_frames=2)
    batch = next(iter(trainer.get_train_dataloader()))
    scored = batch["labels"] != -100
    media = sum(batch["input_ids"] == token for token in trainer.data_collator.encoder.named_ids).bool()
    assert media.any() and not (media & scored).any()
    assert (batch["attention_mask"].bool() & ~media == scored).all()  # all else is
