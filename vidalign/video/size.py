"""The size that a frame is given so that it fits a budget of pixels."""

from __future__ import annotations

import math


def fit_size(
    height: int, width: int, *, max_pixels: float | None = None, multiple: int = 1
) -> tuple[int, int]:
    """Height and width in a pixel budget, multiples of `multiple`, and the closest aspect ratio.

    As Qwen's `smart_resize`: round to the nearest multiple, or, where that exceeds the budget, shrink by
    sqrt(height * width / max_pixels) and round down. Never enlarges beyond the native size rounded to the
    multiple. For very long shapes, whose short side would round to nothing, the short side is one multiple
    and the long side what the budget leaves.

    Args:
        height, width: pixels, as displayed.
        max_pixels: the budget, in pixels; None for no limit.
        multiple: pixels, for families whose patches tile the frame (28 for Qwen2-VL and Qwen2.5-VL).

    Raises:
        ValueError: the budget does not hold one `multiple` x `multiple` frame.

    Examples:
        >>> fit_size(720, 1280, max_pixels=256 * 28 * 28, multiple=28)
        (336, 588)
        >>> fit_size(64, 96)
        (64, 96)
    """
    rounded = [max(multiple, round(side / multiple) * multiple) for side in (height, width)]
    if max_pixels is None or rounded[0] * rounded[1] <= max_pixels:
        return rounded[0], rounded[1]
    if max_pixels < multiple * multiple:
        raise ValueError(
            f"a budget of {max_pixels:g} pixels a frame does not hold one {multiple} x {multiple} frame: "
            f"raise max_pixels (or total_pixels), or take fewer frames"
        )
    shrink = math.sqrt(max_pixels / (height * width))
    fitted = [max(multiple, math.floor(side * shrink / multiple) * multiple) for side in (height, width)]
    for short, long in ((0, 1), (1, 0)):
        if fitted[short] == multiple:
            room = math.floor(max_pixels / multiple / multiple) * multiple
            fitted[long] = min(fitted[long], room)
    return fitted[0], fitted[1]
