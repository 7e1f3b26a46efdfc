"""Images of rows: the same rules as for videos, and the same picture however it is stored."""

import numpy as np
import pytest
from datasets import Dataset, Image, List
from PIL import Image as Picture
from transformers.image_transforms import convert_to_rgb

from vidalign.encoding.images import read_image

ORIENTATION = 0x0112  # EXIF


@pytest.fixture
def image_rows(pair_rows):
    """Pairs on one image each: `image_rows(*images)`."""

    def rows(*images):
        return [
            {**row, "images": [image]}
            for row, image in zip(pair_rows(len(images), media=False), images, strict=True)
        ]

    return rows


@pytest.fixture
def pictures(tmp_path):
    """A folder with files of one seeded picture, and the picture: opaque, see-through, and turned by its EXIF data."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    blocks = np.random.default_rng(0).integers(0, 255, (4, 5, 4), dtype=np.uint8)
    seen = Picture.fromarray(np.kron(blocks, np.ones((14, 14, 1), dtype=np.uint8)), "RGBA")
    seen.convert("RGB").save(folder / "opaque.png")
    seen.save(folder / "clear.png")
    exif = Picture.Exif()
    exif[ORIENTATION] = 6
    seen.convert("RGB").rotate(90, expand=True).save(folder / "turned.png", exif=exif)
    return folder, seen


def test_transparency_is_laid_on_white_as_transformers_does(pictures):
    folder, seen = pictures
    expected = convert_to_rgb(seen, return_numpy=True)
    for source in (seen, str(folder / "clear.png"), (folder / "clear.png").read_bytes()):
        np.testing.assert_array_equal(np.asarray(read_image(source)), expected)
    grey = Picture.new("LA", (4, 4), (99, 99))
    np.testing.assert_array_equal(np.asarray(read_image(grey)), convert_to_rgb(grey, return_numpy=True))


@pytest.mark.parametrize("name", ["opaque.png", "clear.png", "turned.png"])
def test_forms_of_one_picture_give_the_same_tensors(name, trainer_of, image_rows, pictures):
    folder, seen = pictures
    path = folder / name
    [row] = image_rows(name)
    stored = Dataset.from_list([row]).cast_column("images", List(Image()))
    forms = [
        row,
        {**row, "images": [str(path)]},
        {**row, "images": [path.read_bytes()]},
        {**row, "images": [{"path": None, "bytes": path.read_bytes()}]},
        {**row, "images": [{"path": name, "bytes": None}]},
        {**{key: row[key] for key in row if key != "images"}, "image": name},
    ]
    expected = seen if name == "clear.png" else seen.convert("RGB")
    batches = []
    for rows in ([{**row, "images": [expected]}], *([form] for form in forms), stored):
        trainer = trainer_of("synpo", rows=rows, media_root=str(folder))
        batches.append(next(iter(trainer.get_train_dataloader())))
    for batch in batches[1:]:
        assert batch["input_ids"].tolist() == batches[0]["input_ids"].tolist()
        for key, tensor in batches[0]["media"][0].items():
            assert tensor.equal(batch["media"][0][key])


@pytest.mark.parametrize("method", ["synpo", "ranking"])
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (
            "nowhere.png",
            r"row 1: images: '.*nowhere.png' does not exist \(relative paths start at media_root\)",
        ),
        ("empty.png", r"row 1: images: '.*empty.png' is empty"),
        ("../outside.png", r"row 1: images: .*lies outside.*media_allow"),
        ("/etc/hostname", "row 1: images: .*lies outside"),
        ("https://example.org/a.png", "row 1: images: .*is a URL"),
        (b"", "row 1: images: holds zero bytes"),
        ("text.png", r"row 1: images: .*text.png: it cannot be read as an image \(it is in no format"),
        ("cut.png", r"row 1: images: .*cut.png: it cannot be read as an image"),
        ("cut.jpg", r"row 1: images: .*cut.jpg: it cannot be read as an image \(image file is truncated"),
    ],
)
def test_bad_images_stop_before_training(
    method, image, message, trainer_of, image_rows, chain_rows, pictures
):
    folder, seen = pictures
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("not an image")
    whole = (folder / "opaque.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    seen.convert("RGB").save(folder / "cut.jpg")
    whole = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    good = (folder / "opaque.png").read_bytes() if isinstance(image, bytes) else "opaque.png"
    rows = image_rows(good, image)
    if method == "ranking":
        chains = chain_rows(2, media=False)
        rows = [{**chain, "images": row["images"]} for chain, row in zip(chains, rows, strict=True)]
    with pytest.raises(ValueError, match=message):
        trainer_of(method, rows=rows, media_root=str(folder))


def test_a_column_of_datasets_opens_nothing_by_itself(trainer_of, image_rows, pictures, tmp_path):
    folder, _ = pictures
    (tmp_path / "elsewhere.png").write_bytes((folder / "opaque.png").read_bytes())
    for image, message in (
        (str(tmp_path / "elsewhere.png"), "lies outside"),
        ("http://127.0.0.1:9/a.png", "is a URL"),
        ("gone.png", "does not exist"),
    ):
        rows = Dataset.from_list(image_rows(image)).cast_column("images", List(Image()))
        with pytest.raises(ValueError, match=message):
            trainer_of("synpo", rows=rows, media_root=str(folder))
        streamed = trainer_of("synpo", rows=rows.to_iterable_dataset(), media_root=str(folder), max_steps=1)
        with pytest.raises(ValueError, match=message):
            streamed.train()
        with pytest.raises(ValueError, match=message):
            streamed.evaluate(rows.to_iterable_dataset())
    rows = Dataset.from_list(image_rows(str(tmp_path / "elsewhere.png")))
    assert (
        len(trainer_of("synpo", rows=rows, media_root=str(folder), media_allow=[str(tmp_path)]).train_dataset)
        == 1
    )


def test_a_column_in_another_mode_is_refused(trainer_of, image_rows, pictures):
    folder, _ = pictures
    rows = Dataset.from_list(image_rows("opaque.png")).cast_column("images", List(Image(mode="L")))
    with pytest.raises(ValueError, match=r"column images is Image\(mode='L'\).*RGB"):
        trainer_of("synpo", rows=rows, media_root=str(folder))
