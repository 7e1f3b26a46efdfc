"""What is read of files with sound, with another length of it, with silence, with none."""

import re

import numpy as np
import pytest
from datasets import Dataset

from vidalign.encoding import RowEncoder, VideoSampling
from vidalign.families import FAMILIES
from vidalign.rows import BadRows, MediaFolder
from vidalign.video import read_audio, read_video

PROMPT = [{"role": "user", "content": "what sounds ?"}]


@pytest.fixture
def encoder_of(sound_folder):
    def build(family="qwen2_5_omni_thinker", *, cache_gb=0.0, **sampling):
        known = FAMILIES[family]
        options = {"fps": 2.0, "use_audio_in_video": True, **sampling}
        return RowEncoder(
            known.tiny_processor(),
            known,
            sampling=VideoSampling(**options),
            folder=MediaFolder(sound_folder),
            cache_gb=cache_gb,
        )

    return build


def sounds(encoder, row):
    """Audio tokens of the prompt, in seconds."""
    tokens = encoder({"prompt": PROMPT, **row}, ()).prompt.input_ids
    audio = encoder.tokenizer.convert_tokens_to_ids(encoder.processor.audio_token)
    return tokens.count(audio) / encoder.processor.position_id_per_seconds


# AAC works in blocks of 1,024 samples, 64 ms, and one token of Qwen3-Omni is 77 ms.
@pytest.mark.parametrize(
    ("name", "seconds"), [("0.mp4", 2.0), ("shorter.mp4", 2.0), ("longer.mp4", 3.5), ("quiet.mov", 2.0)]
)
@pytest.mark.parametrize("family", ["qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"])
def test_the_whole_track_is_heard_and_never_less_than_the_video(family, name, seconds, encoder_of):
    assert sounds(encoder_of(family), {"videos": [name]}) == pytest.approx(seconds, abs=0.15)
    assert sounds(encoder_of(family, use_audio_in_video=False), {"videos": [name]}) == 0


@pytest.mark.parametrize("family", ["qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"])
def test_a_missing_track_is_read_as_a_silent_one(family, encoder_of):
    """quiet.mov and mute.mp4 hold the same pictures."""
    encoder = encoder_of(family, missing_audio="silence")
    quiet, mute = (
        encoder({"prompt": PROMPT, "videos": [name]}, ()).prompt for name in ("quiet.mov", "mute.mp4")
    )
    assert mute.input_ids == quiet.input_ids
    assert set(mute.media) == set(quiet.media) >= {"input_features"}
    assert all(tensor.equal(quiet.media[name]) for name, tensor in mute.media.items())


def test_file_contents_are_read_as_their_files(encoder_of, sound_folder):
    encoder = encoder_of()
    paths = {"videos": ["longer.mp4"], "audios": ["bell.wav"]}
    contents = {kind: [(sound_folder / name).read_bytes() for name in names] for kind, names in paths.items()}
    stored = {kind: [{"bytes": data, "path": None} for data in held] for kind, held in contents.items()}
    one, *others = (encoder({"prompt": PROMPT, **row}, ()).prompt for row in (paths, contents, stored))
    for other in others:
        assert other.input_ids == one.input_ids
        assert all(tensor.equal(one.media[name]) for name, tensor in other.media.items())


def test_decoded_is_what_the_processor_is_given(encoder_of, sound_folder, monkeypatch):
    encoder = encoder_of(max_pixels=28 * 28 * 2)
    row = {"prompt": PROMPT, "videos": ["shorter.mp4", "0.mp4"], "audios": ["call.wav"]}
    decoded = encoder.decoded(row)
    for video, name in zip(decoded.videos, row["videos"], strict=True):
        expected = read_video(str(sound_folder / name), fps=2.0, max_pixels=28 * 28 * 2, multiple=28)
        np.testing.assert_array_equal(video.frames, expected.frames)
        np.testing.assert_array_equal(video.timestamps, expected.timestamps)
    for samples, name in zip(decoded.soundtracks, row["videos"], strict=True):
        np.testing.assert_array_equal(samples, read_audio(str(sound_folder / name), rate=16_000))
    np.testing.assert_array_equal(decoded.audios[0], read_audio(str(sound_folder / "call.wav")))
    given = {}
    monkeypatch.setattr(
        "vidalign.families.omni.encode",
        lambda *arguments, **options: given.update(all=[*arguments, *options.values()]) or 1 / 0,
    )
    with pytest.raises(ZeroDivisionError):
        encoder(row, ())
    assert given["all"][1] == decoded.text and decoded.max_pixels in given["all"]
    assert decoded.text.count(encoder.processor.audio_token) == 1
    assert decoded.text.count(encoder.processor.video_token) == 2


def test_decoded_text_has_no_media(encoder_of):
    decoded = encoder_of().decoded({"prompt": "what sounds ?", "videos": None})
    assert decoded.text == "what sounds ?"
    assert not (decoded.videos or decoded.soundtracks or decoded.audios or decoded.images)


@pytest.mark.parametrize(("cache_gb", "expected"), [(0.0, 4), (1.0, 2)])
def test_each_sound_is_read_once_a_row(cache_gb, expected, encoder_of, monkeypatch):
    reads = []
    monkeypatch.setattr(
        "vidalign.encoding.encoder.read_audio", lambda path, **o: reads.append(path) or read_audio(path, **o)
    )
    encoder = encoder_of(cache_gb=cache_gb)
    other = [{"role": "user", "content": "and what else ?"}]
    for _ in range(2):
        for name in ("0.mp4", "1.mp4"):
            encoder({"prompt": PROMPT, "videos": [name]}, ())
            encoder({"prompt": other, "videos": [name]}, ())
    assert len(reads) == expected


def test_keys_tell_with_sound_from_without(encoder_of):
    row = {"prompt": PROMPT, "videos": ["0.mp4"]}
    hearing, deaf = (encoder_of(use_audio_in_video=sound)(row, ()) for sound in (True, False))
    alone = encoder_of()({"prompt": PROMPT, "audios": ["0.mp4"]}, ())
    assert len({hearing.media_key, deaf.media_key, alone.media_key}) == 3
    assert len({hearing.key, deaf.key, alone.key}) == 3


# --- no sound where sound is asked for ------------------------------------------------------------------------------


def test_a_missing_track_stops_before_training(hearing, sound_rows):
    rows = sound_rows({"videos": ["0.mp4"]}, {"videos": ["mute.mp4"]}, {"videos": ["1.mp4"]})
    message = r"1 of 3 rows(?s:.*)row 1: videos: '.*mute\.mp4': there is no audio track\. Drop the row, or set missing_audio to silence"
    with pytest.raises(BadRows, match=message):
        hearing("synpo", rows)
    with pytest.raises(BadRows, match="eval dataset: 1 of 3"):
        hearing("synpo", rows[:1], trainer_options={"eval_dataset": Dataset.from_list(rows)})
    assert len(hearing("synpo", rows, missing_audio="silence").train_dataset) == 3
    assert len(hearing("synpo", rows, use_audio_in_video=False).train_dataset) == 3


def test_contents_without_a_track_stop_before_training(hearing, sound_rows, sound_folder):
    mute = (sound_folder / "mute.mp4").read_bytes()
    rows = sound_rows({"videos": [(sound_folder / "0.mp4").read_bytes()]}, {"videos": [mute]})
    with pytest.raises(BadRows, match=rf"row 1: videos: <bytes, {len(mute)} B>: there is no audio track"):
        hearing("synpo", rows)


def test_a_stream_names_the_row_when_it_comes(hearing, sound_rows, losses_of):
    rows = sound_rows({"videos": ["0.mp4"]}, {"videos": ["mute.mp4"]})
    stream = Dataset.from_list(rows).to_iterable_dataset()
    with pytest.raises(ValueError, match=r"row 1 of the batch: .*mute\.mp4.*missing_audio to silence"):
        losses_of(hearing("synpo", stream, max_steps=1))
    assert len(losses_of(hearing("synpo", stream, max_steps=1, missing_audio="silence"))) == 1


def test_what_is_no_media_file_stops_before_training(hearing, sound_rows, sound_folder):
    (sound_folder / "text.mp4").write_text("not a video, but not empty either")
    with pytest.raises(BadRows, match=r"row 0: videos: .*text\.mp4: FFmpeg cannot open it"):
        hearing("synpo", sound_rows({"videos": ["text.mp4"]}))


@pytest.mark.parametrize(
    ("audios", "message"),
    [
        (["mute.mp4"], r"row 0: audios: '.*mute\.mp4': there is no audio track\. Give a file with one"),
        (["gone.wav"], r"row 0: audios: '.*gone\.wav' does not exist"),
        (["../gone.wav"], r"row 0: audios: .*lies outside"),
        ([b""], r"row 0: audios: holds zero bytes"),
        ("bell.wav", r"row 0: audios: a string instead of a list of paths"),
    ],
)
def test_bad_sounds_stop_before_training(audios, message, hearing, sound_rows):
    with pytest.raises(BadRows, match=message):
        hearing("synpo", sound_rows({"audios": audios}), missing_audio="silence", use_audio_in_video=False)


# --- models that do not hear ----------------------------------------------------------------------------------------


def test_a_model_that_does_not_hear_is_refused(trainer_of, pair_rows, hearing, sound_rows):
    able = re.escape("qwen2_5_omni_thinker, qwen3_omni_moe_thinker")
    with pytest.raises(ValueError, match=f"use_audio_in_video=True .* qwen2_5_vl does not hear; .*{able}"):
        trainer_of("synpo", use_audio_in_video=True)
    for model in ("qwen2_5_vl", "llama"):
        with pytest.raises(ValueError, match=f"train dataset has the column audios, .*{model} .*{able}"):
            hearing("synpo", sound_rows({"audios": ["bell.wav"]}), model=model, use_audio_in_video=False)
    evaluated = Dataset.from_list([{**row, "audio": "bell.wav"} for row in pair_rows(1)])
    with pytest.raises(ValueError, match=r"eval dataset has the column audio, .*does not hear"):
        trainer_of("synpo", trainer_options={"eval_dataset": evaluated})
    with pytest.raises(ValueError, match="qwen3_vl does not hear"):
        RowEncoder(None, FAMILIES["qwen3_vl"], sampling=VideoSampling(use_audio_in_video=True))


def test_missing_audio_has_two_values(hearing, sound_rows):
    with pytest.raises(ValueError, match=r"missing_audio='skip' unknown; choose from \['error', 'silence'\]"):
        hearing("synpo", sound_rows({"videos": ["0.mp4"]}), missing_audio="skip")
