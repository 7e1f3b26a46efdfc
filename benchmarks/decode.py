"""Decoding speed against torchcodec and OpenCV: 2 frames a second from 100 seconds of 720p H.264.

    python benchmarks/decode.py [--seconds 100] [--runs 5] [--threads 0]

All read the same frames at full size as RGB, into one array; the runs of the readers alternate, so that a
busy machine slows all alike. Each peer is used in its best way for this sampling, and its fastest way counts.
The target is 0.9 of the faster peer's speed, within 1 grey level of it on average. torchcodec and
opencv-python-headless are dev extras, and torchcodec looks for FFmpeg's libraries on the machine; one that is absent, or
cannot read a second of film, is reported and left out.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np

from vidalign.video import decode, read_video

FPS = 2.0
RATE = 30


def write_video(path: Path, seconds: int) -> None:
    """A 1280 x 720 film at 30 fps: textures that slide over each other, a moving square, and film grain."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8).repeat(36, 0).repeat(36, 1)
    fine = rng.integers(0, 96, (360, 540, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    grain = rng.integers(0, 12, (8, 720, 1280, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        # x264's defaults but for the preset: group of pictures 250, 3 B-frames, crf 23.
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "bf": "3"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for index in range(seconds * RATE):
            y, x = index % 360, (2 * index) % 800
            image = (
                coarse[y : y + 720, x : x + 1280] // 2 + fine[360 - y : 1080 - y, :1280] + grain[index % 8]
            )
            top = int(280 + 200 * np.sin(index / 20))
            image[top : top + 160, x : x + 160] = 255 - image[top : top + 160, x : x + 160]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def ours(path: Path, threads: int) -> np.ndarray:
    return read_video(path, fps=FPS).frames


def torchcodec_times(path: Path, threads: int) -> np.ndarray:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=threads)
    times = np.arange(0, decoder.metadata.duration_seconds, 1 / FPS)
    return decoder.get_frames_played_at(times.tolist()).data.numpy()


def torchcodec_approximate(path: Path, threads: int) -> np.ndarray:
    """Without the scan for exact times: right for this file's constant rate."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, dimension_order="NHWC", num_ffmpeg_threads=threads, seek_mode="approximate")
    times = np.arange(0, decoder.metadata.duration_seconds, 1 / FPS)
    return decoder.get_frames_played_at(times.tolist()).data.numpy()


def opencv_grab(path: Path, threads: int) -> np.ndarray:
    """Decode all frames, convert the wanted ones. Seeking to each instead takes OpenCV five times as long."""
    import cv2

    capture = _capture(path, threads)
    step = round(capture.get(cv2.CAP_PROP_FPS) / FPS)
    frames, index = [], 0
    while capture.grab():
        if index % step == 0:
            frames.append(cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB))
        index += 1
    capture.release()
    return np.stack(frames)


def _capture(path: Path, threads: int) -> Any:
    import cv2

    options = [cv2.CAP_PROP_N_THREADS, threads] if threads else []
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, options)
    if not capture.isOpened():
        raise OSError("OpenCV opens no H.264 file here: built without FFmpeg")
    return capture


Reader = Callable[[Path, int], np.ndarray]

# Package -> its readers by name.
PEERS: dict[str, dict[str, Reader]] = {
    "torchcodec": {"torchcodec": torchcodec_times, "torchcodec approximate": torchcodec_approximate},
    "opencv-python-headless": {"opencv": opencv_grab},
}


def usable_peers(sample: Path, threads: int) -> tuple[dict[str, Reader], dict[str, str]]:
    """The peers that read `sample`, and their packages' versions. Others are named, with the reason.

    Importing tells too little: torchcodec loads FFmpeg's libraries with its first decoder.
    """
    readers: dict[str, Reader] = {}
    versions: dict[str, str] = {}
    for package, peers in PEERS.items():
        try:
            for read in peers.values():
                read(sample, threads)
            versions[package] = importlib.metadata.version(package)
        except (ImportError, OSError, RuntimeError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0]
            print(f"left out: {package} ({reason})")
        else:
            readers.update(peers)
    return readers, versions


def _difference(frames: np.ndarray, reference: np.ndarray) -> float:
    """Mean absolute difference in grey levels. Both [T, H, W, 3]."""
    pairs = zip(frames, reference, strict=True)
    return float(np.mean([np.abs(frame - wanted).mean() for frame, wanted in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=100, help="length of the film")
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each reader, after one warm-up")
    parser.add_argument(
        "--threads", type=int, default=0, help="decoder threads for all; 0: each reader's default"
    )
    arguments = parser.parse_args()

    if arguments.threads:
        decode.MAX_THREADS = arguments.threads
        decode.decoder_threads = lambda: arguments.threads

    with tempfile.TemporaryDirectory() as folder:
        sample, path = Path(folder) / "sample.mp4", Path(folder) / "film.mp4"
        write_video(sample, 1)
        peers, peer_versions = usable_peers(sample, arguments.threads)
        readers: dict[str, Reader] = {"vidalign": ours, **peers}
        versions = {"av": av.__version__, "numpy": np.__version__, **peer_versions}
        write_video(path, arguments.seconds)
        print(
            f"{platform.platform()}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores; "
            + ", ".join(f"{k} {v}" for k, v in versions.items())
        )
        print(
            f"{arguments.seconds} s of 1280 x 720 H.264 at {RATE} fps ({path.stat().st_size / 1e6:.0f} MB), "
            f"{FPS:g} fps taken, threads: {arguments.threads or 'default'}, median of {arguments.runs} runs"
        )
        # The warm-up: one reader's pictures at a time, for 200 of this size take half a gigabyte.
        reference = ours(path, arguments.threads).astype(np.int16)
        grey = {name: _difference(read(path, arguments.threads), reference) for name, read in readers.items()}
        del reference
        seconds: dict[str, list[float]] = {name: [] for name in readers}
        work: dict[str, list[float]] = {
            name: [] for name in readers
        }  # CPU time, which other processes hardly sway
        for _ in range(arguments.runs):
            for name, read in readers.items():
                began, worked = time.perf_counter(), time.process_time()
                read(path, arguments.threads)
                seconds[name].append(time.perf_counter() - began)
                work[name].append(time.process_time() - worked)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(
            f"{name:24s} {median:7.3f} s   {median / medians['vidalign']:5.2f} x ours   "
            f"CPU {statistics.median(work[name]):7.3f} s   mean difference {grey[name]:.3f} grey levels"
        )
    peers_only = {name: median for name, median in medians.items() if name != "vidalign"}
    if peers_only:
        best = min(peers_only, key=peers_only.__getitem__)
        print(f"speed, ours / best peer ({best}): {peers_only[best] / medians['vidalign']:.2f} (target 0.90)")
    else:
        print("no peer can be used here, so there is nothing to compare with")


if __name__ == "__main__":
    main()
