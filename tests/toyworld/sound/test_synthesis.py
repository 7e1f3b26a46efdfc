"""What sounds, and when, by the samples' energy and spectrum; in a clip's file as in the samples themselves."""

import numpy as np
import pytest

from vidalign.toyworld.sound import world
from vidalign.toyworld.sound.scene import SECONDS, TONES, VOICES, WORD_SECONDS, WORDS, Entrance
from vidalign.toyworld.sound.synthesis import (
    BUZZ,
    CHIME,
    RATE,
    TONE_SECONDS,
    WHISTLE,
    frequencies,
    synthesise,
    tone,
    word,
)
from vidalign.video import read_audio

EDGE = 0.015  # seconds: fades, and what a codec smears


def peak(samples):
    """Hz of the strongest frequency."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * RATE))
    return spectrum.argmax() / 8


def loudness(samples):
    return float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0


def part(samples, start, length):
    return samples[round((start + EDGE) * RATE) : round((start + length - EDGE) * RATE)]


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("spoken", WORDS)
def test_a_word_is_two_beeps(spoken, voice):
    samples = word(spoken, voice)
    assert len(samples) == round(WORD_SECONDS * RATE)
    for half, expected in zip(np.split(samples, 2), frequencies(spoken, voice), strict=True):
        assert peak(half) == pytest.approx(expected, rel=0.02)


def test_no_two_words_sound_alike():
    beeps = [frequencies(spoken, voice) for voice in VOICES for spoken in WORDS]
    for index, one in enumerate(beeps):
        for other in beeps[index + 1 :]:
            assert max(max(a / b, b / a) for a, b in zip(one, other, strict=True)) > 1.15


def test_tones_have_their_timbre():
    chime, buzz, whistle = map(tone, TONES)
    assert peak(chime) == pytest.approx(CHIME, rel=0.01)
    assert loudness(chime[: len(chime) // 4]) > 2 * loudness(chime[-len(chime) // 4 :])
    assert peak(buzz) == pytest.approx(BUZZ, rel=0.05)
    third = len(whistle) // 3
    assert (
        WHISTLE[0] < peak(whistle[:third]) < peak(whistle[third:-third]) < peak(whistle[-third:]) < WHISTLE[1]
    )


def test_samples_stay_within_bounds(scenes):
    for scene in scenes[:50]:
        samples = synthesise(scene)
        assert samples.dtype == np.float32
        assert len(samples) == SECONDS * RATE
        assert np.abs(samples).max() <= 1
        assert scene.silent == (not samples.any())


def test_a_files_sound_is_where_its_scene_says(sound_world):
    for video, scene in world.read_scenes(sound_world, "train"):
        samples = read_audio(sound_world / video, rate=RATE)
        assert len(samples) >= SECONDS * RATE
        quiet = np.ones(len(samples), dtype=bool)
        for happening in scene.story:
            if isinstance(happening, Entrance):
                length = TONE_SECONDS if happening.tone else 0.0
                if happening.tone:
                    heard = part(samples, happening.seconds, length)
                    assert loudness(heard) > 0.03
                    expected = {"chime": CHIME, "buzz": BUZZ, "whistle": sum(WHISTLE) / 2}[happening.tone]
                    assert peak(heard) == pytest.approx(
                        expected, rel=0.4 if happening.tone == "whistle" else 0.05
                    )
            else:
                length = len(happening.words) * WORD_SECONDS
                for number, spoken in enumerate(happening.words):
                    for half, expected in enumerate(frequencies(spoken, happening.voice)):
                        start = happening.seconds + (number + half / 2) * WORD_SECONDS
                        heard = part(samples, start, WORD_SECONDS / 2)
                        assert loudness(heard) > 0.2
                        assert peak(heard) == pytest.approx(expected, rel=0.05)
            lo, hi = happening.seconds - 2 * EDGE, happening.seconds + length + 2 * EDGE
            quiet[max(0, round(lo * RATE)) : round(hi * RATE)] = False
        assert loudness(samples[quiet]) < 0.01, video
