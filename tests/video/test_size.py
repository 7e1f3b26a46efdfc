"""Frame sizes within a budget."""

import pytest

from vidalign.video.size import fit_size


def test_no_budget_keeps_the_native_size():
    assert fit_size(719, 1281) == (719, 1281)


def test_multiples_round_to_the_nearest():
    # 720 / 28 = 25.7 -> 26, 1280 / 28 = 45.7 -> 46
    assert fit_size(720, 1280, multiple=28) == (728, 1288)


def test_avocado_budget_by_hand():
    # sqrt(720 * 1280 / (512 * 784)) = 1.5153: 720 / 1.5153 / 28 = 16.97 -> 16, 1280 / 1.5153 / 28 = 30.17 ->
    # 30
    assert fit_size(720, 1280, max_pixels=512 * 28 * 28, multiple=28) == (448, 840)


def test_never_enlarged():
    assert fit_size(96, 128, max_pixels=10**9, multiple=28) == (84, 140)  # 96 / 28 = 3.4, 128 / 28 = 4.6
    assert fit_size(10, 10, max_pixels=10**9, multiple=28) == (28, 28)  # nothing smaller is a multiple


def test_long_shapes_stay_within_the_budget():
    height, width = fit_size(10, 10_000, max_pixels=20 * 28 * 28, multiple=28)
    assert (height, width) == (28, 560)


@pytest.mark.parametrize("multiple", [1, 14, 28, 32])
@pytest.mark.parametrize(("height", "width"), [(720, 1280), (1920, 1080), (100, 101), (37, 3000), (2000, 15)])
@pytest.mark.parametrize("squares", [1, 2, 7, 300])
def test_bounds_and_shape(multiple, height, width, squares):
    budget = squares * max(multiple, 16) ** 2
    h, w = fit_size(height, width, max_pixels=budget, multiple=multiple)
    assert h % multiple == w % multiple == 0
    assert h * w <= budget
    assert h <= max(multiple, height + multiple / 2) and w <= max(multiple, width + multiple / 2)


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (1920, 1080), (480, 640), (333, 777)])
@pytest.mark.parametrize("squares", [64, 128, 512, 768])
def test_equals_qwens_smart_resize(height, width, squares):
    qwen = pytest.importorskip("transformers.models.qwen2_vl.image_processing_qwen2_vl")
    budget = squares * 28 * 28
    expected = qwen.smart_resize(height, width, factor=28, min_pixels=1, max_pixels=budget)
    assert fit_size(height, width, max_pixels=budget, multiple=28) == expected


def test_a_budget_below_one_multiple_is_refused():
    with pytest.raises(ValueError, match="28 x 28"):
        fit_size(720, 1280, max_pixels=28 * 28 - 1, multiple=28)
