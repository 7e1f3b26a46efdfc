"""Sound that is missing or cannot be decoded, found before training, and left out where the recipe says so."""

import pytest

from vidalign.rows import BadRows


def test_rows_without_the_sound_that_is_asked_for_are_left_out(hearing, sound_rows):
    rows = sound_rows(
        {"videos": ["0.mp4"]}, {"videos": ["mute.mp4"]}, {"audios": ["mute.mp4"]}, {"audios": ["bell.wav"]}
    )
    kept = hearing("synpo", rows, bad_media="skip").train_dataset
    assert kept["videos"] == [["0.mp4"], None] and kept["audios"] == [None, ["bell.wav"]]
    kept = hearing("synpo", rows, bad_media="skip", missing_audio="silence").train_dataset
    assert kept["videos"] == [["0.mp4"], ["mute.mp4"], None]


def test_sound_that_cannot_be_decoded_stops_before_training(hearing, sound_rows, sound_folder):
    whole = bytearray((sound_folder / "0.mp4").read_bytes())
    begin, end = whole.index(b"mdat") + 4, whole.index(b"moov") - 4
    whole[begin:end] = b"\xff" * (end - begin)
    (sound_folder / "hollow.mp4").write_bytes(whole)
    with pytest.raises(BadRows, match=r"row 0: audios: .*hollow\.mp4: no audio can be decoded"):
        hearing("synpo", sound_rows({"audios": ["hollow.mp4"]}))
