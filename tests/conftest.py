"""What every room's tests share: an offline environment, and small real files, models and rows."""

import json
import os
import shutil
import signal

# A shell starts its background jobs with SIGINT ignored, and so would the programs that tests start be.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TQDM_DISABLE", "1")

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_video():
    """Writes a real H.264 file of seeded noise: `make_video(path, frames=8, size=56, rate=4, seed=0)`."""
    import av

    def make(path, *, frames=8, width=56, height=56, rate=4, seed=0):
        rng = np.random.default_rng(seed)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=rate)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for _ in range(frames):
                # Large blocks, so that the codec keeps what makes one file differ from another.
                blocks = rng.integers(0, 255, (height // 14, width // 14, 3), dtype=np.uint8)
                image = np.kron(blocks, np.ones((14, 14, 1), dtype=np.uint8))
                for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)
        return str(path)

    return make


@pytest.fixture(scope="session")
def media_folder(tmp_path_factory, make_video):
    """Six files 0.mp4 ... 5.mp4 of 2 or 3 seconds, and in two sizes."""
    folder = tmp_path_factory.mktemp("media")
    for number in range(6):
        make_video(
            folder / f"{number}.mp4",
            frames=8 + 4 * (number % 2),
            width=56 + 28 * (number % 3 == 0),
            seed=number,
        )
    return folder


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory):
    """Folder with a tiny model and its processor, by family name."""
    from vidalign.families import FAMILIES

    folders: dict[str, str] = {}

    def save(name):
        if name not in folders:
            folder = str(tmp_path_factory.mktemp(name))
            FAMILIES[name].tiny_model().save_pretrained(folder)
            FAMILIES[name].tiny_processor().save_pretrained(folder)
            folders[name] = folder
        return folders[name]

    return save


@pytest.fixture(scope="session")
def pair_rows():
    """Rows of pairs with responses of different length: `pair_rows(n, media=True)`."""

    def rows(count, *, media=True, files=6):
        words = ["a", "red", "circle", "moves", "left", "while", "two", "blue", "squares", "stay"]
        table = []
        for number in range(count):
            chosen = " ".join(words[: 2 + number % 7])
            rejected = " ".join(reversed(words[: 1 + (number * 3) % 8]))
            row = {
                "prompt": [{"role": "user", "content": f"describe {words[number % 9]}"}],
                "chosen": [{"role": "assistant", "content": chosen}],
                "rejected": [{"role": "assistant", "content": rejected + " not"}],
            }
            table.append({"videos": [f"{number % files}.mp4"], **row} if media else row)
        return table

    return rows


@pytest.fixture
def write_rows():
    def write(path: Path, rows: list[dict]) -> str:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def on_hub(tmp_path, monkeypatch):
    """Puts a folder's files where the Hub's cache has a model's, as its only or newest commit: `on_hub(name, folder, "a" * 40)`."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))

    def put(name, folder, commit="a" * 40):
        repository = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        shutil.copytree(folder, repository / "snapshots" / commit)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / "main").write_text(commit)
        for file in ("config.json", "processor_config.json", "adapter_config.json"):
            if not (repository / "snapshots" / commit / file).exists():
                absent = repository / ".no_exist" / commit / file  # as after a load online
                absent.parent.mkdir(parents=True, exist_ok=True)
                absent.touch()

    return put
