"""A scene's sound as samples: a tone for each event, and two beeps for each word.

Words differ in the notes of their two beeps. The low voice has its notes from 300 to 600 Hz, the high one two octaves above.
A tone's timbre tells it from words: the chime is higher than any voice and dies away, the buzz has all odd harmonics of a
note lower than any voice, the whistle rises.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidalign.toyworld.sound.scene import SECONDS, VOICES, WORD_SECONDS, WORDS, Entrance, SoundScene

RATE = 16_000  # samples per second
TONE_SECONDS = 0.2
NOTES = (1.0, 5 / 4, 3 / 2, 2.0)  # of a voice, as multiples of its base: a chord
BASES = dict(zip(VOICES, (300.0, 1200.0), strict=True))  # Hz
BEEPS = dict(zip(WORDS, ((0, 1), (1, 0), (0, 2), (2, 0), (1, 3), (3, 1), (2, 3), (0, 3)), strict=True))
"""Of each word, the two notes of its beeps."""
CHIME, BUZZ, WHISTLE = 3400.0, 110.0, (2400.0, 5000.0)  # Hz

_LOUDNESS = 0.4
_FADE = 0.008  # seconds: without it, beeps would click


def synthesise(scene: SoundScene, *, rate: int = RATE) -> NDArray[np.float32]:
    """float32 `[seconds * rate]`, within [-1, 1]; silence where nothing sounds."""
    samples = np.zeros(round(SECONDS * rate))
    for happening in scene.story:
        if isinstance(happening, Entrance):
            piece = tone(happening.tone, rate) if happening.tone else np.zeros(0)
        else:
            piece = np.concatenate([word(spoken, happening.voice, rate) for spoken in happening.words])
        start = round(happening.seconds * rate)
        samples[start : start + len(piece)] += piece
    return samples.astype(np.float32)


def frequencies(spoken: str, voice: str) -> tuple[float, float]:
    """Of a word's two beeps in that voice, in Hz."""
    first, second = (BASES[voice] * NOTES[note] for note in BEEPS[spoken])
    return first, second


def word(spoken: str, voice: str, rate: int = RATE) -> NDArray[np.float64]:
    """`WORD_SECONDS` of sound."""
    time = np.arange(round(WORD_SECONDS * rate / 2)) / rate
    return np.concatenate(
        [_faded(np.sin(2 * np.pi * note * time), rate) for note in frequencies(spoken, voice)]
    )


def tone(name: str, rate: int = RATE) -> NDArray[np.float64]:
    """`TONE_SECONDS` of sound."""
    time = np.arange(round(TONE_SECONDS * rate)) / rate
    if name == "chime":
        wave = np.sin(2 * np.pi * CHIME * time) * np.exp(-time / 0.1)
    elif name == "buzz":
        harmonics = np.arange(1, rate / 2 / BUZZ, 2)
        wave = (np.sin(2 * np.pi * BUZZ * harmonics[:, None] * time) / harmonics[:, None]).sum(axis=0)
    else:
        low, high = WHISTLE
        wave = np.sin(2 * np.pi * (low * time + (high - low) * time**2 / (2 * TONE_SECONDS)))
    return _faded(wave, rate)


def _faded(wave: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    ramp = np.minimum(np.arange(len(wave)) / (_FADE * rate), 1.0)
    return _LOUDNESS * wave * ramp * ramp[::-1]
