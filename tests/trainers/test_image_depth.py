"""Images of more than eight bits, and images that come opened."""

import io

import numpy as np
import pytest
from PIL import Image

from vidalign.encoding.images import check_image, read_image

ORIENTATION = 0x0112  # EXIF
RAMP = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)


def stored(image, form, **options):
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_keep_their_brightness(form):
    image = Image.fromarray(RAMP)
    expected = np.repeat((RAMP >> 8).astype(np.uint8)[..., None], 3, axis=2)
    data = stored(image, form)
    check_image(data)
    np.testing.assert_array_equal(np.asarray(read_image(data)), expected)
    np.testing.assert_array_equal(np.asarray(read_image(image)), expected)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_without_a_white_are_refused(dtype, tmp_path):
    image = Image.fromarray(RAMP.astype(dtype))
    image.save(tmp_path / "depth.tiff")
    for read in (check_image, read_image):
        with pytest.raises(ValueError, match=r"depth\.tiff: .*32-bit numbers.*store 8 bits"):
            read(str(tmp_path / "depth.tiff"))
    with pytest.raises(ValueError, match=r"an image cannot be used: .*store 8 bits"):
        read_image(image)


def test_an_opened_image_is_turned_as_its_file_is():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    picture = Image.fromarray(np.arange(8 * 4 * 3, dtype=np.uint8).reshape(4, 8, 3))
    data = stored(picture, "PNG", exif=exif)
    opened = Image.open(io.BytesIO(data))
    upright = np.asarray(read_image(data))
    assert upright.shape == (8, 4, 3)
    np.testing.assert_array_equal(np.asarray(read_image(opened)), upright)
