"""Real files with sound, and rows on them."""

from fractions import Fraction

import numpy as np
import pytest

OMNI = ("qwen2_5_omni_thinker", "qwen3_omni_moe_thinker")
RATE = 16_000


@pytest.fixture(scope="session")
def noise():
    """Mono int16 noise that differs with the seed: `noise(seconds, seed)`. Amplitude 0 for silence."""

    def make(seconds, seed=0, amplitude=8000):
        generator = np.random.default_rng(seed)
        return (amplitude * generator.uniform(-1, 1, round(seconds * RATE))).astype(np.int16)

    return make


def _mux_sound(container, stream, samples):
    for at in range(0, len(samples), 1024):
        frame = av_frame(samples[at : at + 1024], at)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def av_frame(samples, at):
    import av

    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), at
    return frame


@pytest.fixture(scope="session")
def make_film():
    """Writes H.264 of seeded blocks with a sound track: `make_film(path, samples=None, seconds=2.0, seed=0)`.

    samples: int16 at 16 kHz, as AAC in an MP4, as they are in a MOV. None writes no audio track.
    """
    import av

    def make(path, samples=None, *, seconds=2.0, rate=4, seed=0):
        generator = np.random.default_rng(seed)
        with av.open(str(path), "w") as container:
            pictures = container.add_stream("libx264", rate=rate)
            pictures.width, pictures.height, pictures.pix_fmt = 56, 56, "yuv420p"
            sound = None
            if samples is not None:
                sound = container.add_stream("pcm_s16le" if str(path).endswith(".mov") else "aac", rate=RATE)
                sound.layout = "mono"
            for _ in range(round(seconds * rate)):
                blocks = generator.integers(0, 255, (4, 4, 3), dtype=np.uint8)
                image = np.kron(blocks, np.ones((14, 14, 1), dtype=np.uint8))
                container.mux(pictures.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(pictures.encode(None))
            if sound is not None:
                _mux_sound(container, sound, samples)
        return str(path)

    return make


@pytest.fixture(scope="session")
def sound_folder(tmp_path_factory, make_film, noise):
    """Films of 2 seconds: 0.mp4, 1.mp4, 2.mp4 with sound as long, shorter.mp4 and longer.mp4, quiet.mov (exact silence),
    mute.mp4 without a track; and sound alone: bell.wav of 0.6 seconds, call.wav of 1.1."""
    import av

    folder = tmp_path_factory.mktemp("sound")
    for number in range(3):
        make_film(folder / f"{number}.mp4", noise(2, number), seed=number)
    make_film(folder / "shorter.mp4", noise(0.7, 3), seed=3)
    make_film(folder / "longer.mp4", noise(3.5, 4), seed=4)
    make_film(folder / "quiet.mov", noise(2, amplitude=0), seed=5)
    make_film(folder / "mute.mp4", seed=5)
    for name, seconds in (("bell", 0.6), ("call", 1.1)):
        with av.open(str(folder / f"{name}.wav"), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=RATE)
            stream.layout = "mono"
            _mux_sound(container, stream, noise(seconds, 7))
    return folder


@pytest.fixture
def sound_rows():
    """Pairs on each kind of media and on none: `sound_rows(*media)`, each a dict of media columns."""

    def rows(*media):
        words = ["a", "bell", "rings", "twice", "while", "a", "dog", "barks"]
        return [
            {
                **dict.fromkeys(("videos", "audios")),
                **own,
                "prompt": [{"role": "user", "content": f"what {words[number % 8]} ?"}],
                "chosen": [{"role": "assistant", "content": " ".join(words[: 2 + number % 5])}],
                "rejected": [{"role": "assistant", "content": f"no {words[number % 7]}"}],
            }
            for number, own in enumerate(media)
        ]

    return rows


@pytest.fixture
def mixed_rows(sound_rows):
    """Video with sound as long, longer and shorter, sound alone, both at once, and text."""
    return sound_rows(
        {"videos": ["0.mp4"]},
        {"audios": ["bell.wav"]},
        {},
        {"videos": ["longer.mp4"]},
        {"videos": ["1.mp4"], "audios": ["call.wav"]},
        {"videos": ["shorter.mp4"]},
    )


@pytest.fixture
def hearing(trainer_of, sound_folder):
    """`hearing("dpo", rows, **settings)`: a trainer of a model that hears, on the files of `sound_folder`."""

    def build(method, rows, *, model=OMNI[0], **settings):
        options = {"media_root": str(sound_folder), "use_audio_in_video": True}
        rows = as_chains(rows) if method == "ranking" and "chosen" in rows[0] else rows
        return trainer_of(method, rows=rows, model=model, **{**options, **settings})

    return build


def as_chains(rows):
    """Pairs as chains of three."""
    return [
        {
            **{name: row[name] for name in row if name not in ("chosen", "rejected")},
            "ranked": [row["chosen"], row["rejected"], [{"role": "assistant", "content": "nothing at all"}]],
        }
        for row in rows
    ]
