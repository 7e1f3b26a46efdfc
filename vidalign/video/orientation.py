"""How a frame is turned for display: phones store upright videos lying on their side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame

_MATRIX = "DISPLAYMATRIX"


@dataclass(frozen=True)
class Orientation:
    """A display matrix, reduced to its eight right-angled cases: transpose first, then mirror."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def rotation(self) -> int:
        """Degrees anticlockwise, 0, 90, 180 or 270; of a mirrored picture, the turn after the mirror."""
        if not self.transpose:
            return 180 if self.flip_y else 0
        return 90 if self.flip_y else 270

    def apply(self, image: np.ndarray) -> np.ndarray:
        """A view of `image` [H, W, C] as it is displayed."""
        if self.transpose:
            image = image.swapaxes(0, 1)
        return image[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


def orientation_of(frame: VideoFrame) -> Orientation:
    """The frame's display matrix. Its linear part (a b; c d) sends a point (x, y) to (ax + cy, bx + dy)."""
    if _MATRIX not in frame.side_data:
        return Orientation()
    # PyAV's stubs know one kind of side data only.
    matrix = np.frombuffer(bytes(frame.side_data[_MATRIX]), dtype=np.int32)  # type: ignore[literal-required]
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(transpose=True, flip_x=c < 0, flip_y=b < 0)
    return Orientation(flip_x=a < 0, flip_y=d < 0)
